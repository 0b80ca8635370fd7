import msgspec
import numpy as np
import pytest

from accel.image.operations.geometry import MakeTileable, Tileable, make_tileable
from accel.image.statistics import seams
from accel.image.tiling import cheapest_loop
from accel.workload import Limits, WorkloadError
from tests.accel.image.operation_helpers import KINDS, done, made, raster
from tests.accel.image.test_normal_maps import heights, normal_map


def ground(height=200, width=256, channels=3, kind="uint8", seed=1):
    """A part of a surface with grains of a dozen texels, whose edges don't meet, of some colour."""
    wave = np.hypot(*np.meshgrid(np.fft.fftfreq(512), np.fft.fftfreq(512)))
    spectrum = np.fft.fft2(np.random.default_rng(seed).normal(size=(512, 512)))
    rough = np.fft.ifft2(spectrum * np.exp(-((wave * 16) ** 2))).real[:height, :width]
    rough = (rough - rough.mean()) / rough.std()
    base = [0.5, 0.42, 0.3, 0.6][:channels]
    made = np.clip(np.array(base) + 0.12 * rough[..., None] * [1, 0.9, 0.8, 0.1][:channels], 0, 1)
    return (made * KINDS[kind]).astype(kind)


@pytest.mark.parametrize("size", ["same", "cropped"])
@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_seam_goes_and_the_look_stays(size, kind, seed):
    pixels = ground(kind=kind, seed=seed)
    result = done(make_tileable, raster(pixels), size=size)
    (image,) = result.images.values()
    value = result.value
    assert value.before == seams(pixels) and value.after == seams(image.pixels)
    assert min(value.before.horizontal, value.before.vertical) > 0.5
    assert max(value.after.horizontal, value.after.vertical) < 0.06
    assert image.pixels.dtype == pixels.dtype
    wanted = (256, 200) if size == "same" else (256 - 51, 160)
    assert (image.width, image.height) == (value.width, value.height) == wanted
    top = KINDS[kind]
    assert image.pixels.mean((0, 1)) / top == pytest.approx(pixels.mean((0, 1)) / top, abs=0.02)
    assert image.pixels.std((0, 1)) == pytest.approx(pixels.std((0, 1)), rel=0.08)


def test_no_step_arises_inside_either():
    pixels = ground(kind="float32", channels=1)
    tiled = made(make_tileable, raster(pixels)).pixels[..., 0]
    for axis in (0, 1):
        before = np.abs(np.diff(pixels[..., 0], axis=axis)).mean(axis=1 - axis)
        after = np.abs(np.diff(np.concatenate([tiled, tiled], axis), axis=axis)).mean(axis=1 - axis)
        assert after.max() < 1.5 * before.max()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_of_all_channels_and_odd_sizes_tile(channels):
    pixels = ground(131, 77, channels)
    result = done(make_tileable, raster(pixels))
    assert result.images["tileable"].pixels.shape == pixels.shape
    assert max(result.value.after.horizontal, result.value.after.vertical) < 0.1


@pytest.mark.parametrize(("direction", "kept"), [("horizontal", "vertical"), ("vertical", "horizontal")])
def test_one_direction_leaves_the_other_as_it_is(direction, kept):
    value = done(make_tileable, raster(ground()), direction=direction).value
    assert getattr(value.after, direction) < 0.06
    assert getattr(value.after, kept) == pytest.approx(getattr(value.before, kept), abs=0.1)


def test_an_opaque_image_stays_opaque():
    pixels = ground(channels=4)
    pixels[..., 3] = 255
    assert (made(make_tileable, raster(pixels), flatten=0.5).pixels[..., 3] == 255).all()


def test_flatten_removes_uneven_light():
    lamp = np.linspace(0.5, 1.3, 256)[None, :, None]
    pixels = (ground().astype(float) * lamp).clip(0, 255).astype(np.uint8)
    columns = [made(make_tileable, raster(pixels), flatten=share).pixels.mean((0, 2)) for share in (0, 1)]
    uneven, even = (np.ptp(each.reshape(8, 32).mean(axis=1)) for each in columns)
    assert even < 0.35 * uneven
    data = made(make_tileable, raster(pixels), flatten=1, kind="data").pixels.mean((0, 2))
    assert np.ptp(data.reshape(8, 32).mean(axis=1)) < 0.35 * uneven


def spotted(low, high):
    """Floats of a dark ground, as light on one side, with a light spot."""
    pixels = np.full((64, 64, 3), low, np.float32)
    pixels[40:44, 10:14], pixels[:, :8] = high, 0.9 * high
    return pixels


def test_a_joint_of_floats_keeps_the_range_of_both_parts():
    joined = made(make_tileable, raster(spotted(0.05, 1))).pixels
    assert joined.min() >= np.float32(0.05) and joined.max() <= 1


def test_light_clipped_after_flattening_is_reported():
    bright = made(make_tileable, raster(spotted(0.05, 1)), flatten=1).pixels.max()
    value = done(make_tileable, raster(spotted(0.05, 1)), flatten=1, format="png").value
    assert bright > 1.1 and value.above == pytest.approx(bright)


@pytest.mark.parametrize("said", [{}, {"kind": "normal"}])
def test_normals_stay_unit_vectors(said):
    bumps = normal_map(heights(256, 20), "opengl")[:200, :180]
    got = made(make_tileable, raster(bumps), **said)
    assert done(make_tileable, raster(bumps), **said).value.kind == "normal"
    assert np.linalg.norm(got.pixels / 127.5 - 1, axis=2) == pytest.approx(1, abs=0.0095)
    assert got.data


@pytest.mark.parametrize("size", [(15, 64), (64, 1)])
def test_a_side_without_room_for_a_joint_is_refused(size):
    with pytest.raises(WorkloadError, match=f"is {size[1]} x {size[0]}; .* needs 16 pixels") as caught:
        made(make_tileable, raster(np.zeros((*size, 3), np.uint8)))
    assert caught.value.code == "bad_input"
    along = "horizontal" if size[0] < 16 else "vertical"
    assert made(make_tileable, raster(np.zeros((*size, 3), np.uint8)), direction=along).height == size[0]


def test_one_colour_stays_that_colour():
    pixels = np.full((40, 40, 3), (10, 100, 250), np.uint8)
    assert (made(make_tileable, raster(pixels)).pixels == pixels).all()


def test_a_path_takes_the_valley_and_closes():
    rows = np.arange(100)
    valley = np.round(20 + 8 * np.sin(rows / 100 * 2 * np.pi)).astype(int)
    costs = np.random.default_rng(1).uniform(5, 9, (100, 40)).astype(np.float32)
    costs[rows, valley] = 1
    path = cheapest_loop(costs)
    assert (path == valley).mean() > 0.97
    assert np.abs(np.diff(path, append=path[0])).max() <= 1


def test_a_path_closes_even_where_the_cheapest_one_wouldnt():
    costs = np.full((50, 60), 9, np.float32)
    costs[np.arange(50), np.arange(50)] = 0
    path = cheapest_loop(costs)
    assert np.abs(np.diff(path, append=path[0])).max() <= 1 and path.min() >= 0 and path.max() < 60


def test_the_value_comes_with_the_file(save):
    output = make_tileable([save("a.png", ground())], MakeTileable(), Limits())
    assert [file.name for file in output.files] == ["tileable"]
    assert msgspec.convert(msgspec.to_builtins(output.value), Tileable).after.vertical < 0.06
