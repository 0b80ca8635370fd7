"""What a commandlet of Unreal tells an audit, with an editor that is fake but has its command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bridge.api import UserError
from bridge.audit.editor_run import editor_report
from bridge.audit.editor_textures import EditorTextures
from bridge.audit.project import Project
from bridge.demo.textures import save, textures
from bridge_unreal import batch, engines
from bridge_unreal.batch import UnrealBatch
from bridge_unreal.plugin import Unreal4, Unreal5, Unreal50
from tests.commands.conftest import popbridge as popbridge
from tests.sdk.test_vectors import python
from tests.unity.batch.test_batch import program
from tests.unreal.conftest import ENGINES, HERE
from tests.unreal.uasset import write_texture

ADAPTERS = {"3.7": Unreal4(), "3.9": Unreal50(), "3.11": Unreal5()}
ROCK, ICON = "/Game/Textures/T_Rock_N.T_Rock_N", "/Game/UI/T_Icon.T_Icon"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a texture whose image is in it, and others whose images are elsewhere."""
    root = tmp_path / "my game"
    drawn = {
        each.file: each.draw()
        for each in textures()
        if each.file in ("materials/rock_normal.png", "ui/icon.png")
    }
    for file, place in (
        ("materials/rock_normal.png", root / "SourceArt/T_Rock_N.png"),
        ("ui/icon.png", tmp_path / "elsewhere/T_Icon.png"),
    ):
        place.parent.mkdir(parents=True)
        save(drawn[file], place)
    for path in (ROCK, ICON, "/Game/T_Odd.T_Odd", "/Game/T_Lost.T_Lost"):
        asset = root / f"Content/{path.partition('.')[0].removeprefix('/Game/')}.uasset"
        asset.parent.mkdir(parents=True, exist_ok=True)
        asset.write_bytes(b"\xc1\x83\x2a\x9e")
    (root / "Game.uproject").write_text('{"EngineAssociation": "5.6"}', "utf-8")
    return root


def world(root: Path, **more: Any) -> dict[str, Any]:
    elsewhere = str(root.parent / "elsewhere/T_Icon.png")
    assets = [
        {"path": ROCK, "source": str(root / "SourceArt/T_Rock_N.png"), "compression": "TC_DEFAULT",
         "tags": {"Dimensions": "512x256", "Format": "DXT5"}},
        {"path": ICON, "source": elsewhere, "pixels": elsewhere},
        {"path": "/Game/T_Odd.T_Odd", "broken": True},
        {"path": "/Game/T_Lost.T_Lost", "source": "/gone.png"},
        {"path": "/Game/SM_Rock.SM_Rock", "mesh": True},
    ]  # fmt: skip
    return {"engine": ENGINES["3.11"], "is_new": True, "assets": assets, **more}


def editor(folder: Path, world: dict[str, Any], version: str = "3.11", monkeypatch: Any = None) -> Path:
    (folder / "world.json").write_text(json.dumps(world), "utf-8")
    monkeypatch.setenv("FAKE_UNREAL", str(folder / "world.json"))
    interpreter = sys.executable if version == "3.11" else python(version)
    if interpreter is None:
        pytest.skip(f"Python {version} isn't installed")
    return program(folder / "UnrealEditor-Cmd", str(interpreter), "-W", "error", str(HERE / "commandlet.py"))


def project(root: Path, version: str = "3.11") -> Project:
    adapter = ADAPTERS[version]
    return Project(root, adapter, adapter.scheme.parse(ENGINES[version]), None, ENGINES[version])


@pytest.mark.parametrize("version", list(ENGINES))
def test_all_textures_are_read_with_settings_sizes_and_pixels(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    told = world(root, engine=ENGINES[version], is_new=version == "3.11", code=1)
    command = editor(tmp_path, told, version, monkeypatch)
    log = tmp_path / "cache/editor.log"
    with editor_report(project(root, version), command, log, 60) as (report, pictures, notices):
        assert report.engine == ENGINES[version] and len(notices) == 2
        known = {each.path: each for each in report.textures}
        assert list(known) == [ROCK, ICON, "/Game/T_Lost.T_Lost"] and "T_Odd" in report.errors[0]
        rock, icon = known[ROCK], known[ICON]
        assert (rock.file, rock.asset) == ("SourceArt/T_Rock_N.png", "Content/Textures/T_Rock_N.uasset")
        assert (rock.width, rock.height, rock.format) == (512, 256, "DXT5") and not rock.picture
        assert rock.options is not None and rock.options["compression_settings"] == "TC_DEFAULT"
        assert rock.options["srgb"] is True and rock.options["max_texture_size"] == 0
        assert (icon.file, icon.asset, icon.width) == ("", "Content/UI/T_Icon.uasset", 32)
        assert (pictures / icon.picture).read_bytes() == (tmp_path / "elsewhere/T_Icon.png").read_bytes()
        merged = EditorTextures(None, root, report, pictures)
        found = {each.file: each for each in merged.textures(root)}
        # The last one has no image anywhere.
        assert set(found) == {rock.asset, icon.asset}
        assert merged.images == {
            rock.asset: root / "SourceArt/T_Rock_N.png",
            icon.asset: pictures / icon.picture,
        }
        assert all(each.read_only and each.options for each in found.values())
        with pytest.raises(UserError):
            merged.apply(root, [])
    assert "-run=pythonscript" in log.read_text("utf-8")
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    assert not pictures.exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"fails": True, "log": "modules are missing or built with a different engine version"}, "C++"),
        ({"fails": True, "log": "Commandlet pythonscript was not found"}, "PythonScriptPlugin"),
        ({"fails": True}, "exit code 1"),
        ({"assets": None}, "script"),
        ({"hangs": True}, "--editor-timeout"),
    ],
)
def test_a_failure_is_told_with_its_reason(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], says: str
) -> None:
    command = editor(tmp_path, world(root, **more), monkeypatch=monkeypatch)
    limit = 3 if more.get("hangs") else 60
    with pytest.raises(UserError) as raised, editor_report(project(root), command, tmp_path / "log", limit):
        pass
    assert says in str(raised.value) and str(tmp_path / "log") in str(raised.value)


