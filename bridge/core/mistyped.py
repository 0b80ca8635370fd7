"""What is wrong with a file that people write, in their words: msgspec names types of its own, and nothing
that may be meant."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

WORDS = {
    "array": "a list", "bool": "true or false", "date": "a date", "datetime": "a time", "float": "a number",
    "int": "a whole number", "int | null": "a whole number", "object": "a table", "str": "text",
    "time": "a time",
}  # fmt: skip
"""What msgspec calls a value, and what people call it."""
GIVEN = {"float": "a number with a fraction"}
"""What one that is there is called otherwise: a whole number is a number, too."""


def explained(error: msgspec.ValidationError, tables: Mapping[str, type[Struct]]) -> str:
    """The place and what is wrong there; `tables` are the file's by their places, `always[]` for each of a
    list."""
    reason, _, at = str(error).partition(" - at `$")
    where = at.rstrip("`").removeprefix(".")
    said = _said(reason, where, tables)
    return f"{where}: {said}" if where else said


def _said(reason: str, where: str, tables: Mapping[str, type[Struct]]) -> str:
    if found := re.fullmatch(r"Object contains unknown field `(.*)`", reason, re.DOTALL):
        table = tables.get(re.sub(r"\d+", "", where))
        return f"`{found[1]}` isn't known here{_meant(found[1], table.__struct_fields__ if table else ())}"
    if found := re.fullmatch(r"Object missing required field `(.*)`", reason):
        return f"`{found[1]}` is missing"
    if found := re.fullmatch(r"Expected `([^`]+)` ([<>]=? ?\S+)", reason):
        return f"it must be {_word(found[1])} {found[2]}"
    if found := re.fullmatch(r"Expected `([^`]+)`, got `([^`]+)`", reason):
        if found.groups() == ("array", "object") and f"{where}[]" in tables:
            return f"write `[[{where}]]`, in double brackets"
        return f"it must be {_word(found[1])}, and is {GIVEN.get(found[2], _word(found[2]))}"
    return f"{reason[:1].lower()}{reason[1:]}"


def _word(kind: str) -> str:
    return WORDS.get(kind, f"`{kind}`")


def _meant(name: str, fields: Sequence[str]) -> str:
    # Imported here, as few files have a mistake.
    import difflib

    near = difflib.get_close_matches(name.lower(), fields, 1)
    if near:
        return f" (did you mean `{near[0]}`?)"
    return f"; there are {', '.join(f'`{one}`' for one in fields)}" if fields else ""
