"""What people are told of a value that isn't what a file wants there."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Struct

from bridge.project.config import explain_validation_error


class Rule(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=2)]


class File(Struct, forbid_unknown_fields=True):
    rules: list[Rule] = []
    on: bool = False


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"rulez": []}, "`rulez` isn't known here (did you mean `rules`?)"),
        ({"x": 1}, "`x` isn't known here; there are `rules`, `on`"),
        ({"on": 2.5}, "on: it must be true or false, and is a number with a fraction"),
        ({"rules": {}}, "rules: write `[[rules]]`, in double brackets"),
        ({"rules": [{"name": "ab"}, {}]}, "rules[1]: `name` is missing"),
        ({"rules": [{"nam": "ab"}]}, "rules[0]: `nam` isn't known here (did you mean `name`?)"),
        # What has no words of its own keeps the parser's.
        ({"rules": [{"name": "a"}]}, "rules[0].name: expected `str` of length >= 2"),
    ],
)
def test_a_mistake_is_told_with_its_place(values: dict[str, Any], says: str) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.convert(values, File)
    place, said = explain_validation_error(raised.value, {"": File, "rules[]": Rule})
    assert (f"{place}: {said}" if place else str(said)) == says
