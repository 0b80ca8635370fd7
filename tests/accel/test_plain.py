"""What is wrong with a workload's parameters is said in words that aren't msgspec's."""

from typing import Annotated, Literal

import pytest
from msgspec import Meta

from accel.workload import Params, Workload, WorkloadError


class Sample(Params, frozen=True):
    path: str
    size: Annotated[int, Meta(ge=1, le=4096, description="Longest side.")] = 256
    format: Annotated[Literal["png", "jpeg"], Meta(description="File format.")] = "png"
    share: Annotated[float, Meta(gt=0, lt=1)] | None = None
    name: Annotated[str, Meta(max_length=3)] = ""
    parts: list[int] = []  # noqa: RUF012

    def __post_init__(self) -> None:
        if self.size == 7 and self.format == "png":
            raise ValueError("7 doesn't go with png")


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"size": 0}, "size is 0; it must be a whole number from 1 to 4096"),
        ({"size": "big"}, 'size is "big"; it must be a whole number from 1 to 4096'),
        ({"format": "gif"}, 'format is "gif"; it must be one of jpeg, png'),
        ({"share": 1}, "share is 1; it must be a number above 0 below 1 or null"),
        ({"name": "long"}, 'name is "long"; it must be text of at most 3 characters'),
        ({"parts": [1, "x"]}, 'parts is [1,"x"]; it must be a list (Expected `int`, got `str` - at `$[1]`)'),
        ({"sise": 1}, "there is no parameter 'sise'; did you mean size?"),
        ({"colour": 1}, "there is no parameter 'colour'; it takes path, size, format, share, name, parts"),
        ({"path": "\udcff" * 99, "size": 0}, "size is 0; it must be a whole number from 1 to 4096"),
        ({"path": 3 * [30 * "x"]}, 'path is ["xxxxxx'),
        ({"size": 7}, "7 doesn't go with png"),
    ],
)
def test_each_mistake_names_the_parameter_the_value_and_what_is_allowed(params, says):
    record = Workload("test.sample", 1, Sample, "", (0, 1), False, "", "")
    with pytest.raises(WorkloadError) as caught:
        record.parse({"path": "x"} | params)
    assert caught.value.code == "bad_params" and caught.value.reason.startswith(says)
    assert len(caught.value.reason) < 140


def test_what_is_missing_is_named():
    with pytest.raises(WorkloadError, match="the parameter path is missing; it must be text"):
        Workload("test.sample", 1, Sample, "", (0, 1), False, "", "").parse({})
