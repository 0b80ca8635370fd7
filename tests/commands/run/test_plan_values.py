"""Parameters as they are typed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from bridge.commands.run.plan import value_of


class Params(Struct):
    number: int = 0
    choice: Literal["8", "16"] = "8"
    text: str = ""
    either: int | str = 0
    many: list[int] = []
    truth: bool = False
    perhaps: bool | None = None
    format: Literal["jpeg", "tiff", "png", "bc7"] | None = None
    formats: Annotated[list[Literal["jpeg", "astc"]], Meta(max_length=2)] = []
    words: tuple[str, ...] = ()
    share: float = 0.0
    maybe: float | None = None
    shares: tuple[float, ...] = ()
    maps: list[dict[str, int]] = []


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("number", "8", 8),
        ("choice", "8", "8"),
        ("text", "true", "true"),
        ("text", '"quoted"', "quoted"),
        ("text", "plain words", "plain words"),
        ("either", "8", 8),
        ("many", "[1, 2]", [1, 2]),
        ("number", "many", "many"),
        ("number", "[1]", [1]),
        ("unknown", "[1]", [1]),
        ("many", "1, 2", [1, 2]),
        ("many", "8", [8]),
        ("many", "1,x", [1, "x"]),
        ("many", '["1"]', ["1"]),
        ("truth", "TRUE", True),
        ("truth", "no", False),
        ("truth", "1", True),
        ("truth", "perhaps", "perhaps"),
        ("perhaps", "No", False),
        ("perhaps", "null", None),
        ("choice", "16", "16"),
        ("format", "JPG", "jpeg"),
        ("format", "tif", "tiff"),
        ("format", "PNG", "png"),
        ("format", "BC7", "bc7"),
        ("format", "gif", "gif"),
        ("formats", "JPG,astc", ["jpeg", "astc"]),
        ("formats", '["ASTC", 1]', ["astc", 1]),
        ("formats", "astcc", ["astcc"]),
        ("formats", "[astc", "[astc"),
        ("words", "one, two", ["one", "two"]),
        ("words", "1,2", ["1", "2"]),
        ("share", ".5", 0.5),
        ("share", "+2.", 2.0),
        ("share", "-.25e1", -2.5),
        ("share", "nan", "nan"),
        ("share", "1e999", "1e999"),
        ("share", "-.1e999", "-.1e999"),
        ("number", "+" + "9" * 5000, "+" + "9" * 5000),
        ("shares", "1e999,.5", ["1e999", 0.5]),
        ("share", "1_000", "1_000"),
        ("share", ".", "."),
        ("number", "08", 8),
        ("number", "+3", 3),
        ("maybe", ".5", 0.5),
        ("shares", ".5, 1", [0.5, 1]),
        ("maps", "x", "x"),
        ("maps", '{"a": 1}', {"a": 1}),
    ],
)
def test_json_is_read_as_json_unless_text_is_wanted(name: str, typed: str, value: Any) -> None:
    assert value_of(Params, name, typed) == value
