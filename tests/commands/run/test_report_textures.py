"""What is told of a texture in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from accel.image.operation import Written
from accel.image.operations.analysis import Inspect, inspect
from accel.image.operations.textures import Atlas, AtlasPage, Attempt, Compressed
from accel.texture.kinds import Classification, Evidence
from accel.workload import Input, Limits
from bridge.commands.run.report import (
    CLASSIFIED,
    COMPRESSED,
    FILLED,
    INSPECTED,
    PACKED,
    WRITTEN,
    as_lines,
    format_attempts,
    summarize,
)

DDS = Compressed(
    "bc7", None, "dds", 64, 32, 1, True, 8.0, 2196, 3.7, None, (), "color",
)  # fmt: skip


def plain(value: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = msgspec.to_builtins(value)
    return found


def names(kind: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(kind)}


def test_values_are_known_by_their_fields() -> None:
    assert (
        names(Compressed) == COMPRESSED | {"first_of", "images", "below", "above"}
        and names(Classification) == CLASSIFIED
    )
    assert names(Written) > WRITTEN
    assert names(Atlas) == PACKED | {"first_of"} and names(AtlasPage) > FILLED


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {},
            "DDS, bc7 sRGB, 64 x 32, 2.1 KiB, 8 bits per pixel, "
            "3.7 times smaller than uncompressed, kind color",
        ),
        (
            {"levels": 7, "srgb": False, "psnr": 41.26, "reached": True, "kind": "normal"},
            "DDS, bc7, 64 x 32, 7 levels, 2.1 KiB, 8 bits per pixel, 3.7 times smaller than uncompressed, "
            "41.3 dB, kind normal",
        ),
        (
            {
                "container": "ktx2",
                "format": "astc_6x6",
                "bits_per_pixel": 32 / 9,
                "psnr": 18.0,
                "reached": False,
            },
            "KTX2, astc_6x6 sRGB, 64 x 32, 2.1 KiB, 3.56 bits per pixel, "
            "3.7 times smaller than uncompressed, 18.0 dB, "
            "target not reached, kind color",
        ),
        (
            {"width": 63},
            "DDS, bc7 sRGB, 63 x 32, 2.1 KiB, 8 bits per pixel, 3.7 times smaller than uncompressed, "
            "kind color, "
            "Direct3D needs sides that are multiples of 4",
        ),
        (
            {"container": "ktx2", "height": 31},
            "KTX2, bc7 sRGB, 64 x 31, 2.1 KiB, 8 bits per pixel, 3.7 times smaller than uncompressed, "
            "kind color",
        ),
        ({"ratio": 0.97}, "DDS, bc7 sRGB, 64 x 32, 2.1 KiB, 8 bits per pixel, kind color"),
        (
            {"first_of": 6},
            "DDS, bc7 sRGB, 64 x 32, 2.1 KiB, 8 bits per pixel, 3.7 times smaller than uncompressed, "
            "kind color, "
            "first of 6 images",
        ),
        (
            {"images": 6},
            "DDS, bc7 sRGB, 64 x 32, 2.1 KiB, 8 bits per pixel, 3.7 times smaller than uncompressed, "
            "kind color, 6 images",
        ),
        (
            {"below": -0.25, "above": 70000.0, "reached": True},
            "DDS, bc7 sRGB, 64 x 32, 2.1 KiB, 8 bits per pixel, 3.7 times smaller than uncompressed, "
            "kind color, low values clipped (lowest -0.25), high values clipped (highest "
            "70,000)",
        ),
        (
            {"below": -9999.9, "above": 1234.56},
            "DDS, bc7 sRGB, 64 x 32, 2.1 KiB, 8 bits per pixel, 3.7 times smaller than uncompressed, "
            "kind color, low values clipped (lowest -10,000), high values clipped (highest "
            "1,235)",
        ),
    ],
)
def test_a_compressed_texture_is_told_in_one_line(changes: dict[str, Any], says: str) -> None:
    value = plain(msgspec.structs.replace(DDS, **changes))
    assert summarize(value) == says and list(as_lines("rock.png", value, 40)) == [f"rock.png: {says}"]
    assert list(as_lines("two", [value], 40)) == [f"two: ({says})"]


def test_an_atlas_is_told_by_its_pages_and_not_by_each_sprite() -> None:
    page = {"width": 64, "height": 32, "name": "a", "image": "a.png", "data": "a.json", "fill": 0.987}
    value = {"pages": [page, {**page, "fill": 0.5}], "sprites": [{"name": str(n)} for n in range(1234)]}
    says = "sprites: 1,234; pages: 64 x 32 (99% full), 64 x 32 (50% full)"
    assert summarize(value) == says and list(as_lines("a.png", value, 40)) == [f"a.png: {says}"]
    assert summarize({**value, "pages": [{"of": "a book"}]}) is None, "a plugin's own"
    assert summarize({**value, "first_of": 6}) == f"{says}, first of 6 images"
    told = summarize({**value, "pages": [{**page, "below": -2.0}, page]})
    assert told and told.endswith("(99% full), low values clipped (lowest -2), 64 x 32 (99% full)")


def test_what_was_tried_for_a_target_stands_below_in_columns() -> None:
    tried = (Attempt("bc1", 4.0, 1 << 20, 34.77), Attempt("astc_10x10", 1.28, 900, 40.0))
    value = plain(msgspec.structs.replace(DDS, tried=tried, reached=True, psnr=40.0))
    assert list(format_attempts(value)) == [
        "  bc1            4 bits per pixel    1.0 MiB  34.8 dB",
        "  astc_10x10  1.28 bits per pixel  900 bytes  40.0 dB",
    ]
    assert list(as_lines("a", value, 40))[1:] == list(format_attempts(value))
    assert list(format_attempts(plain(msgspec.structs.replace(DDS, tried=tried[:1])))) == []


@pytest.mark.parametrize(
    ("mode", "color", "says"),
    [
        ("RGB", (9, 9, 9), "3 channels of 8 bit, {size} bytes, rgb, all pixels grey"),
        ("RGB", (9, 8, 7), "3 channels of 8 bit, {size} bytes, rgb"),
        ("L", 9, "1 channel of 8 bit, {size} bytes, grey"),
        ("RGBA", (9, 8, 7, 255), "4 channels of 8 bit, {size} bytes, rgb, alpha constant"),
    ],
)
def test_of_several_files_each_inspected_one_has_a_line(
    tmp_path: Any, mode: str, color: Any, says: str
) -> None:
    path = tmp_path / "a.png"
    Image.new(mode, (8, 4), color).save(path)
    value = plain(inspect([Input("a.png", str(path))], Inspect(), Limits()).value)
    assert value.keys() >= INSPECTED and summarize(value) is None
    line = f"PNG, 8 x 4, {says.format(size=path.stat().st_size)}"
    assert summarize(value, several=True) == line
    assert list(as_lines("a.png", value, 40, several=True)) == [f"a.png: {line}"]
    assert len(list(as_lines("a.png", value, 40))) > 10


def test_a_value_that_lacks_what_a_line_tells_is_told_as_any_other(tmp_path: Any) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (8, 4)).save(path)
    value = plain(inspect([Input("a.png", str(path))], Inspect(), Limits()).value)
    assert summarize(value, several=True) is not None
    for lacking in (*INSPECTED, "size"):
        assert summarize({key: each for key, each in value.items() if key != lacking}, several=True) is None


def test_levels_and_further_images_are_told(tmp_path: Any) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((4, 4, 4), np.uint8)).save(path)
    value = plain(inspect([Input("a.png", str(path))], Inspect(), Limits()).value)
    line = summarize({**value, "format": "dds", "compression": "bc3", "levels": 3, "images": 6}, several=True)
    assert line is not None and line.startswith("DDS bc3, 4 x 4, 4 channels of 8 bit, 3 levels, ")
    assert "first of 6 images" in line


@pytest.mark.parametrize(
    ("advise", "says"), [(True, "normal 70%"), (False, "unsure: normal 70%, albedo 20%")]
)
def test_of_several_files_each_classified_one_has_a_line(advise: bool, says: str) -> None:
    shares = {"albedo": 0.2, "normal": 0.7, "height": 0.1}
    value = plain(Classification("normal", shares, advise, [Evidence("name", "_nrm", "normal")]))
    assert summarize(value, several=True) == says and summarize(value) is None


@pytest.mark.parametrize(
    "value",
    [
        {"pages": 3, "sprites": 5},
        {"pages": [1, 2], "sprites": []},
        {"pages": [{"width": 1, "height": 1, "fill": 0.5}], "sprites": 5},
        {"pages": [{"width": 1, "height": 1, "fill": "red"}], "sprites": []},
    ],
)
def test_what_a_plugin_calls_as_an_atlas_does_is_told_as_any_other(value: dict[str, Any]) -> None:
    assert summarize(value) is None and list(as_lines("a", value, 40))
