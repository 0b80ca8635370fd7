"""A project's textures are found as Godot finds them, and what can't be read is told and left alone."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path

import pytest

from bridge_godot.import_file import SECOND_NS, textures
from bridge_godot.support import GODOT4, GodotSupport
from tests.godot.test_import_file import TEXT, settings_of, texture


def one(project: Path) -> object:
    (found,) = textures(project)
    return found


def test_a_texture_comes_with_its_path_its_place_and_its_options(tmp_path: Path) -> None:
    texture(tmp_path / "a/岩石.png", TEXT)
    (found,) = textures(tmp_path)
    assert (found.path, found.file, found.problem) == ("res://a/岩石.png", "a/岩石.png", "")
    assert found.options is not None and found.options["mipmaps/generate"] is False
    assert type(found.options["process/strange"]) is str


def test_one_texture_can_be_asked_for(tmp_path: Path) -> None:
    texture(tmp_path / "a/b.png", TEXT)
    texture(tmp_path / "font.png", TEXT.replace('importer="texture"', 'importer="font_data_image"'))
    (tmp_path / "new.png").write_bytes(b"png")
    support = GodotSupport(GODOT4)
    assert support.texture(tmp_path, "a/b.png") in list(textures(tmp_path))
    assert support.texture(tmp_path, "font.png") is None
    new = support.texture(tmp_path, "new.png")
    assert new is not None and new.options is None


def test_what_godot_passes_over_is_passed_over(tmp_path: Path) -> None:
    for place in (".godot/imported/x.png", ".import/y.png", ".git/z.png", "raw/w.png", "other/sub/v.png"):
        texture(tmp_path / place, TEXT)
    (tmp_path / "raw/.gdignore").touch()
    (tmp_path / "other/project.godot").touch()
    (tmp_path / "project.godot").touch()
    texture(tmp_path / "kept.PNG", TEXT)
    assert [found.file for found in textures(tmp_path)] == ["kept.PNG"]


def test_what_is_imported_as_something_else_is_no_texture(tmp_path: Path) -> None:
    texture(tmp_path / "font.png", TEXT.replace('importer="texture"', 'importer="font_data_image"'))
    texture(tmp_path / "sound.wav", '[remap]\n\nimporter="wav"\n\n[params]\n')
    texture(tmp_path / "raw.png", '[remap]\n\nimporter="keep"\n')
    assert list(textures(tmp_path)) == []


def test_a_texture_that_isnt_imported_yet_has_no_options_and_no_problem(tmp_path: Path) -> None:
    (tmp_path / "new.png").write_bytes(b"png")
    (found,) = textures(tmp_path)
    assert (found.options, found.problem) == (None, "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TEXT.replace("compress/mode=0", "<<<<<<< HEAD\ncompress/mode=0"), "line 16"),
        (TEXT[: TEXT.index("[params]")], "has no [params]"),
        (TEXT[:-3], "line 20"),
        (TEXT.replace("\n}\n", "\n"), "line 6"),
        ("{json: 1}", "line 1"),
        ("\0" * 400, "line 1"),
        ("", "has no [params]"),
        (TEXT + "compress/mode=2\n", "has compress/mode twice"),
        (TEXT + "\n[params]\n\ncompress/mode=2\n", "has compress/mode twice"),
    ],
)
def test_syntax_that_isnt_known_is_told_and_left_untouched(tmp_path: Path, text: str, says: str) -> None:
    texture(tmp_path / "rock.png", text)
    (found,) = textures(tmp_path)
    assert found.options is None and says in found.problem
    done = GodotSupport(GODOT4).apply(
        tmp_path, [{"path": "res://rock.png", "options": {"mipmaps/generate": True}}]
    )
    assert [error["path"] for error in done["errors"]] == ["res://rock.png"] and done["after"] == []
    assert settings_of(tmp_path / "rock.png") == text


def test_settings_that_are_not_checked_out_are_told_and_left_alone(tmp_path: Path) -> None:
    settings = texture(tmp_path / "rock.png", TEXT).with_name("rock.png.import")
    settings.chmod(0o444)
    done = GodotSupport(GODOT4).apply(
        tmp_path, [{"path": "res://rock.png", "options": {"mipmaps/generate": True}}]
    )
    assert [error["message"] for error in done["errors"]] == [
        "rock.png.import can't be written: it is read-only: check it out, for example with `p4 edit`, or "
        "make it writable."
    ]
    assert settings.read_text(encoding="utf-8") == TEXT and len(list(tmp_path.iterdir())) == 2
    settings.chmod(0o644)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there, and pipes have no names")
def test_a_link_stays_one_and_leads_nowhere_else(tmp_path: Path) -> None:
    game = tmp_path / "game"
    for name, place in (("in", game / "shared.txt"), ("out", tmp_path / "others.txt")):
        settings = texture(game / f"{name}.png", TEXT).with_name(f"{name}.png.import")
        settings.rename(place)
        settings.symlink_to(place)
    changes = [{"path": f"res://{name}.png", "options": {"mipmaps/generate": True}} for name in ("in", "out")]
    done = GodotSupport(GODOT4).apply(game, changes)
    assert [change["path"] for change in done["after"]] == ["res://in.png"]
    assert ["leads out of the project" in error["message"] for error in done["errors"]] == [True]
    assert (game / "in.png.import").is_symlink() and "generate=true" in (game / "shared.txt").read_text()
    assert (tmp_path / "others.txt").read_text(encoding="utf-8") == TEXT


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there, and pipes have no names")
def test_a_pipe_in_the_place_of_settings_is_told_and_not_waited_for(tmp_path: Path) -> None:
    texture(tmp_path / "rock.png", TEXT).with_name("rock.png.import").unlink()
    os.mkfifo(tmp_path / "rock.png.import")
    (found,) = textures(tmp_path)
    assert found.options is None and "isn't a regular file" in found.problem


def test_settings_of_many_megabytes_are_told_and_not_read(tmp_path: Path) -> None:
    texture(tmp_path / "rock.png", TEXT)
    with (tmp_path / "rock.png.import").open("r+b") as file:
        file.truncate(1 << 30)
    (found,) = textures(tmp_path)
    assert found.options is None and "larger than 16 MiB" in found.problem


@pytest.mark.parametrize(
    "path", ["res://../out.png", "res:///etc/passwd", "res://" + "a" * 5000, "res://a\0b"]
)
def test_a_path_that_is_none_of_the_project_is_refused(tmp_path: Path, path: str) -> None:
    done = GodotSupport(GODOT4).apply(tmp_path, [{"path": path, "options": {"compress/mode": 2}}])
    (error,) = done["errors"]
    assert error["path"] == path
    assert path in error["message"]


def test_a_changed_texture_is_imported_anew(tmp_path: Path) -> None:
    texture(tmp_path / "a/rock.png", TEXT)
    name = f"rock.png-{hashlib.md5(b'res://a/rock.png').hexdigest()}.md5"
    marks = [tmp_path / folder / name for folder in (".import", ".godot/imported")]
    other = marks[0].with_name("other.png-0.md5")
    for mark in (*marks, other):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    GodotSupport(GODOT4).apply(tmp_path, [{"path": "res://a/rock.png", "options": {"compress/mode": 2}}])
    assert not any(mark.exists() for mark in marks) and other.exists()


def test_settings_that_change_in_the_second_of_their_import_are_later_all_the_same(tmp_path: Path) -> None:
    settings = texture(tmp_path / "rock.png", TEXT).with_name("rock.png.import")
    ahead = (time.time_ns() // SECOND_NS + 100) * SECOND_NS + 5
    os.utime(settings, ns=(ahead, ahead))
    support = GodotSupport(GODOT4)
    support.apply(tmp_path, [{"path": "res://rock.png", "options": {"compress/mode": 2}}])
    assert settings.stat().st_mtime_ns // SECOND_NS == ahead // SECOND_NS + 1
    os.utime(settings, ns=(5, 5))
    now = time.time_ns()
    support.apply(tmp_path, [{"path": "res://rock.png", "options": {"compress/mode": 0}}])
    assert abs(settings.stat().st_mtime_ns - now) < 60 * SECOND_NS
