import numpy as np
import pytest

from accel.image import pixel_coding
from accel.image.operations.geometry import bleed_alpha
from tests.accel.image.operation_helpers import KINDS, made, noise, raster


def sprite(height, width, kind="uint8"):
    """A red disk and a blue one in a transparent black."""
    pixels = np.zeros((height, width, 4), kind)
    y, x = np.mgrid[:height, :width]
    for place, color in ((0.25, (1, 0, 0, 1)), (0.75, (0, 0, 1, 1))):
        disk = np.hypot(x - width * place, y - height / 2) < min(height, width) / 6
        pixels[disk] = (np.array(color) * KINDS[kind]).astype(kind)
    return pixels


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("size", [(64, 96), (45, 61), (7, 129)])
def test_every_transparent_texel_gets_the_colour_of_visible_ones_nearby(kind, size):
    pixels = sprite(*size, kind)
    got = made(bleed_alpha, raster(pixels)).pixels
    assert (got[..., 3] == pixels[..., 3]).all() and got.dtype == pixels.dtype
    seen = pixels[..., 3] > 0
    assert (got[seen] == pixels[seen]).all()
    # Nothing stays black, and each side has the colour of its own disk.
    assert got[..., [0, 2]].max(axis=2).min() > 0.5 * KINDS[kind]
    assert (got[:, 0, 0] > got[:, 0, 2]).all() and (got[:, -1, 2] > got[:, -1, 0]).all()


def test_texels_next_to_visible_ones_get_exactly_their_colour():
    pixels = sprite(64, 96)
    got = made(bleed_alpha, raster(pixels)).pixels
    y, x = np.argwhere(pixels[..., 0] > 0)[0]
    assert got[y - 1, x].tolist() == [255, 0, 0, 0] and got[y - 1, x - 1].tolist() == [255, 0, 0, 0]


def test_neighbours_count_by_their_alpha_and_as_light():
    pixels = np.zeros((3, 9, 4), np.uint8)
    pixels[1, 0], pixels[1, 2] = (255, 0, 0, 255), (0, 255, 0, 85)
    got = made(bleed_alpha, raster(pixels)).pixels[1, 1]
    # Three quarters and one quarter of the light.
    assert got.tolist() == [225, 137, 0, 0]


def test_across_the_edges_only_if_it_tiles():
    pixels = np.zeros((8, 16, 4), np.uint8)
    pixels[:, 0] = 255, 0, 0, 255
    pixels[:, 8] = 0, 0, 255, 255
    assert made(bleed_alpha, raster(pixels)).pixels[4, 15, 2] > 200
    assert made(bleed_alpha, raster(pixels), edge="wrap").pixels[4, 15].tolist() == [255, 0, 0, 0]


def test_a_threshold_replaces_nearly_transparent_colours():
    pixels = sprite(32, 48)
    pixels[0, 0] = 0, 255, 0, 20
    assert made(bleed_alpha, raster(pixels)).pixels[0, 0].tolist() == [0, 255, 0, 20]
    got = made(bleed_alpha, raster(pixels), threshold=0.1).pixels[0, 0]
    assert got[1] == 0 and got[0] > 100 and got[3] == 20


@pytest.mark.parametrize("alpha", [0, 255])
def test_where_nothing_or_all_is_transparent_nothing_changes(alpha):
    pixels = noise(8, 8, 4)
    pixels[..., 3] = alpha
    image = raster(pixels)
    assert made(bleed_alpha, image).pixels is image.pixels
    assert made(bleed_alpha, raster(noise(8, 8, 3))).channels == 3


def test_grey_and_single_lines_are_filled_too():
    pixels = np.zeros((1, 50, 2), np.uint8)
    pixels[0, 10] = 90, 255
    assert (made(bleed_alpha, raster(pixels)).pixels[..., 0] == 90).all()


def test_levels_are_filled_as_well_and_rows_without_a_hole_are_left(monkeypatch):
    # Strips of 30 rows.
    monkeypatch.setattr(pixel_coding, "STRIP", 30 * 8 * 4)
    pixels = sprite(300, 8)
    pixels[100:, :, 3] = 255
    image = raster(pixels).with_pixels(pixels, mips=(sprite(150, 4),))
    got = made(bleed_alpha, image)
    assert got.mips[0][..., :3].max(axis=2).min() > 0 and (got.pixels[100:] == pixels[100:]).all()
