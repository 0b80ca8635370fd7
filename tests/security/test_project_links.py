"""A hostile project: links in it lead to the user's own files, which PopBridge must not write or remove."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bridge import cli
from bridge.api import write_text
from bridge.core.errors import UserError
from bridge.project import config
from bridge_godot.adapter import GodotSupport
from bridge_godot.support import ADDON, GODOT4, MANIFEST
from bridge_unity.plugin import UnityProjects

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")

SECRET = b"-----BEGIN OPENSSH PRIVATE KEY-----\n"
GODOT_PROJECT = 'config_version=5\n\n[application]\n\nconfig/name="Game"\n'
IMPORT = '[remap]\n\nimporter="texture"\n\n[params]\n\nmipmaps/generate=false\n'
META = "fileFormatVersion: 2\nTextureImporter:\n  serializedVersion: 11\n  mipmaps:\n    enableMipMap: 0\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "project.godot").write_text(GODOT_PROJECT)
    return root


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The user's own files."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_rsa").write_bytes(SECRET)
    (home / ".bashrc").write_bytes(SECRET)
    (home / "popbridge_cache").write_bytes(SECRET)
    (home / "empty" / "folder").mkdir(parents=True)
    return home


def state(folder: Path) -> Mapping[str, tuple[int, bytes]]:
    """The entries of a folder and their contents, with the times of changes."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() and not path.is_symlink() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


@contextlib.contextmanager
def refused(*names: str, keeps: Path) -> Iterator[None]:
    """The block is refused with a path that has these names, and changes nothing in the folder `keeps`."""
    before = state(keeps)
    with pytest.raises(UserError) as caught:
        yield
    assert state(keeps) == before
    assert all(name in str(caught.value) for name in names), caught.value


@pytest.mark.parametrize("remove", [False, True])
def test_a_manifest_cant_reach_through_a_linked_folder(project: Path, home: Path, remove: bool) -> None:
    support = GodotSupport(GODOT4)
    support.install(project)
    (project / ADDON / "x").symlink_to(home / ".ssh")
    with (project / ADDON / MANIFEST).open("a") as manifest:
        manifest.write("x/id_rsa\n")
    before = state(project)
    with refused("x", keeps=home):
        support.remove(project) if remove else support.install(project)
    assert state(project) == before, "nothing is done by halves"


@pytest.mark.parametrize("file", [ADDON / "plugin.gd", ADDON / MANIFEST, Path("project.godot")])
def test_an_addons_file_isnt_written_through_a_link(project: Path, home: Path, file: Path) -> None:
    target = home / ".bashrc"
    if file.name == "project.godot":
        target.write_text(GODOT_PROJECT)
        (project / file).unlink()
    (project / file).parent.mkdir(parents=True, exist_ok=True)
    (project / file).symlink_to(target)
    with refused(str(file), keeps=home):
        GodotSupport(GODOT4).install(project)
    assert (project / file).is_symlink() and not (project / ADDON / "plugin.cfg").exists()


def test_project_godot_isnt_written_through_a_link_on_removal(project: Path, home: Path) -> None:
    GodotSupport(GODOT4).install(project)
    (project / "project.godot").rename(home / "settings")
    (project / "project.godot").symlink_to(home / "settings")
    with refused("project.godot", keeps=home):
        GodotSupport(GODOT4).remove(project)


@pytest.mark.parametrize("folder", ["addons", "addons/popbridge"])
@pytest.mark.parametrize("remove", [False, True])
def test_a_linked_addon_folder_isnt_written_into_or_emptied(
    project: Path, home: Path, folder: str, remove: bool
) -> None:
    inside = home / "addons" / "popbridge"
    (inside / "empty").mkdir(parents=True)
    (inside / "plugin.gd").write_bytes(SECRET)
    (project / folder).parent.mkdir(exist_ok=True)
    (project / folder).symlink_to(home / folder)
    with refused("addons", keeps=home):
        GodotSupport(GODOT4).remove(project) if remove else GodotSupport(GODOT4).install(project)


@pytest.mark.parametrize("folder", [".godot", ".import"])
def test_a_linked_state_folder_keeps_its_files_on_removal(project: Path, home: Path, folder: str) -> None:
    GodotSupport(GODOT4).install(project)
    (project / folder).symlink_to(home)
    with refused(folder, keeps=home):
        GodotSupport(GODOT4).remove(project)


def test_a_link_in_an_addons_place_is_removed_itself(project: Path, home: Path) -> None:
    before = state(home)
    GodotSupport(GODOT4).install(project)
    (project / ADDON / "plugin.gd").unlink()
    (project / ADDON / "plugin.gd").symlink_to(home / ".bashrc")
    GodotSupport(GODOT4).remove(project)
    assert state(home) == before and not (project / "addons").exists()


