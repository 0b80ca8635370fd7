import tracemalloc

import numpy as np
import pytest

from accel.ai.preprocessing import resize_planes, tensors_on_backgrounds, to_tensor
from tests.accel.ai.conftest import raster


@pytest.mark.parametrize("width", [8, 24, 63, 64, 65, 128, 160])
def test_what_is_resized_stays_in_its_place(width):
    ramp = np.linspace(0.1, 0.9, 64, dtype=np.float32)[None, :, None].repeat(5, 0)
    made = resize_planes(ramp, width, 7)
    wanted = 0.1 + 0.8 / 63 * ((np.arange(width) + 0.5) * 64 / width - 0.5)
    inside = slice(width // 8, -width // 8)
    assert made.shape == (7, width, 1)
    assert made[3, inside, 0] == pytest.approx(wanted[inside], abs=0.001)
    turned = resize_planes(np.ascontiguousarray(ramp.swapaxes(0, 1)), 7, width)
    assert turned == pytest.approx(made.swapaxes(0, 1), abs=1e-5)


def test_a_cubic_is_enlarged_exactly_away_from_the_border():
    at = np.arange(32)
    parabola = (((at - 15.5) / 32) ** 2).astype(np.float32)[None, :, None]
    made = resize_planes(parabola, 96, 1)[0, 6:-6, 0]
    wanted = (((np.arange(96) + 0.5) / 3 - 0.5 - 15.5) / 32) ** 2
    assert made == pytest.approx(wanted[6:-6], abs=1e-6)


def test_nothing_goes_beyond_0_to_1():
    edge = np.repeat(np.float32([0, 1]), 8)[None, :, None]
    made = resize_planes(edge, 64, 4)
    assert made.min() == 0 and made.max() == 1


def test_an_image_is_shown_on_white_and_in_three_colours():
    grey = raster(np.uint8([[[0, 255], [0, 0], [128, 255]]]), transfer="linear")
    assert to_tensor(grey)[0, :, 0].tolist() == pytest.approx([0, 1, 128 / 255])
    assert to_tensor(grey).shape == (1, 3, 3)


def test_what_is_light_is_shown_on_black():
    icon = raster(np.uint8([[[250, 255], [250, 0], [10, 0], [10, 1]]]), transfer="linear")
    assert to_tensor(icon)[0, :3, 0].tolist() == pytest.approx([250 / 255, 0, 0])


@pytest.mark.parametrize(("dark", "ground"), [(0, 0), (3, 1), (50, 1)])
def test_what_is_dark_stays_visible_beside_something_large_and_light(dark, ground):
    pixels = np.full((1, 101, 2), 255, np.uint8)
    pixels[0, :dark, 0] = 40
    pixels[0, -1, 1] = 0
    assert to_tensor(raster(np.tile(pixels, (2, 1, 1)), transfer="linear"))[0, -1, 0] == ground


@pytest.mark.parametrize(
    ("lost", "clear", "alpha", "grounds"),
    [
        (0, 64, 0, [1]), (63, 64, 0, [1]), (64, 64, 0, [1, 0]), (500, 64, 255, [0]), (500, 63, 0, [1]),
        (500, 64, 120, [1, 0]), (500, 400, 200, [1]),
    ],
)  # fmt: skip
def test_what_the_first_page_would_hide_is_shown_on_the_other_too(lost, clear, alpha, grounds):
    pixels = np.zeros((1, 1000, 2), np.uint8)
    pixels[..., 1] = 255
    pixels[0, -clear:, 1] = alpha
    pixels[0, :lost, 0] = 250
    seen = list(tensors_on_backgrounds(raster(pixels, transfer="linear")))
    share = alpha / 255
    assert [page[0, -1, 0] for page in seen] == pytest.approx([ground * (1 - share) for ground in grounds])
    assert np.array_equal(seen[0], to_tensor(raster(pixels, transfer="linear")))


def test_only_one_tensor_is_in_memory_at_a_time():
    pixels = np.zeros((1000, 1000, 4), np.uint8)
    pixels[:500, :, 3] = 255
    pixels[:250, :, :3] = 255
    image = raster(pixels)
    tracemalloc.start()
    try:
        held = [tracemalloc.get_traced_memory()[0] / page.nbytes for page in tensors_on_backgrounds(image)]
    finally:
        tracemalloc.stop()
    assert len(held) == 2 and max(held) < 1.5


def test_light_is_shown_by_srgbs_curve_and_data_as_it_is():
    pixels = np.full((1, 1, 3), 0.2140, np.float32)
    assert to_tensor(raster(pixels, transfer="linear")).max() == pytest.approx(0.5, abs=1e-3)
    data = type(raster(pixels))("a", pixels, False, "linear", "exr", data=True)
    assert to_tensor(data).max() == pytest.approx(0.2140)
