import numpy as np
import pytest
import pyvips

from accel.image.open_raster import open_raster
from accel.image.operations.normals import NormalFromHeight, normal_from_height
from accel.workload import Input, Limits, WorkloadError
from tests.accel.image.operation_helpers import operate, random, raster

KERNELS = ["sobel", "scharr", "central"]
SIDE = {"sobel": (1, 2, 1), "scharr": (3, 10, 3), "central": (0, 1, 0)}


def normal(pixels, **params):
    image = pixels if hasattr(pixels, "pixels") else raster(pixels)
    return operate(normal_from_height, NormalFromHeight(**params), image).images["normal"]


def vectors(pixels):
    return pixels / np.iinfo(pixels.dtype).max * 2 - 1


def slow(heights, strength, kernel, edge, green):
    """The same by the definition, texel by texel in double precision."""
    height, width = heights.shape
    weights = SIDE[kernel]

    def at(y, x):
        if edge == "wrap":
            return heights[y % height, x % width]
        return heights[min(max(y, 0), height - 1), min(max(x, 0), width - 1)]

    made = np.empty((height, width, 3))
    for y in range(height):
        for x in range(width):
            around = list(zip((-1, 0, 1), weights, strict=True))
            right = sum(w * (at(y + d, x + 1) - at(y + d, x - 1)) for d, w in around) / (2 * sum(weights))
            down = sum(w * (at(y + 1, x + d) - at(y - 1, x + d)) for d, w in around) / (2 * sum(weights))
            made[y, x] = -right * strength, green * down * strength, 1
    return made / np.linalg.norm(made, axis=2, keepdims=True)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_plane_has_the_normal_of_its_slope(kernel):
    # A sixteen-texel rise over full scale; the plane climbs 1/64 of it a texel to the right, 1/128 downwards.
    y, x = np.mgrid[:20, :40].astype(np.float32)
    plane = (x / 64 + y / 128)[..., None]
    made = normal(plane, strength=16, kernel=kernel).pixels[1:-1, 1:-1]
    expected = np.array([-0.25, 0.125, 1]) / np.sqrt(1 + 0.25**2 + 0.125**2)
    assert (made == np.floor((expected + 1) / 2 * 65535 + 0.5)).all()


def test_a_slope_of_one_texel_each_texel_leans_by_45_degrees():
    ramp = np.repeat(np.arange(0, 250, 2, dtype=np.uint8)[None, :, None], 9, axis=0)
    made = normal(ramp, strength=255 / 2).pixels[4, 60]
    assert made.tolist() == [round((1 - 0.5**0.5) * 127.5), 128, round((1 + 0.5**0.5) * 127.5)]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("edge", ["clamp", "wrap"])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 3), (66, 5)])
def test_every_texel_matches_the_definition(kernel, edge, kind, shape):
    pixels = random(*shape, 1, kind=kind)
    full = 1 if kind == "float32" else np.iinfo(kind).max
    made = normal(pixels, kernel=kernel, edge=edge, strength=3, bits="16").pixels
    expected = slow(pixels[..., 0] / full, 3, kernel, edge, 1)
    assert np.abs(vectors(made) - expected).max() <= 1.1 / 65535 * 1.5


def test_directx_is_opengl_with_green_turned():
    pixels = random(30, 31, 1)
    one, other = (vectors(normal(pixels, convention=c, bits="16").pixels) for c in ("opengl", "directx"))
    assert np.abs(one * [1, -1, 1] - other).max() <= 2.01 / 65535


def test_where_it_rises_downwards_green_points_up_in_opengl():
    # Lower in the image is higher: the surface looks up the page.
    rising = np.repeat(np.arange(0, 200, 10, dtype=np.uint8)[:, None, None], 5, axis=1)
    assert normal(rising).pixels[10, 2, 1] > 128 > normal(rising, convention="directx").pixels[10, 2, 1]


def test_dark_is_high_when_inverted():
    pixels = random(20, 20, 1)
    inverted = normal(pixels, invert=True).pixels
    assert np.abs(inverted.astype(int) - normal(255 - pixels).pixels).max() <= 1


def test_a_flat_map_is_128_128_255():
    made = normal(np.full((5, 5, 1), 77, np.uint8))
    assert (made.pixels == [128, 128, 255]).all() and made.pixels.dtype == np.uint8
    assert made.transfer == "linear" and made.data and not made.has_alpha


@pytest.mark.parametrize(("kind", "expected"), [("uint8", 8), ("uint16", 16), ("float32", 16)])
def test_deep_heights_give_16_bit_unless_another_depth_is_asked_for(kind, expected):
    pixels = random(4, 4, 1, kind=kind)
    assert normal(pixels).bit_depth == expected
    assert normal(pixels, bits="8").bit_depth == 8 and normal(pixels, bits="16").bit_depth == 16


def test_heights_come_from_the_channel_that_is_named():
    pixels = random(16, 16, 4)
    for index, channel in enumerate("rgba"):
        single = normal(pixels[..., index, None])
        assert (normal(pixels, channel=channel).pixels == single.pixels).all()
    grey = random(16, 16, 2)
    assert (normal(grey, channel="g").pixels == normal(grey[..., :1]).pixels).all()
    assert (normal(grey, channel="a").pixels == normal(grey[..., 1:]).pixels).all()


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_grey_stored_in_colours_is_the_same_height_map(kind):
    grey = random(16, 16, 1, kind=kind)
    assert np.abs(normal(grey).pixels.astype(int) - normal(np.repeat(grey, 3, axis=2)).pixels).max() <= 1


def test_a_missing_alpha_is_named():
    with pytest.raises(WorkloadError, match="has no alpha channel") as caught:
        normal(random(4, 4, 3), channel="a")
    assert (caught.value.code, caught.value.name) == ("bad_params", "a.png")


@pytest.mark.parametrize("format", ["jpeg", "webp", "avif", "hdr"])
def test_a_lossy_height_map_gives_a_png(format):
    assert normal(raster(random(4, 4, 1), format=format)).format == "png"


def test_a_tiling_height_map_has_no_seam_when_wrapped():
    wave = (127 + 120 * np.sin(np.arange(32) / 32 * 2 * np.pi))[None, :, None].repeat(8, 0).astype(np.uint8)
    once, twice = normal(wave, edge="wrap").pixels, normal(np.tile(wave, (1, 2, 1)), edge="wrap").pixels
    assert (np.tile(once, (1, 2, 1)) == twice).all()


def test_a_file_becomes_a_file(save, tmp_path):
    source = save("h.png", random(33, 17, 1, kind="uint16"), "grey16")
    done = normal_from_height([source], NormalFromHeight(), Limits())
    assert (done.value.format, done.value.bit_depth, done.value.channels) == ("png", 16, 3)
    path = tmp_path / "n.png"
    path.write_bytes(done.files[0].data)
    assert pyvips.Image.new_from_file(str(path)).interpretation == "rgb16"
    read = open_raster(Input("n.png", str(path)), Limits()).pixels
    assert (read == normal(open_raster(source, Limits())).pixels).all()
