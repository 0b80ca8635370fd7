"""Values as people read them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from accel.image.operation import Written
from bridge.commands.run.report import WRITTEN, as_lines

IMAGE = {
    "name": "converted", "format": "tga", "width": 512, "height": 256, "channels": 4, "bit_depth": 8,
    "levels": 1, "size": 524_332,
}  # fmt: skip


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "x"),
        (True, "x: yes"),
        (3, "x: 3"),
        (0.123456, "x: 0.1235"),
        ("words", "x: words"),
        ("", 'x: ""'),
        (b"abc", "x: 3 bytes"),
        ([1, None, "a"], "x: 1 none a"),
        ([[1, 2], {"a": 1}], "x: (1 2) (a 1)"),
        ([], "x: none"),
        ({}, "x: nothing"),
        (list(range(14)), "x: 0 1 2 3 4 5 6 7 8 9 10 11 and 2 more"),
        ({"width": 3, "height": 2}, "x: 3 x 2"),
        ({1: 2, 3: {4: 5}}, "x: 1 2, 3 (4 5)"),
        ({"bit_depth": 8, "alpha": {"used": False}}, "x: bit depth 8, alpha (used no)"),
        (IMAGE, "x: TGA, 512 x 256, 4 channels of 8 bit, 512.0 KiB"),
        (
            {**IMAGE, "channels": 1, "levels": 9, "size": 2},
            "x: TGA, 512 x 256, 1 channel of 8 bit, 9 levels, 2 bytes",
        ),
        (
            {**IMAGE, "size": 3 << 30, "psnr": 41.25},
            "x: TGA, 512 x 256, 4 channels of 8 bit, 3.0 GiB, psnr 41.25",
        ),
        (
            {**IMAGE, "size": 2, "reached": None, "tried": [], "psnr": 0},
            "x: TGA, 512 x 256, 4 channels of 8 bit, 2 bytes, psnr 0",
        ),
        (
            {**IMAGE, "size": 2, "kind": "data", "first_of": 6},
            "x: TGA, 512 x 256, 4 channels of 8 bit, 2 bytes, kind data, first of 6 images",
        ),
        (
            {**IMAGE, "size": 2, "images": 12},
            "x: TGA, 512 x 256, 4 channels of 8 bit, 2 bytes, 12 images",
        ),
        (
            {**IMAGE, "size": 2, "below": -0.5},
            "x: TGA, 512 x 256, 4 channels of 8 bit, 2 bytes, low values clipped (lowest -0.5)",
        ),
        ({"width": 3, "height": 2, "alias": "", "turned": False}, "x: 3 x 2, turned no"),
        ({"groups": []}, "x: groups none"),
        ([{**IMAGE, "size": 2 << 20}], "x: (TGA, 512 x 256, 4 channels of 8 bit, 2.0 MiB)"),
    ],
)  # fmt: skip
def test_what_is_short_stands_on_one_line(value: Any, says: str) -> None:
    assert list(as_lines("x", value, 80)) == [says]


def test_of_a_text_that_fills_screens_the_beginning_and_the_length_are_told() -> None:
    page, book = "a" * 10_000, "b" * 50_000_000
    assert list(as_lines("x", page, 80)) == [f"x: {page}"]
    told = f"{'b' * 10_000}... (50,000,000 characters; --json shows all)"
    assert list(as_lines("x", book, 80)) == [f"x: {told}"]
    assert list(as_lines("x", {"text": book, "pages": [book]}, 80)) == [
        "x:", f"  text: {told}", f"  pages: {told}",
    ]  # fmt: skip


def test_what_is_long_has_a_line_for_each_fact() -> None:
    value = {
        "width": 3,
        "inner": {"long_words": "a" * 40, "more": "b" * 40},
        "rows": [{"a": 1}, {"a": 2}],
        "alias": "",
        "written": {**IMAGE, "extra": "c" * 80},
    }
    assert list(as_lines("x", value, 80)) == [
        "x:",
        "  width: 3",
        "  inner:",
        f"    long words: {'a' * 40}",
        f"    more: {'b' * 40}",
        "  rows:",
        "    a 1",
        "    a 2",
        f"  written: TGA, 512 x 256, 4 channels of 8 bit, 512.0 KiB, extra {'c' * 80}",
    ]


def test_of_a_list_that_fills_screens_the_beginning_and_the_rest_of_it_are_told() -> None:
    rows = [{"file": f"{number}.png", "same": "x" * 40} for number in range(3_000)]
    told = list(as_lines("x", {"groups": rows}, 80))
    assert told[:3] == ["x:", "  groups:", f"    file 0.png, same {'x' * 40}"]
    assert len(told) == 2 + 100 + 1 and told[-1] == "    ... and 2,900 more; --json shows all"
    assert list(as_lines("x", {"groups": rows[:100]}, 80))[-1].startswith("    file 99.png")


def test_an_image_that_was_written_is_known_by_its_fields() -> None:
    fields = msgspec.structs.fields(Written)
    assert {field.encode_name for field in fields if field.required} == WRITTEN
    meant = Written("a", "png", 4, 4, 3, 8, 1, 90, "normal")
    (line,) = as_lines("a.png", msgspec.to_builtins(meant), 200)
    assert line.endswith("kind normal")
