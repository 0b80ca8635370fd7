"""Audits of Unreal projects without the editor: assets by their headers, source art, configuration."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.api import TextureAsset, UserError
from bridge.audit.project import NOTHING_CHECKED, find, nothing_notices
from bridge.demo.textures import save, textures
from bridge.host import host
from bridge_unreal.package_header import HeaderError, read_header
from bridge_unreal.plugin import Unreal5
from bridge_unreal.texture_header import texture_header
from tests.unreal.uasset import LAYOUTS, NORMAL_MAP, TAGS, package, write_texture

PROFILES = "Config/DefaultDeviceProfiles.ini"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Game.uproject").write_text(
        '{"FileVersion": 3, "EngineAssociation": "5.3"}', encoding="utf-8"
    )
    (tmp_path / "Content").mkdir()
    (tmp_path / "Config").mkdir()
    return tmp_path


def listed(project: Path) -> dict[str, TextureAsset]:
    support = Unreal5().project
    assert support is not None
    return {each.path: each for each in support.textures(project)}


def codes(project: Path) -> dict[str, list[str]]:
    """The codes and severities of the remarks, all of which have titles, by file."""
    rows = listed(project).values()
    assert all(one.title and one.short_title for each in rows for one in each.remarks)
    found = {each.file: [f"{one.code} {one.severity}" for one in each.remarks] for each in rows}
    return {file: remarks for file, remarks in found.items() if remarks}


def imported_from(file: str, digest: str = "") -> Mapping[str, str]:
    return {"AssetImportData": json.dumps([{"RelativeFilename": file, "Timestamp": "1", "FileMD5": digest}])}


def draw(file: Path, name: str = "brick_normal.png") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    save(next(one for one in textures() if one.file.endswith(name)).draw(), file)


@pytest.mark.parametrize("engine", LAYOUTS)
def test_headers_of_all_versions_tell_the_import_settings(tmp_path: Path, engine: str) -> None:
    file = tmp_path / "T_Rock_N.uasset"
    write_texture(file, {**NORMAL_MAP, **imported_from("../岩石/T_Rock_N.tga", "ab" * 16)}, engine)
    (found,) = read_header(file)
    header = texture_header(found)
    assert (found.name, found.kind, header.size, header.format) == (
        "T_Rock_N",
        "Texture2D",
        (512, 512),
        "BC5",
    )
    assert (header.source, header.digest) == ("../岩石/T_Rock_N.tga", "ab" * 16)
    assert header.options == {
        "compression_settings": "TC_NORMALMAP", "lod_group": "TEXTUREGROUP_WORLD_NORMAL_MAP", "srgb": False,
        "address_x": "TA_WRAP", "address_y": "TA_WRAP", "filter": "TF_DEFAULT",
        "virtual_texture_streaming": False, "never_stream": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        b"", b"not a package at all", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        package({"T": ("Texture2D", TAGS)}, -8, 522, 1009)[:180], package({}, -12, 522, 1009),
        package({}, -8, 0, 0), package({}, -8, 522, 1009).replace(b"\x01\0\0\0", b"\xff\xff\xff\x7f"),
    ],
    ids=["empty", "other", "lfs", "cut", "newer", "cooked", "damaged"],
)  # fmt: skip
def test_assets_that_cant_be_read_are_named(project: Path, content: bytes) -> None:
    for name in ("T_One", "T_Two"):
        (project / f"Content/{name}.uasset").write_bytes(content)
    with pytest.raises(HeaderError):
        read_header(project / "Content/T_One.uasset")
    rows = [(row.file, row.gone, row.header_only) for row in listed(project).values()]
    assert rows == [(f"Content/{name}.uasset", True, "") for name in ("T_One", "T_Two")]
    found = "lfs_pointer error" if content.startswith(b"version") else "unreal.unread note"
    assert set(map(tuple, codes(project).values())) == {(found,)}


def test_a_texture_is_checked_with_the_pixels_of_its_source(project: Path) -> None:
    draw(project / "SourceArt/T_Rock_N.png")
    write_texture(project / "Content/Rocks/T_Rock_N.uasset", imported_from("../../SourceArt/T_Rock_N.png"))
    draw(project / "Plugins/Trees/Content/T_Bark_N.png")
    (project / "Plugins/Trees/Trees.uplugin").write_text("{}", encoding="utf-8")
    write_texture(project / "Plugins/Trees/Content/T_Bark_N.uasset", imported_from("T_Bark_N.png"))
    found = listed(project)
    assert {path: each.file for path, each in found.items()} == {
        "/Game/Rocks/T_Rock_N.T_Rock_N": "SourceArt/T_Rock_N.png",
        "/Trees/T_Bark_N.T_Bark_N": "Plugins/Trees/Content/T_Bark_N.png",
    }
    rock = found["/Game/Rocks/T_Rock_N.T_Rock_N"]
    assert rock.read_only and not rock.gone and rock.options is not None and rock.options["srgb"] is True


@pytest.mark.parametrize("source", ["../../elsewhere/T_Rock.png", "C:/Users/me/T_Rock.png", "gone.png", ""])
def test_a_texture_without_its_source_is_checked_by_its_header(project: Path, source: str) -> None:
    write_texture(project / "Content/T_Rock.uasset", imported_from(source) if source else {})
    (row,) = listed(project).values()
    assert (row.file, row.gone, row.remarks) == ("Content/T_Rock.uasset", True, [])
    assert row.header_only and row.read_only


def test_a_source_that_changed_since_its_import_is_told(project: Path) -> None:
    for name, digest in (("T_Old", "12" * 16), ("T_New", ""), ("T_Unknown", "001" + "0" * 29)):
        draw(project / f"SourceArt/{name}.png")
        content = (project / f"SourceArt/{name}.png").read_bytes()
        digest = digest or hashlib.md5(content, usedforsecurity=False).hexdigest()
        write_texture(project / f"Content/{name}.uasset", imported_from(f"../SourceArt/{name}.png", digest))
    assert codes(project) == {"SourceArt/T_Old.png": ["unreal.source_changed note"]}


@pytest.mark.parametrize(
    ("name", "tags", "expected"),
    [
        ("T_Rock_Normal", {}, ["unreal.named_normal warning"]),
        ("T_Rock_N", {}, ["unreal.named_normal warning"]),
        ("T_Arrow_N", {}, []),
        ("T_Rock_Normal", NORMAL_MAP, []),
        ("T_Button_Normal", {"LODGroup": "TEXTUREGROUP_UI"}, []),
        ("T_Rock_ORM", {}, ["unreal.named_data warning"]),
        ("T_Rock_ORM", {"SRGB": "False", "CompressionSettings": "TC_Masks"}, []),
        ("T_Logo", {"Dimensions": "664x587", "Format": "B8G8R8A8"}, ["unreal.uncompressed warning"]),
        ("T_Icon", {"Dimensions": "63x64", "Format": "B8G8R8A8"}, []),
        ("T_AO", {"CompressionSettings": "TC_Grayscale", "Format": "PF_B8G8R8A8"},
         ["unreal.uncompressed warning"]),
        ("T_Flow", {"CompressionSettings": "TC_VectorDisplacementmap", "Format": "B8G8R8A8",
                    "Dimensions": "1024x1024"}, ["unreal.uncompressed note"]),
        ("T_Virtual", {"VirtualTextureStreaming": "True"}, ["unreal.virtual_textures_off warning"]),
    ],
)  # fmt: skip
def test_remarks_follow_from_the_header_alone(
    project: Path, name: str, tags: Mapping[str, str], expected: list[str]
) -> None:
    write_texture(project / f"Content/{name}.uasset", tags)
    write_texture(project / "Content/T_Rock_D.uasset")
    assert codes(project) == ({f"Content/{name}.uasset": expected} if expected else {})


@pytest.mark.parametrize(
    ("file", "lines"),
    [
        ("Config/DefaultEngine.ini", "[/Script/Engine.RendererSettings]\nr.VirtualTextures=True"),
        ("Config/Windows/WindowsEngine.ini", "[SystemSettings]\nr.virtualtextures = 1"),
        ("Platforms/Mac/Config/MacEngine.ini", "[ConsoleVariables]\nr.VirtualTextures=1"),
        (PROFILES, "[Windows DeviceProfile]\n+CVars=r.VirtualTextures=1"),
    ],
)
def test_virtual_textures_may_be_switched_on_anywhere(project: Path, file: str, lines: str) -> None:
    (project / file).parent.mkdir(parents=True, exist_ok=True)
    (project / file).write_text(lines, encoding="utf-16")
    write_texture(project / "Content/T_Virtual.uasset", {"VirtualTextureStreaming": "True"})
    assert codes(project) == {}


def test_texture_groups_are_checked_against_the_textures(project: Path) -> None:
    (project / PROFILES).write_text(
        "[GlobalDefaults DeviceProfile]\n"
        "TextureLODGroups=(Group=TEXTUREGROUP_World,\tMaxLODSize=256, MipGenSettings=TMGS_SimpleAverage)\n"
        "+TextureLODGroups=(Group=TEXTUREGROUP_UI,MaxLODSize=16384,MipGenSettings=TMGS_SimpleAverag)\n"
        '+TextureLODGroups=(Group=TEXTUREGROUP_Weapon,MinMagFilter="aniso",MipGenSettings=TMGS_NoMipmaps)\n'
        "-TextureLODGroups=(Group=TEXTUREGROUP_Vehicle,MipGenSettings=TMGS_NoMipmaps)\n"
        "[Android DeviceProfile]\n"
        "+TextureLODGroups=(Group=TEXTUREGROUP_World,MaxLODSize=64,MipGenSettings=TMGS_Sharpen4)\n",
        encoding="utf-8",
    )
    write_texture(project / "Content/T_Rock.uasset")
    assert codes(project) == {
        PROFILES: ["unreal.group_value warning", "unreal.group_mipmaps warning", "unreal.group_limit note"]
    }


def test_a_merge_conflict_in_the_configuration_is_told(project: Path) -> None:
    (project / "Config/DefaultEngine.ini").write_text("[A]\n<<<<<<< HEAD\nb=1\n", encoding="utf-8")
    (row,) = listed(project).values()
    assert row.file == "Config/DefaultEngine.ini" and row.broken and row.problem


def test_source_art_is_known_by_its_folder_or_its_name(project: Path) -> None:
    files = ["Source_Art/rock.png", "Raw/rock.tga", "Docs/T_Rock_D.png", "Content/rock.png"]
    others = ["Docs/screenshot.png", "Content/Splash/Splash.bmp", "Saved/T_Rock.png", "Game.png",
              "Plugins/Trees/Resources/Icon128.png", "Plugins/Trees/Intermediate/T_Rock.png"]  # fmt: skip
    for file in files + others:
        (project / file).parent.mkdir(parents=True, exist_ok=True)
        (project / file).touch()
    assert sorted(listed(project)) == sorted(files)


def test_an_audit_reports_what_pixels_and_header_say_together(project: Path, tmp_path: Path) -> None:
    draw(project / "SourceArt/T_Brick_N.png")
    write_texture(project / "Content/T_Brick_N.uasset", imported_from("../SourceArt/T_Brick_N.png"))
    options = ("--json", "-", "--no-cache", "--workers", "1")
    command = [sys.executable, "-m", "bridge.cli", "audit", str(project), *options]
    env = {**os.environ, "POPBRIDGE_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    report = json.loads(done.stdout)
    assert done.returncode == 1 and report["engine"] == "unreal 5.3"
    (texture,) = report["files"]
    assert texture["path"] == "/Game/T_Brick_N.T_Brick_N" and texture["options"] == {}
    assert "normal_as_color" in [each["code"] for each in texture["findings"]]


def test_textures_that_only_their_headers_tell_count(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_texture(project / "Content/T_Rock_Normal.uasset")
    write_texture(project / "Content/T_Rock_D.uasset")
    write_texture(project / "Content/SM_Rock.uasset", kind="StaticMesh")
    (project / "Content/T_Pulled.uasset").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))
    page = tmp_path / "page.html"
    main = ("audit", str(project), "--json", "-", "--html", str(page), "--no-cache", "--workers", "1")
    done = subprocess.run([sys.executable, "-m", "bridge.cli", *main], capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert (done.returncode, report["textures"]) == (1, 2)
    assert "<code>popbridge audit --with-editor</code>" in page.read_text("utf-8")
    found = {each["file"]: [one["code"] for one in each["findings"]] for each in report["files"]}
    assert found == {
        "Content/T_Rock_Normal.uasset": ["unreal.named_normal"], "Content/T_Pulled.uasset": ["lfs_pointer"],
    }  # fmt: skip


def test_an_audit_of_a_version_without_an_adapter_says_that_nothing_was_checked(tmp_path: Path) -> None:
    (tmp_path / "Game.uproject").write_text('{"EngineAssociation": "4.26"}', encoding="utf-8")
    project = find(host.load(), tmp_path)
    assert project.adapter is None and "4.26" in str(project.notice)
    assert nothing_notices(project, []) == [NOTHING_CHECKED]
    assert nothing_notices(project, [TextureAsset("T.png", "T.png")]) == []


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"{\n<<<<<<< HEAD\n", "merge conflict"), (b'{"FileVersion": 3,', "line 1"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"), (b"[]", ".uproject"),
        (b'{"EngineAssociation": "banana"}', '"banana"'), (b"{}", '""'),
        (b'{"EngineAssociation": "{00000000-0000-0000-0000-000000000000}"}', "registered"),
    ],
)  # fmt: skip
def test_a_broken_project_file_is_told_with_its_cause(project: Path, content: bytes, cause: str) -> None:
    (project / "Game.uproject").write_bytes(content)
    support = Unreal5().project
    assert support is not None
    with pytest.raises(UserError) as raised:
        support.project_version(project)
    assert cause in str(raised.value) and "Game.uproject" in str(raised.value)


def test_an_audit_changes_no_asset(project: Path) -> None:
    support = Unreal5().project
    assert support is not None
    with pytest.raises(UserError):
        support.apply(project, [{"path": "/Game/T.T", "options": {"srgb": False}}])
    # An open editor may have newer settings than the file.
    found: Any = support.texture(project, "SourceArt/T.png")
    assert found.options is None
