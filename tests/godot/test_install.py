"""The addons go into projects, and out of them without a trace."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from bridge import __version__
from bridge.api import AssetChange, ProjectFolder, UserError
from bridge.project.safe_files import READ_ONLY
from bridge_godot import project
from bridge_godot.support import (
    ADDON,
    CONFIG,
    GODOT3,
    GODOT4,
    MANIFEST,
    Generation,
    GodotSupport,
    addon_version,
    split_command,
)

PROJECT_3 = 'config_version=4\n\n[application]\n\nconfig/name="Old"\n'
PROJECT_4 = (
    '; Engine configuration file.\n\nconfig_version=5\n\n[application]\n\nconfig/name="New"\n'
    'config/features=PackedStringArray("4.3", "Mobile")\n\n[rendering]\n\ntextures/x=1\n'
)
OTHERS_3 = (
    '\n[editor_plugins]\n\nenabled=PoolStringArray( "res://addons/other/plugin.cfg" )\n\n[input]\n\na=1\n'
)
OTHERS_4 = (
    '\n[editor_plugins]\n\nenabled=PackedStringArray("res://addons/other/plugin.cfg")\n\n[input]\n\na=1\n'
)

CASES = [
    pytest.param(GODOT3, PROJECT_3, id="3"),
    pytest.param(GODOT3, PROJECT_3 + OTHERS_3, id="3-others"),
    pytest.param(GODOT4, PROJECT_4, id="4"),
    pytest.param(GODOT4, PROJECT_4 + OTHERS_4, id="4-others"),
    pytest.param(GODOT4, PROJECT_4.rstrip(), id="4-unended"),
    pytest.param(GODOT4, (PROJECT_4 + OTHERS_4).replace("\n", "\r\n"), id="4-windows"),
    pytest.param(GODOT4, "\ufeff" + PROJECT_4, id="4-byte-order-mark"),
]


def make(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "project.godot").write_bytes(text.encode())
    return folder


def tally(changes: Sequence[AssetChange]) -> Counter[str]:
    return Counter(change.what for change in changes)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


@pytest.mark.parametrize(("generation", "text"), CASES)
def test_what_is_installed_can_be_removed_without_a_trace(
    tmp_path: Path, generation: Generation, text: str
) -> None:
    project = make(tmp_path / "p", text)
    before = tree(project)
    support = GodotSupport(generation)
    installed = support.install(project)
    assert tally(installed)["created"] == len(installed) - 1
    config = (project / "project.godot").read_bytes().decode()
    assert config.count('"res://addons/popbridge/plugin.cfg"') == 1
    assert generation.array in config
    assert set(config.replace("\r\n", "")) & {"\r"} == set()
    assert (project / "addons/popbridge/plugin.cfg").is_file()
    support.remove(project)
    assert tree(project) == before
    assert not (project / "addons").exists()


@pytest.mark.parametrize(("generation", "text"), CASES)
def test_installing_again_changes_nothing(tmp_path: Path, generation: Generation, text: str) -> None:
    project = make(tmp_path / "p", text)
    support = GodotSupport(generation)
    support.install(project)
    before = tree(project)
    assert set(tally(support.install(project))) == {"unchanged"}
    assert tree(project) == before


@pytest.mark.parametrize("generation", [GODOT3, GODOT4], ids=["3", "4"])
def test_what_is_installed_says_which_of_one_releases_addons_it_is(
    tmp_path: Path, generation: Generation
) -> None:
    project = make(tmp_path / "p", PROJECT_3 if generation is GODOT3 else PROJECT_4)
    GodotSupport(generation).install(project)
    addon = GodotSupport(generation).addon()
    assert addon is not None and Version(addon.version).public == __version__
    written = (project / "addons/popbridge/plugin.cfg").read_bytes()
    assert f'version="{addon.version}"'.encode() in written.splitlines()
    # As Git leaves it on Windows it is the same; with another line, another.
    source = Path(shutil.copytree(generation.addon, tmp_path / "source"))
    for file in (path for path in source.rglob("*") if path.is_file()):
        file.write_bytes(file.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert addon_version(source) == addon.version
    (source / "plugin.gd").write_bytes((source / "plugin.gd").read_bytes() + b"# another\n")
    other = addon_version(source)
    assert other != addon.version and Version(other).public == __version__


def test_of_an_addon_that_isnt_in_this_installation_nothing_is_said(tmp_path: Path) -> None:
    class Elsewhere(Generation):
        addon = tmp_path  # type: ignore[assignment]

    support = GodotSupport(Elsewhere(**vars(GODOT4)))
    assert support.addon() is None


def test_an_older_addon_is_updated_and_what_godot_wrote_beside_it_stays(tmp_path: Path) -> None:
    project = make(tmp_path / "p", PROJECT_4)
    support = GodotSupport(GODOT4)
    support.install(project)
    addon = project / "addons/popbridge"
    (addon / "plugin.gd").write_text("old")
    (addon / "plugin.gd.uid").write_text("uid://x")
    (addon / "gone.gd").write_text("from an older version")
    (addon / "gone.gd.uid").write_text("uid://y")
    with (addon / "files.txt").open("a") as files:
        files.write("gone.gd\n")
    changes = {change.path: change.what for change in support.install(project)}
    assert changes["addons/popbridge/plugin.gd"] == "updated"
    assert changes["addons/popbridge/gone.gd"] == "removed"
    assert changes["addons/popbridge/gone.gd.uid"] == "removed"
    assert (addon / "plugin.gd.uid").exists()
    support.remove(project)
    assert not (project / "addons").exists()


FILES_0_1 = (
    "assets.gd", "backoff.gd", "buttons.gd", "card.gd", "connection.gd", "dock.gd", "fields.gd",
    "identity.gd", "inbox.gd", "markup.gd", "msgpack.g.gd", "phase.gd", "plugin.cfg", "plugin.gd",
    "popups.gd", "previews.gd", "protocol.g.gd", "session.gd", "session_store.gd", "texts.gd",
    "texture_commands.gd",
)  # fmt: skip
"""What both addons of 0.1.0 consisted of."""


@pytest.mark.parametrize(
    ("generation", "text", "own"),
    [
        (GODOT3, PROJECT_3, ("card_dialog.gd",)),
        (GODOT4, PROJECT_4, ("accessible.gd", "card_window.gd", "escape.gd", "fill.gd")),
    ],
    ids=["3", "4"],
)
def test_nothing_of_version_0_1_is_left_after_an_update(
    tmp_path: Path, generation: Generation, text: str, own: tuple[str, ...]
) -> None:
    project, fresh = make(tmp_path / "p", text), make(tmp_path / "fresh", text)
    addon = project / ADDON
    addon.mkdir(parents=True)
    for name in (*FILES_0_1, *own):
        (addon / name).write_text("of 0.1.0")
        (addon / f"{name}.uid").write_text("uid://x")
    (addon / "files.txt").write_text(
        "# Put here by PopBridge.\n" + "".join(f"{n}\n" for n in (*FILES_0_1, *own))
    )
    for place in (project, fresh):
        GodotSupport(generation).install(place)
    files = {name: data for name, data in tree(addon).items() if not name.endswith(".uid")}
    assert files == tree(fresh / ADDON)
    assert {name.removesuffix(".uid") for name in tree(addon)} == files.keys()


@pytest.mark.parametrize(("generation", "text"), [(GODOT3, PROJECT_3), (GODOT4, PROJECT_4)], ids=["3", "4"])
def test_files_that_somebody_else_put_beside_the_addon_stay(
    tmp_path: Path, generation: Generation, text: str
) -> None:
    project = make(tmp_path / "p", text)
    addon = project / "addons/popbridge"
    (addon / "own").mkdir(parents=True)
    (addon / "own/notes.md").write_text("mine")
    (project / "kept.txt").write_text("mine")
    before = tree(project)
    support = GodotSupport(generation)
    support.install(project)
    with (addon / "files.txt").open("a") as files:
        files.write("../../kept.txt\n")
    support.install(project)
    support.remove(project)
    assert tree(project) == before


@pytest.mark.parametrize("features", ['"4.3"', '"4.1"', '"5.0"'])
@pytest.mark.parametrize("remover", [GODOT3, GODOT4], ids=["3", "4"])
def test_an_addon_can_be_removed_from_a_project_of_another_version_by_now(
    tmp_path: Path, features: str, remover: Generation
) -> None:
    project = make(tmp_path / "p", PROJECT_3)
    GodotSupport(GODOT3).install(project)
    installed = (project / "project.godot").read_text()
    make(
        project, installed.replace("config_version=4", "config_version=5") + f"config/features=[{features}]\n"
    )
    GodotSupport(remover).remove(project)
    assert list(tree(project)) == ["project.godot"]
    assert "popbridge" not in (project / "project.godot").read_text()


def test_what_the_addon_kept_goes_with_it(tmp_path: Path) -> None:
    project = make(tmp_path / "p", PROJECT_4)
    GodotSupport(GODOT4).install(project)
    (project / ".godot").mkdir()
    (project / ".godot/popbridge.state").write_bytes(b"")
    (project / ".godot/uid_cache.bin").write_bytes(b"")
    GodotSupport(GODOT4).remove(project)
    assert [file.name for file in (project / ".godot").iterdir()] == ["uid_cache.bin"]


@pytest.mark.parametrize(
    ("text", "version", "served_by"),
    [
        (PROJECT_3, "3.6", ["godot3"]),
        (PROJECT_4, "4.3", ["godot4"]),
        ("config_version=5\n", "4.2", ["godot4"]),
        (PROJECT_4.replace("4.3", "4.1"), "4.1", []),
        ("config_version=3\n", "3.0", []),
        ("config_version=6\n", "5.0", []),
        ("", None, []),
    ],
)
def test_a_projects_own_files_say_which_addon_it_gets(
    tmp_path: Path, text: str, version: str | None, served_by: list[str]
) -> None:
    project = make(tmp_path / "p", text)
    supports = [GodotSupport(GODOT3), GodotSupport(GODOT4)]
    assert {support.project_version(project) for support in supports} == {version}
    names = [g.name for g in (GODOT3, GODOT4) if version and GodotSupport(g).serves(Version(version))]
    assert names == served_by


@pytest.mark.parametrize(
    ("text", "says"),
    [(None, "project.godot"), (PROJECT_4.replace("4.3", "4.1"), "Godot 4.1"), (PROJECT_3, "Godot 3.6")],
)
def test_another_project_is_refused_and_left_alone(tmp_path: Path, text: str | None, says: str) -> None:
    project = make(tmp_path / "p", text) if text is not None else tmp_path
    before = tree(tmp_path)
    with pytest.raises(UserError, match=says):
        GodotSupport(GODOT4).install(project)
    assert tree(tmp_path) == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    project = make(tmp_path / "p", PROJECT_4)
    (project / "addons").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="addons"):
        GodotSupport(GODOT4).install(project)


def test_removing_from_no_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"project\.godot"):
        GodotSupport(GODOT4).remove(tmp_path)


@pytest.mark.parametrize("generation", [GODOT3, GODOT4], ids=["3", "4"])
def test_a_new_project_is_one_of_its_generation(tmp_path: Path, generation: Generation) -> None:
    (tmp_path / "rock.png").write_bytes(b"")
    support = GodotSupport(generation)
    support.create_project(tmp_path, {"rock.png": {"compress/mode": 2, "compress/lossy_quality": 0.7}})
    version = support.project_version(tmp_path)
    assert version is not None
    assert support.serves(Version(version))
    text = (tmp_path / "rock.png.import").read_text()
    assert "compress/mode=2\ncompress/lossy_quality=0.7\n" in text


def test_the_editor_may_be_a_command_with_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPBRIDGE_GODOT4", "loader --library-path /lib godot")
    support = GodotSupport(GODOT4)
    command = support.editor_command(support.find_editor(), tmp_path)
    assert command == [
        "loader", "--library-path", "/lib", "godot", "--headless", "--path", str(tmp_path), "--editor",
    ]  # fmt: skip


def test_a_windows_command_keeps_its_backslashes() -> None:
    command = r'"C:\My Tools\loader.exe" C:\godot\godot.exe --verbose'
    assert split_command(command, windows=True) == [
        r"C:\My Tools\loader.exe", r"C:\godot\godot.exe", "--verbose",
    ]  # fmt: skip


def test_the_editors_path_may_have_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor = tmp_path / "my godot"
    editor.touch()
    monkeypatch.setenv("POPBRIDGE_GODOT3", str(editor))
    assert GodotSupport(GODOT3).find_editor() == [str(editor)]


def test_a_folder_is_one_word_too_so_that_it_is_named_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "My Godot.app").mkdir()
    monkeypatch.setenv("POPBRIDGE_GODOT4", str(tmp_path / "My Godot.app"))
    assert GodotSupport(GODOT4).find_editor() == [str(tmp_path / "My Godot.app")]


def test_a_quotation_without_an_end_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPBRIDGE_GODOT4", '"my godot')
    with pytest.raises(UserError, match=r'POPBRIDGE_GODOT4 .*"my godot'):
        GodotSupport(GODOT4).find_editor()


def test_without_an_editor_none_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POPBRIDGE_GODOT4", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert GodotSupport(GODOT4).find_editor() == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows finds programs by their suffix")
def test_the_editor_is_found_in_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    editor = tmp_path / "godot4"
    editor.touch(mode=0o755)
    monkeypatch.delenv("POPBRIDGE_GODOT4", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert GodotSupport(GODOT4).find_editor() == [str(editor)]


def test_a_file_that_is_not_checked_out_is_told_by_its_name_and_stays(tmp_path: Path) -> None:
    support, project = GodotSupport(GODOT4), make(tmp_path / "p", PROJECT_4)
    support.install(project)
    older = project / ADDON / "plugin.cfg"
    older.write_bytes(b"older")
    older.chmod(0o444)
    next(file for file in (project / ADDON).iterdir() if file.suffix == ".gd").unlink()
    before = tree(project)
    for call in (support.install, support.remove):
        with pytest.raises(UserError) as raised:
            call(project)
        assert str(READ_ONLY) in str(raised.value)
        assert str(raised.value).startswith(str(older.resolve())) and tree(project) == before
    older.chmod(0o644)


@pytest.mark.parametrize("generation", [GODOT3, GODOT4], ids=["godot3", "godot4"])
@pytest.mark.parametrize("broken", [MANIFEST, "project.godot"])
def test_an_installation_that_fails_in_the_middle_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generation: Any, broken: str
) -> None:
    support = GodotSupport(generation)
    project = make(tmp_path / "p", PROJECT_4 if generation is GODOT4 else PROJECT_3)
    write = ProjectFolder.write

    def full(self: ProjectFolder, path: str, *rest: Any, **more: Any) -> None:
        if path.endswith(broken):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        write(self, path, *rest, **more)

    def fail(call: Any) -> None:
        before = tree(project)
        with monkeypatch.context() as patch:
            patch.setattr(ProjectFolder, "write", full)
            with pytest.raises(UserError):
                call(project)
        assert tree(project) == before

    fail(support.install)
    assert not (project / "addons").exists()
    support.install(project)
    (project / ADDON / CONFIG).write_bytes(b"older")
    (project / ADDON / MANIFEST).write_bytes(b"old.gd\n")
    (project / ADDON / "old.gd").write_bytes(b"old")
    (project / ADDON / "old.gd.uid").write_bytes(b"uid://old")
    (project / "project.godot").write_bytes(b"config_version=%d\n" % (5 if generation is GODOT4 else 4))
    fail(support.install)


def test_a_removal_that_fails_in_the_middle_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    support, project = GodotSupport(GODOT4), make(tmp_path / "p", PROJECT_4)
    support.install(project)
    before, remove = tree(project), ProjectFolder.remove

    def held(self: ProjectFolder, path: str) -> bool:
        if path.endswith(CONFIG):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return remove(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(ProjectFolder, "remove", held)
        with pytest.raises(UserError):
            support.remove(project)
    assert tree(project) == before


def test_a_folder_in_the_list_of_files_stays(tmp_path: Path) -> None:
    support, project = GodotSupport(GODOT4), make(tmp_path / "p", PROJECT_4)
    support.install(project)
    (project / ADDON / "mine").mkdir()
    (project / ADDON / "mine/notes.txt").write_bytes(b"mine")
    with (project / ADDON / MANIFEST).open("a", encoding="utf-8") as listed:
        listed.write("mine\n")
    support.install(project)
    support.remove(project)
    assert list(tree(project / ADDON)) == ["mine/notes.txt"]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the folders of Linux")
def test_the_projects_of_godots_own_lists_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in ("four [a]", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "project.godot").touch()
    (tmp_path / "data" / "godot").mkdir(parents=True)
    (tmp_path / "config" / "godot").mkdir(parents=True)
    (tmp_path / "data" / "godot" / "projects.cfg").write_text(
        f"[{tmp_path}/gone]\n\nfavorite=false\n\n[{tmp_path}/four [a]]\n\nfavorite=true\n", "utf-8"
    )
    (tmp_path / "config" / "godot" / "editor_settings-3.tres").write_text(
        f'[resource]\ninterface/scale = 1\nprojects/{str(tmp_path)[1:]}::three = "{tmp_path}/three"\n',
        "utf-8",
    )
    assert project.known_projects(4) == [tmp_path / "four [a]"]
    assert project.known_projects(3) == [tmp_path / "three"]
