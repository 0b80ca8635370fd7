"""Editing Godot's ConfigFile text leaves everything else as it was."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_godot.config_file import ConfigFile

TEXT = """\
; a comment with key=value
config_version=5

[application]

config/name="Two
lines with [brackets] and \\"quotes\\""
config/features=PackedStringArray("4.3", "Mobile")

[input]

jump={
"deadzone": 0.5,
"events": [Object(InputEventKey,"keycode":32)
]
}
[empty]
[last]

key = "spaced" \x20
"""


def test_values_are_found_whatever_they_hold() -> None:
    text = ConfigFile(TEXT)
    assert text.raw("", "config_version") == "5"
    assert text.raw("application", "config/features") == 'PackedStringArray("4.3", "Mobile")'
    assert text.raw("input", "jump") == TEXT[TEXT.index("{") : TEXT.index("}") + 1]
    assert text.raw("last", "key") == '"spaced"'
    assert text.raw("last", "absent") is None
    assert text.raw("absent", "key") is None


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_one_value_is_changed_and_the_rest_stays(newline: str) -> None:
    before = TEXT.replace("\n", newline)
    text = ConfigFile(before)
    text.set("input", "jump", "1")
    start, end = before.index("{"), before.index("}") + 1
    assert text.text == before[:start] + "1" + before[end:]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("ended", [True, False], ids=["ended", "unended"])
def test_a_section_that_was_added_can_be_taken_away_without_a_trace(newline: str, ended: bool) -> None:
    before = TEXT.replace("\n", newline)
    before = before if ended else before.rstrip()
    text = ConfigFile(before)
    text.set("new", "one", "1")
    text.set("new", "two", "2")
    assert text.section("new") == {"one": "1", "two": "2"}
    text.remove("new", "two")
    text.remove("new", "one")
    assert text.text == before


def test_a_new_key_goes_behind_the_last_one_of_its_section() -> None:
    text = ConfigFile("[a]\n\nx=1\n\n[b]\n\ny=2\n")
    text.set("a", "z", "3")
    assert text.text == "[a]\n\nx=1\nz=3\n\n[b]\n\ny=2\n"


def test_a_section_without_keys_takes_its_first_one() -> None:
    text = ConfigFile("[a]\n[b]\n\ny=2")
    text.set("a", "z", "3")
    text.set("b", "x", "4")
    assert text.text == "[a]\nz=3\n[b]\n\ny=2\nx=4"


def test_bytes_that_are_no_text_survive(tmp_path: Path) -> None:
    file = tmp_path / "project.godot"
    file.write_bytes(b"\xff\xfe=1\n[a]\n\nx=1\n")
    text = ConfigFile.read(file)
    text.set("a", "x", "2")
    text.write(tmp_path, file.name)
    assert file.read_bytes() == b"\xff\xfe=1\n[a]\n\nx=2\n"
    assert [found.name for found in tmp_path.iterdir()] == ["project.godot"]


@given(st.text(alphabet='ab=[]{}()"\\;\n\r \t1'))
def test_no_text_trips_it(text: str) -> None:
    config = ConfigFile(text)
    config.set("s", "k", "1")
    assert config.raw("s", "k") == "1" or '"' in text or any(b in text for b in "([{")
    config.remove("s", "k")


def test_a_file_with_the_longest_name_is_written_and_keeps_its_rights(tmp_path: Path) -> None:
    path = tmp_path / ("ß" * 124 + ".import")
    path.write_text("a=1\n", encoding="utf-8")
    path.chmod(0o600)
    text = ConfigFile.read(path)
    text.set("", "a", "2")
    text.write(tmp_path, path.name)
    assert path.read_text(encoding="utf-8") == "a=2\n"
    assert sys.platform == "win32" or path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_blanks_in_a_key_stay_and_however_many_take_no_time() -> None:
    begin = time.perf_counter()
    assert ConfigFile("a b \t= 1\n").raw("", "a b") == "1"
    assert ConfigFile("a" + " " * 40_000 + "b\nc=2\n").raw("", "c") == "2"
    assert time.perf_counter() - begin < 5
