"""What is said of Unity's settings alone, and that nobody changes them for that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from packaging.version import Version

from bridge.api import ImageFacts, Kind
from bridge.demo.textures import noise, save
from bridge_unity.assets import options
from bridge_unity.metafile import MetaFile
from bridge_unity.plugin import Unity2021, Unity2022
from tests.unity.projects import game, imported, meta
from tests.unity.test_audit import codes, report
from tests.unity.test_usage import HDRP_LIT, OTHER, STANDARD, material, write
from tools import generate

READABLE = {"isReadable": True}


def told(changed: dict[str, Any], side: int = 2048) -> list[str]:
    facts = ImageFacts(3, alpha=False, grey=False, hdr=False, width=side, height=side)
    present = {**options(MetaFile(meta())), **changed}
    return [remark.text for remark in Unity2022().remarks(present, facts, (), Version("6000.0"))]


def test_read_write_is_told_with_what_it_costs() -> None:
    (text,) = told(READABLE)
    # DXT1 with mipmaps.
    assert "Read/Write is on: a copy for scripts uses 2.7 MiB of main memory" in text
    (text,) = told({**READABLE, "DefaultTexturePlatform.textureCompression": "Uncompressed"})
    assert "21.3 MiB" in text


@pytest.mark.parametrize(
    ("changed", "side"),
    [
        ({}, 2048),
        (READABLE, 1024),
        ({**READABLE, "textureType": "Cursor"}, 2048),
        # What isn't known costs nothing that could be told.
        (READABLE, 2000),
        ({"isReadable": "yes"}, 2048),
    ],
)
def test_nothing_is_said_where_it_costs_little_or_has_to_be(changed: dict[str, Any], side: int) -> None:
    assert told(changed, side) == []


def test_the_audit_notes_it_and_fix_leaves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))
    file = "materials/brick_albedo.png"
    project = game(tmp_path / "game", "2021.3.45f1", [file])
    raw = {"isReadable: 0": "isReadable: 1", "textureCompression: 1": "textureCompression: 0"}
    imported(project, f"Assets/{file}", meta(f"Assets/{file}", "2021.3.45f1", raw))
    (only,) = report(project, tmp_path)["files"]
    found = {finding["code"]: finding for finding in only["findings"]}
    assert found["unity.readable"]["severity"] == "note" and not found["unity.readable"]["fixable"]
    assert "1.3 MiB" in found["unity.readable"]["message"] and "isReadable" not in only["options"]
    report(project, tmp_path, "--fix")
    assert "isReadable: 1" in (project / f"Assets/{file}.meta").read_text(encoding="utf-8")
    assert not list(Unity2021().remarks({}, ImageFacts(3, False, False, False), (), Version("2021.3")))


GREY = ImageFacts(1, alpha=False, grey=True, hdr=False, width=512, height=512)
NORMAL = {"textureType": "NormalMap"}


@pytest.mark.parametrize(
    ("changed", "facts", "used_as", "said"),
    [
        ({}, GREY, ["normal"], True),
        (NORMAL, GREY, ["normal"], True),
        ({**NORMAL, "convertToNormalmap": True}, GREY, ["normal"], False),
        # Of another type it has no effect.
        ({"convertToNormalmap": True}, GREY, ["normal"], True),
        (NORMAL, GREY, ["normal", "height"], True),
        (NORMAL, GREY, ["height"], False),
        ({}, GREY, [], False),
        (NORMAL, replace(GREY, grey=False, channels=3), ["normal"], False),
        # Green in all colours and red in alpha is how some keep normals.
        (NORMAL, replace(GREY, alpha=True, channels=4), ["normal"], False),
        (NORMAL, replace(GREY, width=4, height=4), ["normal"], False),
    ],
)
def test_heights_that_materials_take_for_normals_are_wrong(
    changed: dict[str, Any], facts: ImageFacts, used_as: list[Kind], said: bool
) -> None:
    present = {**options(MetaFile(meta())), **changed}
    found = [remark.code for remark in Unity2022().remarks(present, facts, used_as, Version("6000.0"))]
    assert found == ["unity.heights_as_normals"] * said


def test_the_audit_tells_heights_in_a_normal_maps_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))
    project = game(tmp_path / "game", only=["none of them"])
    save(np.repeat(noise(5)[..., None], 3, 2), project / "Assets/rock_bump.png")
    imported(project, "Assets/rock_bump.png")
    write(project, "Assets/rock.mat", material(STANDARD, _BumpMap="Assets/rock_bump.png"))
    (only,) = report(project, tmp_path)["files"]
    assert only["findings"][0]["code"] == "unity.heights_as_normals"
    assert only["findings"][0]["severity"] == "error" and only["options"] == {}
    # This one may have a height map there.
    write(project, "Assets/rock.mat", material(OTHER, _BumpMap="Assets/rock_bump.png"))
    (only,) = report(project, tmp_path)["files"]
    told = {finding["code"]: finding for finding in only["findings"]}["unity.heights_as_normals"]
    assert told["severity"] == "note" and "If the shader reads normals" in told["message"]
    write(project, "Assets/rock.mat", material(HDRP_LIT, _BumpMap="Assets/rock_bump.png"))
    assert "unity.heights_as_normals" not in codes(report(project, tmp_path))
    write(project, "Assets/rock.mat", material(STANDARD, _BumpMap="Assets/rock_bump.png"))
    converted = meta("Assets/rock_bump.png", replaced={
        "textureType: 0": "textureType: 1", "convertToNormalMap: 0": "convertToNormalMap: 1",
    })  # fmt: skip
    imported(project, "Assets/rock_bump.png", converted)
    assert "unity.heights_as_normals" not in codes(report(project, tmp_path))


@pytest.mark.parametrize("others", [(STANDARD, "_ParallaxMap"), (OTHER, "_BumpMap")])
def test_they_are_as_wrong_where_they_are_used_otherwise_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: tuple[str, str]
) -> None:
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))
    project, (shader, slot) = game(tmp_path / "game", only=["none of them"]), others
    save(np.repeat(noise(5)[..., None], 3, 2), project / "Assets/rock_bump.png")
    imported(project, "Assets/rock_bump.png")
    write(project, "Assets/1.mat", material(STANDARD, _BumpMap="Assets/rock_bump.png"))
    write(project, "Assets/2.mat", material(shader, **{slot: "Assets/rock_bump.png"}))
    (only,) = report(project, tmp_path)["files"]
    told = {finding["code"]: finding for finding in only["findings"]}["unity.heights_as_normals"]
    assert told["severity"] == "error" and only["options"] == {}


def test_the_manual_lists_all_codes() -> None:
    sources = (generate.ROOT / "plugins/unity/bridge_unity").glob("*.py")
    codes = {
        one for path in sources for one in re.findall(r'"(unity\.\w+)"', path.read_text(encoding="utf-8"))
    }
    manual = (generate.ROOT / "docs/reference/audit.md").read_text(encoding="utf-8")
    assert codes == set(re.findall(r"^\| `(unity\.\w+)` \|", manual, re.MULTILINE)) and codes
