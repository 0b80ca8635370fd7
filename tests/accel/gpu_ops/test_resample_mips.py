import numpy as np
import pytest

from accel.gpu_ops.graph import Runner
from accel.gpu_ops.resample import PixelCoding, mip_feed, mips_graph, steps
from accel.image.mip_levels import level_sizes, pixel_levels
from accel.image.pixel_coding import coding_of
from tests.accel.gpu_ops.comparison import check_agree
from tests.accel.image.operation_helpers import noise, raster

RUNNER = Runner()


def both(image, filter="box", edge="clamp", kind="color"):
    """The levels by the graph, and by the CPU's form."""
    how = coding_of(image, kind, True, True)
    coded, size = PixelCoding.of(how), (image.width, image.height)
    wanted = level_sizes(*size)
    feed = dict(mip_feed(coded, size, wanted, filter, edge), pixels=image.pixels[None])
    if coded.bounded:
        feed["range"] = np.array(how.range, np.float32)
    found = RUNNER.run(mips_graph(coded, steps(size, wanted, filter, edge)), feed)
    made = [found[f"level{level}"].fetch()[0] for level in range(1, len(wanted) + 1)]
    return made, pixel_levels(image.pixels, how, wanted, filter, edge)


@pytest.mark.parametrize("size", [(64, 32), (48, 20), (37, 21), (1, 13), (2, 2)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_levels_are_those_of_the_cpu_within_a_step(size, channels):
    image = raster(noise(size[1], size[0], channels))
    for found, wanted in zip(*both(image), strict=True):
        check_agree(found, wanted)


@pytest.mark.parametrize("filter", ["kaiser", "lanczos"])
def test_sharper_filters_agree_too(filter):
    pixels = noise(40, 64, 4)
    pixels[..., 3] |= 64
    for found, wanted in zip(*both(raster(pixels), filter, "wrap"), strict=True):
        check_agree(found, wanted)


@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_deep_textures_keep_their_depth(kind):
    for found, wanted in zip(*both(raster(noise(32, 48, 4, kind))), strict=True):
        check_agree(found, wanted, codes=3 / 257)


def test_levels_of_normals_are_normals():
    for found, wanted in zip(*both(raster(noise(32, 32, 3), "linear"), kind="normal"), strict=True):
        check_agree(found, wanted)


def test_transparent_texels_give_no_fringe():
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, ::2] = (255, 0, 0, 255)
    pixels[:, 1::2] = (0, 255, 0, 0)
    found, _ = both(raster(pixels))
    assert found[0][0, 0].tolist() == [255, 0, 0, 128]


def test_black_and_white_average_to_the_grey_that_gives_half_the_light():
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:, ::2] = 255
    found, _ = both(raster(pixels))
    assert found[0][0, 0].tolist() == [188, 188, 188]


def test_colours_beside_cut_outs_are_sound_where_sharp_filters_leave_no_alpha():
    pixels = noise(64, 64, 4)
    pixels[..., 3] = np.where(noise(64, 64, 1, seed=2)[..., 0] < 40, 255, 0)
    found, wanted = both(raster(pixels), "lanczos")
    off = np.abs(found[0].astype(int) - wanted[0]).max(axis=2)
    # Where the sum of alpha is nothing but rounding, either form may take it for something.
    assert (off <= 1).mean() > 0.99
