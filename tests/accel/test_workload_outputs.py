"""What a workload gives is plain for whoever asked, or refused with the place that isn't."""

from __future__ import annotations

import decimal
import enum
import types
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec import Struct

from accel.workload import Output, OutputFile, WorkloadError, validate_output


class Point(Struct):
    x: Any


class Side(enum.Enum):
    LEFT = "left"


class Name(str):
    __slots__ = ()


class Number(int):
    pass


def loop() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


def test_values_become_what_msgpack_and_json_share() -> None:
    given = {1: "a", "p": Point((1, 2.5, None)), "s": Side.LEFT, "b": b"\xff"}
    assert validate_output(Output(given)).value == {
        "1": "a",
        "p": {"x": (1, 2.5, None)},
        "s": "left",
        "b": b"\xff",
    }


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (decimal.Context(), "the workload's value is decimal.Context, which isn't a plain type"),
        (
            {"rows": [1, {"mean": np.float32(1)}]},
            "the workload's value['rows'][1]['mean'] is numpy.float32, which isn't a plain type",
        ),
        (Point([2**80]), "the workload's value.x[0] is a whole number of more than 64 bits"),
        (["\udcff"], "the workload's value[0] is text that UTF-8 doesn't have"),
        ([{1: {1: 2, "1": 3}}], "the workload's value[0][1] is a map with keys that are the same as text"),
        (types.MappingProxyType({"a": 1}), "the workload's value is mappingproxy, which isn't a plain type"),
        (Name("a"), f"the workload's value is {__name__}.Name, which isn't a plain type"),
        ([Number(5)], f"the workload's value[0] is {__name__}.Number, which isn't a plain type"),
        ({(1, 2): 3}, "the workload's value is a map with keys that aren't text"),
        (loop(), "the workload's value is nested too deeply, or holds itself"),
        (
            {"all": b"0" * (64 << 20)},
            "the workload's value takes more than 64 MiB; return it as a file instead",
        ),
    ],
)
def test_what_nobody_could_read_is_named_by_its_place(value: Any, says: str) -> None:
    with pytest.raises(WorkloadError) as error:
        validate_output(Output(value))
    assert (error.value.code, error.value.reason) == ("internal", says)


FILE = OutputFile("a", "text/plain", b"1")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (None, "the workload's files are NoneType, not a list of OutputFile"),
        ({"a": FILE}, "the workload's files are dict, not a list of OutputFile"),
        ([b"1"], "the workload's files[0] is bytes, not OutputFile"),
        ([FILE, FILE], "the workload gave two files called 'a', both text/plain"),
        ([OutputFile("", "text/plain", b"")], "the workload's files[0].name is ''; it must be text"),
        ([OutputFile("\udcff", "text/plain", b"")],
         "the workload's files[0].name is text that UTF-8 doesn't have"),
        ([OutputFile("a", None, b"")],
          "the workload's files[0].media_type is None; it must look like image/png"),
        ([FILE, OutputFile("b", "text/plain", "x")], "the workload's files[1].data is str, not bytes"),
    ],
)  # fmt: skip
def test_files_that_are_none_are_named_by_their_place(files: Any, says: str) -> None:
    with pytest.raises(WorkloadError) as error:
        validate_output(Output(1, files))
    assert (error.value.code, error.value.reason) == ("internal", says)


def test_files_are_as_long_as_their_bytes() -> None:
    (file,) = validate_output(
        Output(files=[OutputFile("a", "x/y", memoryview(np.arange(3, dtype=np.int64)))])
    ).files
    assert (type(file.data), len(file.data)) == (bytes, 24)


def test_what_is_no_output_is_refused() -> None:
    with pytest.raises(WorkloadError, match="the workload gave NoneType, not Output"):
        validate_output(None)
    assert msgspec.msgpack.encode(validate_output(Output(files=[FILE])).value) == b"\xc0"
