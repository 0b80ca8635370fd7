"""Sentences for people in parts."""

from __future__ import annotations

import msgspec
import pytest

from accel.text import Text, TextError, joined, plural, readable, sentences, text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (text("{name} is {size}", name="a", size=3), "a is 3"),
        (text("{{}} of {name}", name="{x}"), "{} of {x}"),
        (text("{name} and {other}", name="a"), "a and {other}"),
        (text("{why}.", why="is it so?"), "is it so?"),
        (text("{why}.", why="it is."), "it is."),
        (text("Measuring {name}...", name="a"), "Measuring a..."),
        (text("{names}", names=["a", text("b {n}", n=1)]), "a, b 1"),
        (plural("{n} file", "{n} files", 1), "1 file"),
        (plural("{n} file", "{n} files", 0), "0 files"),
        (sentences(["One.", "", text("Two.")]), "One. Two."),
        (joined([], text("{head}, {rest}")), ""),
    ],
)
def test_it_reads_in_english(said: Text, shown: str) -> None:
    assert str(said) == shown


def test_it_survives_msgpack_json_and_plain_values() -> None:
    said = text("{a} {b} {c}", a=text("{x}", x=1.5), b=[text("y"), "z", None], c=None)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(said), type=Text) == said
    assert msgspec.json.decode(msgspec.json.encode(said), type=Text | str) == said
    assert readable(msgspec.to_builtins(said)) == said
    assert readable("plain") == "plain" and readable(None) == "" and readable({"id": "x", "values": 3}) == "x"


def test_what_isnt_plain_becomes_a_string() -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    assert text("{it} {them}", it=Odd(), them=(Odd(), 2)).values == {"it": "odd", "them": ["odd", 2]}


def test_an_error_says_it_in_english_and_keeps_the_text() -> None:
    error = TextError(text("{n} lost", n=2))
    assert str(error) == "2 lost" and error.text == text("{n} lost", n=2)