def test_an_audit_judges_the_pixels_that_only_the_editor_has(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, popbridge: Any
) -> None:
    names = {path.partition(".")[0].removeprefix("/Game/") for path in (ROCK, ICON)}
    source = json.dumps([{"RelativeFilename": "../../SourceArt/T_Rock_N.png"}])
    for name in names:
        tags = {"AssetImportData": source} if name.endswith("Rock_N") else {}
        write_texture(root / f"Content/{name}.uasset", tags)
    for path in ("Content/T_Odd.uasset", "Content/T_Lost.uasset"):
        (root / path).unlink()
    arguments = ("audit", str(root), "--workers", "1", "--json", "-", "--all", "--fail-on", "never", "--fix")
    alone = json.loads(popbridge(*arguments)[1])
    command = editor(tmp_path, world(root), monkeypatch=monkeypatch)
    code, out, err = popbridge(*arguments, "--with-editor", "--editor", str(command))
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert report["editor"]["version"] == ENGINES["3.11"] and report["textures"] == alone["textures"] == 2
    by_path = {each["path"]: each for each in report["files"]}
    rock, icon = by_path[ROCK], by_path[ICON]
    assert rock["file"] == "SourceArt/T_Rock_N.png" and rock["editor"]["format"] == "DXT5"
    assert "normal_as_color" in {each["code"] for each in rock["findings"]}
    assert icon["file"] == "Content/UI/T_Icon.uasset" and icon["editor"]["pixels"]
    assert icon["kind"] and icon["width"] > 0
    # Only the editor changes them.
    assert not any(each["options"] for each in report["files"]) and report["receipt"] is None


class TestFind:
    @pytest.fixture(autouse=True)
    def machine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setattr(batch, "launcher_list", lambda: tmp_path / "LauncherInstalled.dat")

    def engine(self, folder: Path, version: str = "5.6.1") -> Path:
        place = next(batch._programs(folder))
        place.parent.mkdir(parents=True)
        place.write_bytes(b"")
        numbers = dict(
            zip(("MajorVersion", "MinorVersion", "PatchVersion"), map(int, version.split(".")), strict=True)
        )
        (folder / "Engine/Build").mkdir(parents=True)
        (folder / "Engine/Build/Build.version").write_text(json.dumps(numbers), "utf-8")
        return place

    def test_that_of_epics_launcher(self, root: Path, tmp_path: Path) -> None:
        assert UnrealBatch().find(root) == []
        right, wrong = self.engine(tmp_path / "UE_5.6"), self.engine(tmp_path / "moved", "5.5.0")
        listed = [
            {"AppName": "UE_5.6", "InstallLocation": str(wrong.parents[3])},
            {"AppName": "UE_5.6", "InstallLocation": str(tmp_path / "UE_5.6")},
            {"AppName": "Fortnite", "InstallLocation": "/x"},
            7,
        ]
        for content in ("{", "[]", '{"InstallationList": 3}'):
            (tmp_path / "LauncherInstalled.dat").write_text(content, "utf-8")
            assert UnrealBatch().find(root) == []
        (tmp_path / "LauncherInstalled.dat").write_text(json.dumps({"InstallationList": listed}), "utf-8")
        assert UnrealBatch().find(root) == [right]

    @pytest.mark.skipif(sys.platform != "linux", reason="the list is elsewhere there")
    def test_that_of_the_list_of_builds(self, root: Path, tmp_path: Path) -> None:
        own = self.engine(tmp_path / "own")
        settings = tmp_path / "home/.config/Epic/UnrealEngine"
        settings.mkdir(parents=True)
        (settings / "Install.ini").write_text(
            f"[Installations]\n{{AB-1}}={tmp_path / 'own'}\n", encoding="utf-8"
        )
        assert UnrealBatch().find(root) == [own]
        (root / "Game.uproject").write_text('{"EngineAssociation": "{AB-1}"}', "utf-8")
        assert UnrealBatch().find(root) == [own] and engines.registered_build("{AB-1}") == tmp_path / "own"

    def test_that_around_a_project(self, tmp_path: Path) -> None:
        around = self.engine(tmp_path / "engine")
        root = tmp_path / "engine/Games/One"
        root.mkdir(parents=True)
        (root / "Game.uproject").write_text("{}", "utf-8")
        assert UnrealBatch().find(root) == [around]
        assert UnrealBatch().find(tmp_path) == []