def test_empty_folders_behind_a_link_stay(project: Path, home: Path) -> None:
    before = state(home)
    GodotSupport(GODOT4).install(project)
    (project / ADDON / "mine").symlink_to(home / "empty")
    GodotSupport(GODOT4).remove(project)
    assert state(home) == before and (project / ADDON / "mine").is_symlink()


@pytest.mark.parametrize("target", [".popbridge-rules", ".bashrc", ".ssh/authorized_keys"])
def test_rules_arent_written_through_a_link(project: Path, home: Path, target: str) -> None:
    if target == ".bashrc":
        (home / target).write_text("")
    (project / config.NAME).symlink_to(home / target)
    for edit in (
        lambda: config.add_rules(project, {"textures": ["no_mipmaps"]}),
        lambda: config.set_asking(project, False),
    ):
        with refused(config.NAME, keeps=home):
            edit()


def test_rules_of_another_folder_arent_removed_through_a_link(project: Path, home: Path) -> None:
    config.add_rules(home, {"textures": ["no_mipmaps"]})
    (project / config.NAME).symlink_to(home / config.NAME)
    with refused(config.NAME, keeps=home):
        config.remove_rules(project, {"textures": ["no_mipmaps"]})


@pytest.mark.parametrize("linked", ["the settings", "the folder"])
@pytest.mark.parametrize("engine", ["godot", "unity"])
def test_settings_of_textures_arent_written_through_a_link(
    project: Path, home: Path, engine: str, linked: str
) -> None:
    suffix, content = (".import", IMPORT) if engine == "godot" else (".meta", META)
    folder = project / "Assets"
    if linked == "the folder":
        folder.symlink_to(home)
        settings = home / f"rock.png{suffix}"
    else:
        folder.mkdir()
        settings = home / "settings"
        (folder / f"rock.png{suffix}").symlink_to(settings)
    (folder / "rock.png").touch()
    settings.write_text(content)
    before = state(home)
    if engine == "godot":
        change = {"path": "res://Assets/rock.png", "options": {"mipmaps/generate": True}}
        done = GodotSupport(GODOT4).apply(project, [change])
    else:
        change = {"path": "Assets/rock.png", "options": {"mipmapEnabled": True}}
        done = UnityProjects().apply(project, [change])
    (error,) = done["errors"]
    assert "link" in str(error["message"]) and done["after"] == []
    assert state(home) == before


def test_an_import_isnt_invalidated_through_a_link(project: Path, home: Path) -> None:
    """Godot's own cache may lie on another disk; what is there is Godot's to remove."""
    import hashlib

    name = f"rock.png-{hashlib.md5(b'res://rock.png', usedforsecurity=False).hexdigest()}.md5"
    (home / "imported").mkdir()
    (home / "imported" / name).write_bytes(SECRET)
    (project / ".godot").symlink_to(home)
    (project / "rock.png").touch()
    (project / "rock.png.import").write_text(IMPORT)
    before = state(home)
    change = {"path": "res://rock.png", "options": {"mipmaps/generate": True}}
    done = GodotSupport(GODOT4).apply(project, [change])
    assert state(home) == before
    assert "generate=true" in (project / "rock.png.import").read_text()
    assert [error["path"] for error in done["errors"]] == ["res://rock.png"], "it is told to reimport it"


@pytest.mark.parametrize("options", [["--json"], ["--html"], ["--update-baseline", "--baseline"]])
def test_a_report_in_the_project_isnt_written_through_a_link(
    project: Path, home: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = state(home)
    (project / "report.json").symlink_to(home / ".ssh" / "authorized_keys")
    assert cli.main(["audit", str(project), *options, str(project / "report.json")]) == 2
    assert str(project / "report.json") in capsys.readouterr().err
    assert state(home) == before


def test_a_plugins_write_doesnt_follow_a_link(project: Path, home: Path) -> None:
    (project / "rock.acme").symlink_to(home / ".bashrc")
    with refused("rock.acme", keeps=home):
        write_text(project / "rock.acme", "mine")


def test_a_folder_that_becomes_a_link_in_between_leads_nowhere(project: Path, home: Path) -> None:
    """Swaps the addon's folder for a link and back, as fast as it goes, while it is installed and removed."""
    folder, aside = project / ADDON, project / "aside"
    support = GodotSupport(GODOT4)
    victim = home / "popbridge"
    victim.mkdir()
    (victim / "plugin.gd").write_bytes(SECRET)
    before, ends = state(home), threading.Event()
    support.install(project)
    link = project / "link"
    link.symlink_to(victim)

    def swap() -> None:
        while not ends.is_set():
            with contextlib.suppress(OSError):
                os.rename(folder, aside)
                os.rename(link, folder)
            with contextlib.suppress(OSError):
                if folder.is_symlink():
                    os.rename(folder, link)
                os.rename(aside, folder)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for number in range(60):
            with contextlib.suppress(UserError, OSError):
                support.remove(project) if number % 2 else support.install(project)
    finally:
        ends.set()
        swapper.join()
    assert state(home) == before
