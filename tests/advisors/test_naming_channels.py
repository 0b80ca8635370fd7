"""Orders of packed channels: by name, by pixels, and where the two disagree."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import pyvips

from accel.image.operations.analysis import Inspect, inspect
from accel.image.records import Channel
from accel.workload import Input, Limits
from bridge.advisors.naming import MAX_SRGB_CHANGE, channel_order, order_by_pixels, srgb_change, srgb_matters
from tests.advisors import pictures
from tests.advisors.examinations import inspected
from tests.advisors.pictures import Pixels

MEANING = {"o": "occlusion", "r": "roughness", "m": "metallic"}
ORDERS = ("orm", "omr", "rmo", "rom", "mro", "mor")


def meant(order: str) -> dict[str, str]:
    return {name: MEANING[letter] for name, letter in zip("rgb", order, strict=True)}


@pytest.mark.parametrize("order", ORDERS)
def test_pixels_that_differ_clearly_tell_the_order_without_a_name(tmp_path: Path, order: str) -> None:
    image = inspected(tmp_path, "crate.png", pictures.packed(order))
    assert order_by_pixels(image) == meant(order)
    assert channel_order(image, "crate.png") == meant(order)


@pytest.mark.parametrize(
    ("file", "order"), [("a_orm.png", "orm"), ("a_rma.png", "rmo"), ("a_mra.png", "mro")]
)
def test_the_name_tells_it_and_the_pixels_agree(tmp_path: Path, file: str, order: str) -> None:
    image = inspected(tmp_path, file, pictures.packed(order))
    assert channel_order(image, file) == meant(order)


@pytest.mark.parametrize("order", [order for order in ORDERS if order != "orm"])
def test_a_name_that_the_pixels_contradict_is_believed_as_little_as_they(tmp_path: Path, order: str) -> None:
    image = inspected(tmp_path, "a_orm.png", pictures.packed(order))
    assert channel_order(image, "a_orm.png") is None


def _with(order: str, channel: int, value: int) -> Pixels:
    pixels = pictures.packed(order).copy()
    pixels[..., channel] = value
    return pixels


@pytest.mark.parametrize(
    "pixels",
    [
        _with("orm", 2, 0),
        _with("orm", 0, 255),
        pictures.noise(3),
        np.repeat(pictures.grey(), 3, axis=2),
        pictures.grey(),
        pictures.flat((0, 0, 0)),
        pictures.normal_map(),
        pictures.gradient((200, 120, 80), (40, 90, 60), noise=30),
    ],
)
def test_pixels_that_dont_differ_clearly_tell_nothing_by_themselves(tmp_path: Path, pixels: Pixels) -> None:
    assert order_by_pixels(inspected(tmp_path, "crate.png", pixels)) is None


@pytest.mark.parametrize("channel", [1, 2])
def test_a_thing_without_metal_or_of_one_roughness_is_what_its_name_says(
    tmp_path: Path, channel: int
) -> None:
    image = inspected(tmp_path, "a_orm.png", _with("orm", channel, 0))
    assert channel_order(image, "a_orm.png") == meant("orm")


def test_channels_that_the_file_doesnt_have_mean_nothing(tmp_path: Path) -> None:
    image = inspected(tmp_path, "a_MaskMap.png", pictures.noise(3))
    assert channel_order(image, "a_MaskMap.png") == {"r": "metallic", "g": "occlusion", "b": "mask"}


BLACK = pictures.flat((0, 0, 0))


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (pictures.mask(), False),
        (np.repeat(pictures.mask(), 3, axis=2), False),
        (np.dstack([BLACK, pictures.grey()]), False),
        (pictures.flat((0, 255, 255)), False),
        (np.dstack([pictures.mask(), BLACK[..., :1], pictures.grey()]), True),
        (pictures.grey(), True),
        (pictures.flat((250,)), True),
        (pictures.flat((5, 0, 0)), True),
    ],
)
def test_only_values_between_0_and_1_mean_another_thing_as_srgb(
    tmp_path: Path, pixels: Pixels, expected: bool
) -> None:
    assert srgb_matters(inspected(tmp_path, "a.png", pixels)) == expected


def test_only_the_channels_that_are_asked_about_count(tmp_path: Path) -> None:
    image = inspected(tmp_path, "a.png", np.dstack([pictures.mask(), BLACK[..., :1], pictures.grey()]))
    assert not srgb_matters(image, "rg")
    assert srgb_matters(image, "rb")


@pytest.mark.parametrize("quality", [75, 90])
def test_the_noise_of_a_jpeg_is_no_value_between_0_and_1(tmp_path: Path, quality: int) -> None:
    path = pictures.save(tmp_path / "a.png", pictures.mask(256))
    pyvips.Image.new_from_file(str(path)).jpegsave(str(tmp_path / "a.jpg"), Q=quality)
    image = inspect([Input("a.jpg", str(tmp_path / "a.jpg"))], Inspect(), Limits()).value
    assert srgb_change(image.statistics[0]) > 0, "there is noise"
    assert not srgb_matters(image)


@pytest.mark.parametrize(
    ("size", "portion", "expected"), [(128, 0.05, True), (512, 0.05, True), (512, 0.01, False)]
)
def test_a_mask_with_some_values_between_0_and_1_is_one_of_numbers(
    tmp_path: Path, size: int, portion: float, expected: bool
) -> None:
    """The rest is 0: a sparse mask with soft edges."""
    texels, count = np.zeros(size * size), round(portion * size * size)
    texels[:count] = np.random.default_rng(1).random(count)
    pixels = np.round(texels * 255).astype(np.uint8).reshape(size, size, 1)
    assert srgb_matters(inspected(tmp_path, "a.png", pixels)) == expected


def test_occlusion_of_a_few_corners_is_of_numbers(tmp_path: Path) -> None:
    pixels = np.full((256, 256, 1), 255, np.uint8)
    pixels[:30, :77] = 128
    assert srgb_matters(inspected(tmp_path, "a.png", pixels))


def test_smooth_edges_are_no_values_between_0_and_1(tmp_path: Path) -> None:
    mask = pictures.mask(1024).reshape(512, 2, 512, 2).mean((1, 3))[..., None]
    image = inspected(tmp_path, "a.png", np.round(mask).astype(np.uint8))
    assert 0.001 < srgb_change(image.statistics[0]) < MAX_SRGB_CHANGE and not srgb_matters(image)


@pytest.mark.parametrize(("form", "compression"), [("jpeg", ""), ("webp", ""), ("dds", "bc1")])
def test_where_a_format_brings_noise_more_is_let_be(tmp_path: Path, form: str, compression: str) -> None:
    image = inspected(tmp_path, "a.png", pictures.flat((253,)))
    assert srgb_matters(image)
    assert not srgb_matters(msgspec.structs.replace(image, format=form, compression=compression))


def test_the_bend_is_within_a_third_what_decoding_takes_away() -> None:
    for value in range(1, 255):
        stored = value / 255
        decoded = stored / 12.92 if stored <= 0.04045 else ((stored + 0.055) / 1.055) ** 2.4
        told = srgb_change(Channel("l", stored, stored, stored, 0.0))
        assert 3 / 4 <= told / (stored - decoded) <= 4 / 3


def test_floats_beyond_1_are_certainly_no_mask(tmp_path: Path) -> None:
    image = inspected(tmp_path, "a.png", pictures.grey())
    bright = msgspec.structs.replace(image, statistics=[Channel("l", 0.0, 8.0, 1.0, 1.0)])
    assert srgb_matters(bright)
