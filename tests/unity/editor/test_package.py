"""The package in a fake editor, beside a real daemon; the fakes throw where Unity does."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from bridge_unity.plugin import UnityProjects
from tests.unity.editor import unity
from tests.unity.editor.conftest import NORMAL_MAP, Open
from tests.unity.editor.session import PACKAGE, Session
from tools.generators import unity_meta
from tools.generators._first_party import release

OTHER = "Assets/materials/wall_normal.png"
MANY = 210
"""Textures of an import that is sent in two ticks."""
WRONG = {"textureType": "Default", "sRGBTexture": True}


def options(project: Path, file: str = NORMAL_MAP) -> dict[str, object]:
    asset = UnityProjects().texture(project, file)
    assert asset is not None and asset.options is not None
    return {name: asset.options[name] for name in WRONG}


def copy(project: Path, file: str) -> None:
    """Adds the normal map under another name."""
    shutil.copy(project / NORMAL_MAP, project / file)
    meta = (project / f"{NORMAL_MAP}.meta").read_text(encoding="utf-8")
    guid = hashlib.md5(file.encode(), usedforsecurity=False).hexdigest()
    (project / f"{file}.meta").write_text(re.sub("guid: .*", f"guid: {guid}", meta), encoding="utf-8")


def errors(project: Path) -> list[dict[str, str]]:
    """The errors of the last reply, as the package stored it."""
    state = msgspec.msgpack.decode((project / "Library/PopBridge.state").read_bytes())
    found: list[dict[str, str]] = state["replies"][-1]["message"]["value"]["errors"]
    return found


def report(session: Session, *files: str) -> None:
    """Imports textures and waits for the popup on them."""
    session.wait("opened")
    session.order("import", *files)
    session.wait("popup", "texture.import")


def test_a_press_changes_the_settings_and_another_takes_them_back(editor: Open, project: Path) -> None:
    session = editor()
    assert options(project) == WRONG
    report(session, NORMAL_MAP)
    session.order("press", "0")
    session.wait("popup", "texture.applied")
    assert options(project)["textureType"] == "NormalMap"
    session.order("press", "0")
    session.wait("imported", NORMAL_MAP)
    session.wait("popup")
    assert options(project) == WRONG
    session.order("idle")
    assert session.wait("idle") == ["0"]


def test_popups_and_their_ticks_outlive_a_domain_reload(editor: Open, project: Path) -> None:
    copy(project, OTHER)
    before = editor()
    report(before, NORMAL_MAP, OTHER)
    before.order("untick", NORMAL_MAP)
    before.wait("ticked", "1")
    before.close()
    after = editor()
    assert after.wait("opened")[1] == "True"
    after.order("open")
    assert after.wait("open") == ["texture.import"]
    after.order("show")
    after.order("press", "0")
    after.wait("popup", "texture.applied")
    assert options(project) == WRONG
    assert options(project, OTHER)["textureType"] == "NormalMap"


def test_what_is_unticked_stays(editor: Open, project: Path) -> None:
    copy(project, OTHER)
    session = editor()
    report(session, NORMAL_MAP, OTHER)
    session.order("untick", NORMAL_MAP)
    assert session.wait("ticked") == ["1"]
    session.order("press", "0")
    session.wait("popup", "texture.applied")
    assert options(project) == WRONG
    assert options(project, OTHER)["textureType"] == "NormalMap"


@pytest.mark.parametrize("runtime", ["mono"], indirect=True)
def test_an_import_of_many_ticks_is_one_popup(editor: Open, project: Path) -> None:
    with Image.open(project / NORMAL_MAP) as image:
        image.resize((64, 64)).save(project / NORMAL_MAP)
    files = [f"Assets/materials/wall{number}_normal.png" for number in range(MANY)]
    for file in files:
        copy(project, file)
    session = editor()
    session.wait("opened")
    session.order("import", *files)
    session.wait("popup", "texture.import")
    # The list doesn't fit into a frame.
    assert session.wait("items") == [str(MANY)]


def test_another_import_script_is_reported_and_not_fought(editor: Open, project: Path) -> None:
    session = editor()
    report(session, NORMAL_MAP)
    session.order("fight")
    session.order("press", "0")
    session.wait("popup")
    assert any("textureType" in error["message"] for error in errors(project))
    assert options(project)["textureType"] == "Default"
    assert sum(event[0] == "imported" for event in session.seen) == 2


def test_a_read_only_file_stays_as_it_is(editor: Open, project: Path) -> None:
    session = editor()
    report(session, NORMAL_MAP)
    meta = project / f"{NORMAL_MAP}.meta"
    meta.chmod(0o444)
    session.order("press", "0")
    session.wait("popup")
    assert [f"{NORMAL_MAP}.meta" in error["message"] for error in errors(project)] == [True]
    assert options(project) == WRONG
    assert not any(event[0] == "exception" for event in session.seen)


@pytest.mark.parametrize("mode", ["worker", "batch"])
def test_it_is_silent_in_import_workers_and_batch_mode(editor: Open, project: Path, mode: str) -> None:
    assert editor(mode).wait("silent") == ["True"]
    assert not (project / "Library").exists()


def test_the_tests_for_users_of_unity_pass(programs: dict[str, Sequence[str]]) -> None:
    command = [*programs["mono"], "tests"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    assert len(said) >= 8
    assert [line for line in said if line.partition("\t")[2]] == []


def test_each_asset_of_the_package_has_a_meta_file_with_its_own_guid() -> None:
    metas = {path.removesuffix(".meta") for path in map(str, PACKAGE.rglob("*.meta"))}
    assert metas == {str(PACKAGE / asset) for asset in unity_meta.assets()}
    for path, text in unity_meta.files().items():
        assert (unity_meta.ROOT / path).read_text(encoding="utf-8") == text
    guids = [re.search("guid: ([0-9a-f]{32})\n", text) for text in unity_meta.files().values()]
    assert len({found[1] for found in guids if found}) == len(guids)


def test_the_package_has_the_version_of_the_release() -> None:
    package = json.loads((PACKAGE / "package.json").read_text(encoding="utf-8"))
    assert (package["name"], package["version"]) == (unity_meta.NAME, release())


def test_the_session_needs_nothing_of_unity() -> None:
    for folder in ("Protocol", "Connection"):
        for file in (PACKAGE / "Editor" / folder).glob("*.cs"):
            assert not re.search(r"using Unity|namespace PopBridge\.Editor", file.read_text("utf-8"))


def test_the_sources_ask_for_the_modules_that_the_assembly_defines() -> None:
    asked = {
        name
        for file in PACKAGE.rglob("*.cs")
        for name in re.findall(r"POPBRIDGE_\w+", file.read_text("utf-8"))
    }
    assert asked - {"POPBRIDGE_HOME"} == set(unity.module_defines())


def test_no_hook_makes_unity_import_all_textures_again() -> None:
    hooks = re.compile(r"void (On(?:Pre|Post)process\w+)\(")
    found = [name for file in PACKAGE.rglob("*.cs") for name in hooks.findall(file.read_text("utf-8"))]
    assert found == ["OnPostprocessAllAssets"]


def test_every_text_has_a_translation() -> None:
    said = re.compile(r'Texts\.Say\(\s*"([^"]+)"')
    texts = {text for file in PACKAGE.rglob("*.cs") for text in said.findall(file.read_text("utf-8"))}
    chinese = json.loads((PACKAGE / "Editor/Texts/zh_CN.json").read_text(encoding="utf-8"))
    assert texts == set(chinese)
    names = re.compile(r"\{\w+\}")
    for english, translated in chinese.items():
        assert sorted(names.findall(english)) == sorted(names.findall(translated))
