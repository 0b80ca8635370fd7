"""The plugin goes into projects, and out of them without a trace."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from bridge import __version__
from bridge.api import AssetChange, ProjectFolder, UserError
from bridge_unreal import engines
from bridge_unreal.descriptor import Descriptor
from bridge_unreal.plugin import Unreal5
from bridge_unreal.support import PLUGIN, UnrealInstaller
from tests.sdk.test_vectors import python

OWN = {"Name": "PopBridge", "Enabled": True}
TABS = (
    '{\n\t"FileVersion": 3,\n\t"EngineAssociation": "5.6",\n\t"Category": "",\n\t"Modules": [\n\t\t{\n'
    '\t\t\t"Name": "Game",\n\t\t\t"Type": "Runtime"\n\t\t}\n\t]\n}'
)
OTHERS = TABS[:-2] + (
    ',\n\t"Plugins": [\n\t\t{\n\t\t\t"Name": "ModelingToolsEditorMode",\n\t\t\t"Enabled": true\n'
    "\t\t}\n\t]\n}\n"
)
CASES = [
    pytest.param(TABS.encode(), id="none"),
    pytest.param(OTHERS.encode(), id="others"),
    pytest.param(OTHERS.replace("\n", "\r\n").encode(), id="windows"),
    pytest.param(OTHERS.replace("\t", "  ").encode(), id="spaces"),
    pytest.param(b"\xef\xbb\xbf" + OTHERS.encode(), id="byte-order-mark"),
    pytest.param(b"\xff\xfe" + OTHERS.replace('"Category": ""', '"Category": "游戏"').encode("utf-16-le"),
                 id="utf-16"),
    pytest.param(b'{"FileVersion": 3, "EngineAssociation": "5.6"}', id="one-line"),
    pytest.param(b'{"EngineAssociation": "5.6", "Plugins": []}', id="empty-list"),
    pytest.param(b'{"Plugins": [{"Name": "A", "Enabled": false}], "EngineAssociation": "5.6"}', id="first"),
]  # fmt: skip


def make(folder: Path, content: bytes) -> Path:
    folder.mkdir()
    (folder / "Game.uproject").write_bytes(content)
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def tally(changes: Sequence[AssetChange]) -> Counter[str]:
    return Counter(change.what for change in changes)


@pytest.mark.parametrize("content", CASES)
def test_what_is_installed_can_be_removed_without_a_trace(tmp_path: Path, content: bytes) -> None:
    project = make(tmp_path / "p", content)
    installed = UnrealInstaller().install(project)
    assert tally(installed) == {"created": len(installed) - 1, "updated": 1}
    present = (project / "Game.uproject").read_bytes()
    before, after = Descriptor(content), Descriptor(present)
    assert after.root == {**before.root, "Plugins": [*before.root.get("Plugins", []), OWN]}
    assert b"\r\n" not in content or b"\n" not in present.replace(b"\r\n", b"")
    assert set(tally(UnrealInstaller().install(project))) == {"unchanged"}
    UnrealInstaller().remove(project)
    assert tree(project) == {"Game.uproject": content}
    assert [each.name for each in project.iterdir()] == ["Game.uproject"]


@pytest.mark.parametrize("content", CASES)
def test_what_others_changed_since_stays(tmp_path: Path, content: bytes) -> None:
    project = make(tmp_path / "p", content)
    UnrealInstaller().install(project)
    file = project / "Game.uproject"
    edited = Descriptor(file.read_bytes())
    edited.enable("Later")
    file.write_bytes(edited.content)
    UnrealInstaller().remove(project)
    wanted = Descriptor(content).root
    later = {"Name": "Later", "Enabled": True}
    assert Descriptor(file.read_bytes()).root == {**wanted, "Plugins": [*wanted.get("Plugins", []), later]}


def test_whether_unreal_loads_the_plugin(tmp_path: Path) -> None:
    project = make(tmp_path / "p", OTHERS.encode())
    assert UnrealInstaller().fault(project)
    UnrealInstaller().install(project)
    assert UnrealInstaller().fault(project) == ""
    disabled = {"Plugins": [{**OWN, "Enabled": False}]}
    (project / "Game.uproject").write_text(json.dumps(disabled), "utf-8")
    assert UnrealInstaller().fault(project)
    (project / "Game.uproject").write_text("{", "utf-8")
    with pytest.raises(UserError):
        UnrealInstaller().fault(project)


def test_a_full_disk_or_a_read_only_file_leaves_no_half_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make(tmp_path / "p", TABS.encode())
    before, write = tree(project), ProjectFolder.write

    def full(self: ProjectFolder, path: str, *rest: Any, **more: Any) -> None:
        if path == "Game.uproject":
            raise OSError(errno.ENOSPC, "No space left on device", path)
        write(self, path, *rest, **more)

    monkeypatch.setattr(ProjectFolder, "write", full)
    with pytest.raises(UserError):
        UnrealInstaller().install(project)
    monkeypatch.setattr(ProjectFolder, "write", write)
    (project / "Game.uproject").chmod(0o444)
    with pytest.raises(UserError):
        UnrealInstaller().install(project)
    assert tree(project) == before and not (project / "Plugins").exists()


@pytest.mark.parametrize("content", [each for each in CASES if each.id != "empty-list"])
def test_the_entry_alone_can_be_removed(content: bytes) -> None:
    descriptor = Descriptor(content)
    descriptor.enable("PopBridge")
    descriptor.disable("PopBridge")
    assert descriptor.content == content
    descriptor.disable("PopBridge")
    assert descriptor.content == content


def test_a_plugin_that_was_switched_off_is_switched_on(tmp_path: Path) -> None:
    content = b'{"EngineAssociation": "5.6", "Plugins": [{"Name": "PopBridge", "Enabled": false}]}'
    project = make(tmp_path / "p", content)
    UnrealInstaller().install(project)
    assert json.loads((project / "Game.uproject").read_bytes())["Plugins"] == [OWN]
    UnrealInstaller().remove(project)
    assert (project / "Game.uproject").read_bytes() == content


def test_an_older_plugin_is_updated_and_files_of_others_stay(tmp_path: Path) -> None:
    project = make(tmp_path / "p", TABS.encode())
    UnrealInstaller().install(project)
    folder = project / PLUGIN
    (folder / "Content/Python/init_unreal.py").write_text("old")
    (folder / "Content/Python/gone.py").write_text("of an older version")
    (folder / "Content/mine.uasset").write_text("of a person")
    with (folder / "files.txt").open("a") as files:
        files.write("Content/Python/gone.py\n../../Game.uproject\n")
    changes = {change.path: change.what for change in UnrealInstaller().install(project)}
    assert changes[f"{PLUGIN}/Content/Python/init_unreal.py"] == "updated"
    assert changes[f"{PLUGIN}/Content/Python/gone.py"] == "removed"
    UnrealInstaller().remove(project)
    assert sorted(tree(project)) == ["Game.uproject", f"{PLUGIN}/Content/mine.uasset"]


def test_what_is_installed_says_which_it_is_and_runs_on_the_oldest_python(tmp_path: Path) -> None:
    project = make(tmp_path / "p", TABS.encode())
    UnrealInstaller().install(project)
    addon = Unreal5().addon
    assert addon is not None and Version(addon.version).public == __version__
    assert set(addon.files) == {name for name in tree(project) if name.startswith(PLUGIN)}
    described = json.loads((project / PLUGIN / "PopBridge.uplugin").read_bytes())
    assert described["VersionName"] == __version__
    if (program := python("3.7")) is None:
        pytest.skip("Python 3.7 isn't installed")
    code = "import popbridge_unreal; print(popbridge_unreal.VERSION)"
    folder = project / PLUGIN / "Content/Python"
    said = subprocess.check_output([program, "-B", "-c", code], cwd=folder, text=True)
    assert said.strip() == addon.version


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_out_of_the_project_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    project = make(tmp_path / "p", TABS.encode())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (project / "Plugins").symlink_to(elsewhere)
    with pytest.raises(UserError):
        UnrealInstaller().install(project)
    assert list(elsewhere.iterdir()) == [] and sorted(tree(project)) == ["Game.uproject"]


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"Plugins": 1}', b"\xff\xfe{"])
def test_a_project_that_cant_be_read_stays(tmp_path: Path, content: bytes) -> None:
    project = make(tmp_path / "p", content)
    with pytest.raises(UserError):
        UnrealInstaller().install(project)
    assert tree(project) == {"Game.uproject": content}


class TestTheVersion:
    def test_of_a_project(self, tmp_path: Path) -> None:
        assert UnrealInstaller().project_version(make(tmp_path / "p", OTHERS.encode())) == "5.6"
        assert UnrealInstaller().project_version(tmp_path) is None
        assert UnrealInstaller().project_version(tmp_path / "gone") is None

    def test_of_two_projects_in_one_folder(self, tmp_path: Path) -> None:
        project = make(tmp_path / "p", TABS.encode())
        (project / "Other.uproject").write_bytes(TABS.encode())
        with pytest.raises(UserError):
            UnrealInstaller().project_version(project)

    def test_of_a_project_inside_an_engines_source(self, tmp_path: Path) -> None:
        build(tmp_path)
        assert UnrealInstaller().project_version(make(tmp_path / "p", b"{}")) == "5.4.2"

    def test_of_a_build_that_is_registered(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        build(tmp_path / "engine")
        project = make(tmp_path / "p", b'{"EngineAssociation": "{0123}"}')
        with pytest.raises(UserError):
            UnrealInstaller().project_version(project)
        monkeypatch.setattr(engines, "registered_build", lambda association: tmp_path / "engine")
        assert UnrealInstaller().project_version(project) == "5.4.2"

    @pytest.mark.parametrize(
        ("version", "served"), [("4.26", False), ("4.27.2", True), ("5.9", True), ("6.0", True)]
    )
    def test_that_the_plugin_supports(self, version: str, served: bool) -> None:
        assert UnrealInstaller().serves(Version(version)) is served


def build(folder: Path) -> None:
    (folder / "Engine/Build").mkdir(parents=True)
    numbers = {"MajorVersion": 5, "MinorVersion": 4, "PatchVersion": 2}
    (folder / "Engine/Build/Build.version").write_text(json.dumps(numbers), encoding="utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="the list is elsewhere there")
def test_registered_builds_are_listed_in_the_users_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert engines.registered_build("{0123}") is None
    settings = tmp_path / ".config/Epic/UnrealEngine"
    settings.mkdir(parents=True)
    (settings / "Install.ini").write_text("[Installations]\n{0123}=/opt/unreal\n", encoding="utf-8")
    assert engines.registered_build("{0123}") == Path("/opt/unreal")
