"""`.import` files are changed key by key and otherwise left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.api import UserError
from bridge_godot.import_file import ImportFile

TEXT = """\
[remap]

importer="texture"
type="CompressedTexture2D"
path="res://.godot/imported/rock.png-1.ctex"
metadata={
"vram_texture": false
}

[deps]

source_file="res://rock.png"

[params]

compress/mode=0
compress/lossy_quality=0.7
mipmaps/generate=false
roughness/src_normal=""
process/strange=[1, 2]
"""


@pytest.fixture
def rock(tmp_path: Path) -> Path:
    return texture(tmp_path / "rock.png", TEXT)


def texture(path: Path, settings: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"png")
    path.with_name(path.name + ".import").write_bytes(settings.encode())
    return path


def settings_of(path: Path) -> str:
    return path.with_name(path.name + ".import").read_bytes().decode()


def change(path: Path, **options: Any) -> None:
    file = ImportFile.of(path)
    file.change({name.replace("__", "/"): value for name, value in options.items()})
    file.write(path.parent)


def test_options_have_godots_names_and_types(rock: Path) -> None:
    assert ImportFile.of(rock).options() == {
        "compress/mode": 0,
        "compress/lossy_quality": 0.7,
        "mipmaps/generate": False,
        "roughness/src_normal": "",
        "process/strange": "[1, 2]",
    }


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_only_what_changes_is_written(tmp_path: Path, newline: str) -> None:
    before = TEXT.replace("\n", newline)
    rock = texture(tmp_path / "rock.png", before)
    change(rock, compress__mode=2, mipmaps__generate=True)
    assert settings_of(rock) == before.replace("mode=0", "mode=2").replace("generate=false", "generate=true")


def test_a_whole_number_stays_a_float_where_there_was_one(rock: Path) -> None:
    change(rock, compress__lossy_quality=1)
    assert "compress/lossy_quality=1.0\n" in settings_of(rock)


def test_an_option_can_be_added_and_taken_away(rock: Path) -> None:
    change(rock, process__size_limit=512)
    assert settings_of(rock) == TEXT + "process/size_limit=512\n"
    change(rock, process__size_limit=None)
    assert settings_of(rock) == TEXT


@pytest.mark.parametrize(
    "options",
    [
        {"process__strange": "[3]"},
        {"compress__mode": [1]},
        {"compress__mode": "VRAM"},
        {"compress__mode": 1.5},
        {"mipmaps__generate": 1},
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_changed(rock: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"process/strange|compress/mode|mipmaps/generate"):
        change(rock, **options)
    assert settings_of(rock) == TEXT


def test_a_file_that_is_not_imported_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"rock.png isn't imported"):
        ImportFile.of(tmp_path / "rock.png")


def test_an_import_as_something_else_says_as_what(tmp_path: Path) -> None:
    sound = texture(tmp_path / "a.wav", '[remap]\n\nimporter="wav"\n')
    with pytest.raises(UserError, match="imported as wav"):
        ImportFile.of(sound)


def test_a_number_from_json_stays_an_integer(rock: Path) -> None:
    change(rock, compress__mode=2.0)
    assert "compress/mode=2\n" in settings_of(rock)
