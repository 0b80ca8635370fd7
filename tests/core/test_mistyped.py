"""What people are told of a value that isn't what a file wants there."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Struct

from accel.text import AnyText, Text
from bridge.project.config import ACTUAL_WORDS, WORDS, explain_validation_error


class Rule(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=2)]


class File(Struct, forbid_unknown_fields=True):
    rules: list[Rule] = []
    on: bool = False


@pytest.mark.parametrize(
    ("values", "place", "says"),
    [
        ({"rulez": []}, "", {"name": "rulez", "close": "rules"}),
        ({"x": 1}, "", {"name": "x", "known": ["`rules`", "`on`"]}),
        ({"on": 2.5}, "on", {"kind": WORDS["bool"], "actual": ACTUAL_WORDS["float"]}),
        ({"rules": {}}, "rules", {"where": "rules"}),
        ({"rules": [{"name": "ab"}, {}]}, "rules[1]", {"name": "name"}),
        ({"rules": [{"nam": "ab"}]}, "rules[0]", {"name": "nam", "close": "name"}),
    ],
)
def test_a_mistake_is_told_with_its_place(values: dict[str, Any], place: str, says: dict[str, Any]) -> None:
    found, said = explained(values)
    assert found == place
    assert isinstance(said, Text) and said.values == says


def test_what_has_no_words_of_its_own_keeps_the_parsers() -> None:
    assert explained({"rules": [{"name": "a"}]}) == ("rules[0].name", "expected `str` of length >= 2")


def explained(values: dict[str, Any]) -> tuple[str, AnyText]:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.convert(values, File)
    return explain_validation_error(raised.value, {"": File, "rules[]": Rule})
