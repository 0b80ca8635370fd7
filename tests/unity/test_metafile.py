"""`.meta` files: single values change, and every other byte stays, whatever else is in them."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bridge.api import UserError
from bridge_unity.metafile import MetaFile, Place, UnknownSyntaxError
from tests.unity.projects import GREEN, meta

TYPE: Place = ("textureType",)
COMPRESSION: Place = ("platformSettings", "Standalone", "textureCompression")


def changed(text: str, *values: tuple[Place, str | None]) -> list[str]:
    """The lines that differ, as a diff has them."""
    return lines_between(text, MetaFile(text).changed(values).text)


def lines_between(one: str, other: str) -> list[str]:
    found = difflib.unified_diff(one.splitlines(keepends=True), other.splitlines(keepends=True), n=0)
    return [line for line in found if not line.startswith(("---", "+++", "@@"))]


def test_values_are_found_by_their_keys() -> None:
    file = MetaFile(meta())
    assert file.importer == "TextureImporter"
    assert file.platforms == ["DefaultTexturePlatform", "Standalone", "Android"]
    assert (file.value(TYPE), file.value(COMPRESSION)) == ("0", "1")
    assert file.value(("bumpmap", "flipGreenChannel")) == "0"


@pytest.mark.parametrize(
    "place",
    [
        ("gone",), ("mipmaps",), ("mipmaps", "gone"), ("gone", "gone"), ("platformSettings",),
        ("isReadable", "x"), ("platformSettings", "iPhone", "textureCompression"),
        ("platformSettings", "Android", "gone"),
    ],
)  # fmt: skip
def test_what_is_no_single_value_is_none(place: Place) -> None:
    assert MetaFile(meta()).value(place) is None


def test_only_the_value_changes() -> None:
    assert changed(meta(), (TYPE, "1"), (COMPRESSION, "2")) == [
        "-  textureType: 0\n", "+  textureType: 1\n",
        "-    textureCompression: 1\n", "+    textureCompression: 2\n",
    ]  # fmt: skip


def test_windows_line_ends_stay() -> None:
    text = meta().replace("\n", "\r\n")
    assert changed(text, (TYPE, "1")) == ["-  textureType: 0\r\n", "+  textureType: 1\r\n"]
    without = text.replace(GREEN.replace("\n", "\r\n"), "")
    assert changed(without, (("bumpmap", "flipGreenChannel"), "1")) == ["+    flipGreenChannel: 1\r\n"]


def test_a_value_that_is_missing_is_added_among_its_like_and_taken_away_again() -> None:
    text = meta(version="2021.3.45f1")
    file = MetaFile(text).changed([(("bumpmap", "flipGreenChannel"), "1")])
    assert lines_between(text, file.text) == ["+    flipGreenChannel: 1\n"]
    assert file.value(("bumpmap", "flipGreenChannel")) == "1"
    file = file.changed([(("bumpmap", "flipGreenChannel"), None)])
    assert file.text == text
    assert file.changed([(("bumpmap", "flipGreenChannel"), None)]).text == text


def test_what_belongs_to_a_missing_group_is_added_with_it() -> None:
    text = "fileFormatVersion: 2\nguid: 0\nTextureImporter:\n  serializedVersion: 13\n  textureType: 8\n"
    added = changed(text, (("mipmaps", "sRGBTexture"), "0"))
    assert added == ["+  mipmaps:\n", "+    sRGBTexture: 0\n"]
    assert changed(text, (("isReadable",), "1")) == ["+  isReadable: 1\n"]


@pytest.mark.parametrize("text", [
    "TextureImporter:\n  serializedVersion: 13\n  textureType: 8",
    "TextureImporter:\r\n  serializedVersion: 13\r\n  textureType: 8\r\n",
    "\ufefffileFormatVersion: 2\nTextureImporter:\n  serializedVersion: 13\n",
    "TextureImporter:\n  serializedVersion: 13",
])  # fmt: skip
def test_a_group_that_was_added_goes_with_its_last_value(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.meta").write_bytes(text.encode())
    was = MetaFile.read(tmp_path / "a.meta")
    file = was.changed([(("mipmaps", "sRGBTexture"), "0"), (("isReadable",), "1")])
    assert (file.value(("mipmaps", "sRGBTexture")), file.value(("isReadable",))) == ("0", "1")
    file.write(tmp_path, "a.meta", was)
    file = MetaFile.read(tmp_path / "a.meta")
    after = file.changed([(("mipmaps", "sRGBTexture"), None), (("isReadable",), None)])
    after.write(tmp_path, "a.meta", file)
    assert (tmp_path / "a.meta").read_bytes().rstrip() == text.encode().rstrip()


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_missing_group_is_added_once_with_all_of_its_values_and_taken_away_again(newline: str) -> None:
    text = "TextureImporter:\n  serializedVersion: 13\n  textureType: 8\n".replace("\n", newline)
    values: list[tuple[Place, str | None]] = [
        (("mipmaps", "sRGBTexture"), "0"), (TYPE, "1"), (("mipmaps", "enableMipMap"), "1"),
        (("textureSettings", "wrapU"), "1"), (("textureSettings", "wrapV"), "1"), (("bumpmap", "gone"), None),
    ]  # fmt: skip
    file = MetaFile(text).changed(values)
    # Without its version Unity would read the group as an older one.
    assert yaml.safe_load(file.text)["TextureImporter"] == {
        "serializedVersion": 13,
        "textureType": 1,
        "mipmaps": {"sRGBTexture": 0, "enableMipMap": 1},
        "textureSettings": {"serializedVersion": 2, "wrapU": 1, "wrapV": 1},
    }
    assert file.text.count("\n") == file.text.count(newline)
    one = file.changed([(("mipmaps", "sRGBTexture"), None), (("mipmaps", "enableMipMap"), "0")])
    assert yaml.safe_load(one.text)["TextureImporter"]["mipmaps"] == {"enableMipMap": 0}
    back = [(place, "8" if place == TYPE else None) for place, _ in values]
    assert file.changed(back).text == text


def test_a_group_that_had_its_version_alone_keeps_it() -> None:
    kept = "textureSettings:\n    serializedVersion: 2\n"
    values = "    filterMode: 1\n    aniso: 1\n    mipBias: 0\n    wrapU: 0\n    wrapV: 0\n    wrapW: 0\n"
    text = meta(replaced={kept + values: kept})
    file = MetaFile(text).changed([(("textureSettings", "filterMode"), "0")])
    assert f"{kept}    filterMode: 0\n" in file.text
    assert file.changed([(("textureSettings", "filterMode"), None)]).text == text


def test_a_key_without_a_value_gets_one() -> None:
    text = "TextureImporter:\n  serializedVersion: 13\n  textureType:\n  userData: \n"
    assert changed(text, (TYPE, "1"), (("userData",), "a")) == [
        "-  textureType:\n", "-  userData: \n", "+  textureType: 1\n", "+  userData: a\n",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (meta(), ("platformSettings", "iPhone", "textureFormat")),
        (meta(), ("mipmaps",)),
        (meta(), ("spritePivot",)),
        ("TextureImporter: {}\n", ("textureType",)),
        ("TextureImporter: {serializedVersion: 13}\n", ("textureType",)),
        ("TextureImporter:\n  bumpmap: {heightScale: 1}\n", ("bumpmap", "flipGreenChannel")),
        ("TextureImporter:\n  mipmaps:\n", ("mipmaps", "sRGBTexture")),
        ("TextureImporter:\n  isReadable: &a 0\n  textureType: *a\n", ("textureType",)),
    ],
)
def test_what_has_no_place_is_refused(text: str, place: Place) -> None:
    with pytest.raises(UserError, match=r"only Unity itself|there is no place for"):
        MetaFile(text).changed([(place, "1")])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no settings"),
        ("- 1\n", "syntax in line 1"),
        (meta(replaced={"  mipmaps:": "<<<<<<< HEAD\n  mipmaps:"}), "conflict in line 7"),
        (meta(replaced={"  isReadable: 0": "  isReadable: 0\n\tisReadable: 1"}), "syntax in line"),
        (meta(replaced={"  isReadable: 0": "  isReadable: 0\n  isReadable: 1"}), "isReadable twice$"),
        ("TextureImporter: 1\n", "syntax in line 1"),
        ("a: 1\n---\nb: 1\n", "syntax in line 2"),
        ("a: *b\n", "syntax in line 1"),
        ("? [a]\n: 1\n", "syntax in line 1"),
        ("a: \x00\n", "syntax that isn't known here"),
        ("a: \udcff\n", "syntax that isn't known here"),
        ("[" * 100_000, "syntax in line 1"),
    ],
)  # fmt: skip
def test_syntax_that_unity_doesnt_write_is_refused(text: str, says: str) -> None:
    with pytest.raises(UnknownSyntaxError, match=says):
        MetaFile(text)


@pytest.mark.parametrize("group", ["mipmaps", "platformSettings"])
def test_a_key_twice_in_a_group_is_refused_when_that_is_read(group: str) -> None:
    old = "    enableMipMap: 1\n" if group == "mipmaps" else "    overridden: 0\n"
    file = MetaFile(meta(replaced={old: old * 2}))
    with pytest.raises(UnknownSyntaxError, match=r"twice$"):
        file.value(("platformSettings", "Android", "overridden") if group != "mipmaps" else (group, "x"))


def test_a_file_that_is_imported_by_nothing_has_no_importer() -> None:
    assert MetaFile("fileFormatVersion: 2\nguid: 0\n").importer == ""


names = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=90)


@given(name=names, value=st.integers(-1, 99))
def test_sprites_of_any_name_stay_as_they_are(name: str, value: int) -> None:
    sprite = yaml.safe_dump([{"name": name, "rect": {"x": 0}}], allow_unicode=True, indent=2)
    listed = "    sprites:\n" + "".join(f"    {line}\n" for line in sprite.splitlines())
    text = meta(replaced={"    sprites: []\n": listed})
    before = yaml.safe_load(text)
    values = [(place, str(value)) for place in (TYPE, COMPRESSION, ("mipmaps", "borderMipMap"))]
    file = MetaFile(text).changed(values)
    after = yaml.safe_load(file.text)
    assert after["TextureImporter"]["textureType"] == value
    assert after["TextureImporter"]["mipmaps"]["borderMipMap"] == value
    assert after["TextureImporter"]["platformSettings"][1]["textureCompression"] == value
    assert after["TextureImporter"]["spriteSheet"] == before["TextureImporter"]["spriteSheet"]
    assert len(lines_between(text, file.text)) in (0, 2, 4, 6)
