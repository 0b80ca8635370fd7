"""What is wrong with a workload's parameters is said in words that aren't msgspec's."""

from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from accel.workload import Params, Workload, WorkloadError


class Pair(Struct):
    left: float


class Sample(Params, frozen=True):
    path: str
    size: Annotated[int, Meta(ge=1, le=4096, description="Longest side.")] = 256
    format: Annotated[Literal["png", "jpeg"], Meta(description="File format.")] = "png"
    share: Annotated[float, Meta(gt=0, lt=1)] | None = None
    name: Annotated[str, Meta(max_length=3)] = ""
    parts: list[int] = []  # noqa: RUF012
    levels: list[Literal["low", "high"]] = []  # noqa: RUF012
    tags: tuple[str, ...] = ()
    steps: list[dict[str, int]] = []  # noqa: RUF012
    odd: Annotated[list[Annotated[float, Meta(ge=0)]] | None, Meta(description="Any.")] = None
    code: Annotated[str, Meta(pattern="^[a-z]+$")] = "a"
    bits: Literal["same", "16", "8", "astc_10x4", "astc_4x4"] = "same"
    word: Annotated[str, Meta(pattern="^[a-z]+$", description="What it is called. And more.")] = "a"
    pair: Pair | None = None

    def __post_init__(self) -> None:
        if self.size == 7 and self.format == "png":
            raise ValueError("7 doesn't go with png")


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"size": 0}, "size is 0; it must be a whole number from 1 to 4096"),
        ({"size": "big"}, 'size is "big"; it must be a whole number from 1 to 4096'),
        ({"format": "gif"}, 'format is "gif"; it must be one of jpeg, png'),
        ({"format": "JPG"}, 'format is "JPG"; it must be one of jpeg, png; did you mean jpeg?'),
        ({"format": "PNG"}, 'format is "PNG"; it must be one of jpeg, png; did you mean png?'),
        ({"format": "pgn"}, 'format is "pgn"; it must be one of jpeg, png; did you mean png?'),
        ({"bits": "a lot"}, 'bits is "a lot"; it must be one of 8, 16, astc_4x4, astc_10x4, same'),
        ({"levels": "low"}, 'levels is "low"; it must be a list such as ["high"], each one of high, low'),
        (
            {"levels": ["low", "hihg"]},
            'levels is ["low","hihg"]; it must be a list such as ["high"], each one',
        ),
        ({"tags": 1}, 'tags is 1; it must be a list such as ["a text"]'),
        ({"steps": 1}, "steps is 1; it must be a list of objects"),
        ({"odd": 1}, "odd is 1; it must be a list such as [0.5] or null"),
        ({"code": "A"}, 'code is "A"; it must be text of the form ^[a-z]+$'),
        ({"word": "A"}, 'word is "A"; it must be text of the form ^[a-z]+$ (What it is called)'),
        ({"share": 1}, "share is 1; it must be a number above 0 below 1 or null"),
        ({"name": "long"}, 'name is "long"; it must be text of at most 3 characters'),
        (
            {"parts": [1, "x"]},
            'parts is [1,"x"]; it must be a list such as [1] (Expected `int`, got `str` - at `$[1]`)',
        ),
        ({"sise": 1}, "there is no parameter 'sise'; did you mean size?"),
        (
            {"colour": 1},
            "there is no parameter 'colour'; it takes path, size, format, share, name, parts, levels",
        ),
        ({"path": "\udcff" * 99, "size": 0}, "size is 0; it must be a whole number from 1 to 4096"),
        ({"path": 3 * [30 * "x"]}, 'path is ["xxxxxx'),
        ({"pair": 1}, "pair is 1; it must be an object or null"),
        ({"pair": {"left": "x"}}, 'pair is {"left":"x"}; it must be an object or null (Expected `float`'),
        ({"size": 7}, "7 doesn't go with png"),
    ],
)
def test_each_mistake_names_the_parameter_the_value_and_what_is_allowed(params, says):
    record = Workload("test.sample", 1, Sample, "", (0, 1), False, "", "")
    with pytest.raises(WorkloadError) as caught:
        record.parse({"path": "x"} | params)
    assert caught.value.code == "bad_params" and str(caught.value.reason).startswith(says)
    assert len(str(caught.value.reason)) < 180


def test_what_is_missing_is_named():
    with pytest.raises(WorkloadError, match="the parameter path is missing; it must be text"):
        Workload("test.sample", 1, Sample, "", (0, 1), False, "", "").parse({})


def test_a_wrong_item_of_a_list_is_told_with_what_may_be_meant():
    record = Workload("test.sample", 1, Sample, "", (0, 1), False, "", "")
    with pytest.raises(WorkloadError, match=r"did you mean high\?$"):
        record.parse({"path": "x", "levels": ["low", "hihg"]})
