"""What is wrong with a file that people write, in their words: msgspec names types of its own, and nothing
that may be meant."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from accel.text import AnyText, text

WORDS = {
    "array": text("a list"), "bool": text("true or false"), "date": text("a date"), "datetime": text("a time"), "float": text("a number"),
    "int": text("a whole number"), "int | null": text("a whole number"), "object": text("a table"), "str": text("text"),
    "time": text("a time"),
}  # fmt: skip
"""What msgspec calls a value, and what people call it."""
GIVEN = {"float": text("a number with a fraction")}
"""What one that is there is called otherwise: a whole number is a number, too."""


def explained(error: msgspec.ValidationError, tables: Mapping[str, type[Struct]]) -> tuple[str, AnyText]:
    """The place and what is wrong there; `tables` are the file's by their places, `always[]` for each of a
    list."""
    reason, _, at = str(error).partition(" - at `$")
    where = at.rstrip("`").removeprefix(".")
    return where, _said(reason, where, tables)


def _said(reason: str, where: str, tables: Mapping[str, type[Struct]]) -> AnyText:
    if found := re.fullmatch(r"Object contains unknown field `(.*)`", reason, re.DOTALL):
        table = tables.get(re.sub(r"\d+", "", where))
        return _unknown(found[1], table.__struct_fields__ if table else ())
    if found := re.fullmatch(r"Object missing required field `(.*)`", reason):
        return text("`{found}` is missing", found=found[1])
    if found := re.fullmatch(r"Expected `([^`]+)` ([<>]=? ?\S+)", reason):
        return text("it must be {word} {bound}", word=_word(found[1]), bound=found[2])
    if found := re.fullmatch(r"Expected `([^`]+)`, got `([^`]+)`", reason):
        if found.groups() == ("array", "object") and f"{where}[]" in tables:
            return text("write `[[{where}]]`, in double brackets", where=where)
        return text(
            "it must be {word}, and is {given}",
            word=_word(found[1]),
            given=GIVEN.get(found[2], _word(found[2])),
        )
    return f"{reason[:1].lower()}{reason[1:]}"


def _word(kind: str) -> AnyText:
    return WORDS.get(kind, f"`{kind}`")


def _unknown(name: str, fields: Sequence[str]) -> AnyText:
    # Imported here, as few files have a mistake.
    import difflib

    near = difflib.get_close_matches(name.lower(), fields, 1)
    if near:
        return text("`{name}` isn't known here (did you mean `{near}`?)", name=name, near=near[0])
    if fields:
        known = [f"`{one}`" for one in fields]
        return text("`{name}` isn't known here; there are {known}", name=name, known=known)
    return text("`{name}` isn't known here", name=name)
