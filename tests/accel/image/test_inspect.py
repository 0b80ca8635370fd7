import msgspec
import numpy as np
import pytest
import pyvips

from accel.image.operations.analysis import Inspect, inspect
from accel.image.records import Inspection
from accel.image.statistics import IntegerStatistics, is_grey, seams
from accel.workload import Input, Limits
from tests.accel.image.files import dds, exr


def look(source, **params) -> Inspection:
    """The value as it arrives after the wire, as an `Inspection` again."""
    value = msgspec.to_builtins(inspect([source], Inspect(**params), Limits()).value)
    return msgspec.convert(msgspec.msgpack.decode(msgspec.msgpack.encode(value)), Inspection)


def noise(*shape, top=256, kind=np.uint8):
    return np.random.default_rng(7).integers(0, top, shape).astype(kind)


def test_the_plain_facts_of_a_file(save, photo):
    source = save("a.png", photo)
    found = look(source)
    assert (found.format, found.width, found.height, found.size) == ("png", 64, 48, source.size())
    assert (found.channels, found.bit_depth, found.color_model, found.has_alpha) == (3, 8, "rgb", False)
    assert found.alpha is None and not found.grey and not found.power_of_two
    assert [channel.name for channel in found.statistics] == ["r", "g", "b"]


@pytest.mark.parametrize(
    ("size", "expected"), [((64, 32), True), ((1, 1), True), ((64, 48), False), ((65, 64), False)]
)
def test_power_of_two_means_both_sides(save, size, expected):
    assert look(save("a.png", np.zeros((*size, 3), np.uint8))).power_of_two is expected


@pytest.mark.parametrize(("kind", "model", "top"), [(np.uint8, "srgb", 255), (np.uint16, "rgb16", 65535)])
def test_statistics_are_exact_over_all_pixels(save, kind, model, top):
    pixels = noise(700, 900, 4, top=top + 1, kind=kind) // 2
    pixels[-1, -1] = [top, 0, 1, top - 1]  # one pixel that a sample would miss
    found = look(save("a.png", pixels, model))
    assert found.bit_depth == kind().itemsize * 8
    for index, channel in enumerate(found.statistics):
        plane = pixels[..., index] / top
        assert (channel.min, channel.max) == (plane.min(), plane.max())
        assert channel.mean == pytest.approx(plane.mean(), abs=1e-9)
        assert channel.std == pytest.approx(plane.std(), abs=1e-9)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [(1, 1), (7, 9), (16, 3), (3, 16), (2, 8), (10, 20), (33, 64), (64, 1)])
def test_every_pixel_counts_once_at_any_size(size, channels):
    pixels = noise(*size, channels)
    table = IntegerStatistics([pixels])
    for index in range(channels):
        found, plane = table.channel(index, "x"), pixels[..., index] / 255
        assert (found.min, found.max) == (plane.min(), plane.max())
        assert found.mean == pytest.approx(plane.mean()) and found.std == pytest.approx(plane.std())


@pytest.mark.parametrize(("kind", "model", "top"), [(np.uint8, "srgb", 255), (np.uint16, "rgb16", 65535)])
def test_an_alpha_that_is_the_same_everywhere_is_not_used(save, kind, model, top):
    pixels = noise(40, 40, 4, top=top, kind=kind)
    pixels[..., 3] = top
    alpha = look(save("a.png", pixels, model)).alpha
    assert (alpha.used, alpha.constant, alpha.min, alpha.max) == (False, 255, 1, 1)
    assert (alpha.share_opaque, alpha.share_transparent) == (1, 0)
    pixels[..., 3] = 0
    alpha = look(save("a.png", pixels, model)).alpha
    assert (alpha.used, alpha.constant, alpha.share_opaque, alpha.share_transparent) == (False, 0, 0, 1)


def test_a_single_transparent_pixel_makes_alpha_used(save):
    pixels = noise(600, 600, 4)
    pixels[..., 3] = 255
    pixels[333, 333, 3] = 0
    alpha = look(save("a.png", pixels)).alpha
    assert alpha.used and alpha.constant is None and alpha.min == 0
    assert alpha.share_transparent == pytest.approx(1 / 360_000)


def test_grey_stored_as_colour_is_grey_until_one_pixel_differs(save):
    pixels = np.repeat(noise(600, 600, 1), 3, axis=2)
    assert look(save("a.png", pixels)).grey
    # The same values equally often in each channel, yet two pixels aren't grey.
    pixels[1, 1], pixels[599, 599] = [10, 20, 30], [20, 30, 10]
    pixels[300, 300] = [30, 10, 20]
    assert not look(save("a.png", pixels)).grey


@pytest.mark.parametrize(
    ("name", "bands", "kind", "model", "expected"),
    [
        ("grey.png", 1, np.uint8, "b-w", ("grey", 1, 8, True, "l")),
        ("grey-alpha.png", 2, np.uint8, "b-w", ("grey", 2, 8, True, "la")),
        ("grey16.png", 1, np.uint16, "grey16", ("grey", 1, 16, True, "l")),
        ("rgba16.png", 4, np.uint16, "rgb16", ("rgb", 4, 16, False, "rgba")),
        ("cmyk.jpg", 4, np.uint8, "cmyk", ("cmyk", 4, 8, False, "cmyk")),
        ("float.tif", 3, np.float32, "scrgb", ("rgb", 3, 32, False, "rgb")),
        ("float-alpha.tif", 4, np.float32, "scrgb", ("rgb", 4, 32, False, "rgba")),
    ],
)
def test_each_kind_of_pixels_is_described(save, name, bands, kind, model, expected):
    pixels = noise(32, 32, bands, top=200, kind=kind)
    found = look(save(name, pixels, model), preview=8)
    names = "".join(channel.name for channel in found.statistics)
    assert (found.color_model, found.channels, found.bit_depth, found.grey, names) == expected
    assert found.has_alpha == ("a" in names) == (found.alpha is not None)
    assert (found.normals is None) == (found.color_model != "rgb" or found.bit_depth == 32)


def test_a_float_image_keeps_its_own_scale(save):
    pixels = np.zeros((8, 8, 4), np.float32)
    pixels[..., 3] = 1
    pixels[0, 0, :3] = 4
    found = look(save("a.tif", pixels, "scrgb"))
    assert found.statistics[0].max == 4 and found.alpha.constant == 255 and found.grey


def test_a_palette_is_looked_up(save):
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8] = [255, 0, 10]
    found = look(save("a.png", pixels, palette=True))
    assert (found.channels, found.bit_depth, found.statistics[0].max) == (3, 8, 1)
    assert found.palette and not look(save("b.png", pixels)).palette


def test_an_unusual_tiff_is_described_as_far_as_it_can_be(save, tmp_path):
    source = save("a.tif", noise(16, 16, 3))
    made = pyvips.Image.new_from_array(noise(16, 16, 3), interpretation="srgb").cast("int")
    with open(source.path, "wb") as file:
        file.write(made.tiffsave_buffer())
    found = look(source)
    assert found.bit_depth == 32 and found.statistics[0].max > 1


def test_many_channels_are_numbered(save):
    found = look(save("a.tif", noise(16, 16, 6), "multiband"))
    assert [channel.name for channel in found.statistics][:5] == ["0", "1", "2", "3", "4"]
    assert not found.grey and found.channels == 6


def test_entropy_is_that_of_the_luminance(save):
    assert look(save("a.png", np.full((64, 64, 3), 77, np.uint8))).entropy == 0
    halves = np.zeros((64, 64, 1), np.uint8)
    halves[:32] = 255
    assert look(save("a.png", halves, "b-w")).entropy == pytest.approx(1)
    assert look(save("a.png", noise(512, 512, 1), "b-w")).entropy > 7.9


def test_a_preview_comes_from_the_same_decode(save):
    output = inspect([save("a.png", noise(300, 600, 4))], Inspect(preview=64), Limits())
    (file,) = output.files
    assert (file.name, file.media_type) == ("preview", "image/png")
    made = pyvips.Image.new_from_buffer(file.data, "")
    assert (made.width, made.height) == (64, 32)
    assert not inspect([save("a.png", noise(9, 9, 3))], Inspect(), Limits()).files


@pytest.mark.parametrize(("width", "height"), [(2000, 1), (1, 2000), (3, 3), (1, 1), (2, 700)])
def test_extreme_shapes_are_no_problem(save, width, height):
    found = look(save("a.png", noise(height, width, 3)), preview=16)
    assert (found.width, found.height) == (width, height)


def test_a_preview_keeps_its_colours(save):
    pixels = np.full((1024, 1024, 3), [200, 100, 50], np.uint8)
    (file,) = inspect([save("a.png", pixels)], Inspect(preview=100), Limits()).files
    made = pyvips.Image.new_from_buffer(file.data, "").numpy()
    assert made.shape == (100, 100, 3) and (made == [200, 100, 50]).all()


def test_seams_are_seen_on_the_axis_where_they_are(save):
    y, x = np.mgrid[:256, :256]
    tiling = 128 + 60 * np.sin(2 * np.pi * x / 256) + 60 * np.sin(4 * np.pi * y / 256)
    seams = look(save("a.png", tiling[..., None].astype(np.uint8), "b-w")).seams
    assert seams.horizontal < 0.1 and seams.vertical < 0.1
    seams = look(save("a.png", x[..., None].astype(np.uint8), "b-w")).seams
    assert seams.horizontal > 0.95 and seams.vertical < 0.1
    seams = look(save("a.png", y[..., None].astype(np.uint8), "b-w")).seams
    assert seams.horizontal < 0.1 and seams.vertical > 0.95
    seams = look(save("a.png", noise(256, 256, 3))).seams
    assert seams.horizontal < 0.1 and seams.vertical < 0.1


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_seams_are_the_same_of_an_image_that_lies_on_its_side(kind, channels):
    pixels = np.add.outer(np.arange(40) ** 2 % 97, noise(60, channels)).astype(kind)
    upright, lying = seams(pixels), seams(np.ascontiguousarray(pixels.swapaxes(0, 1)))
    assert (upright.horizontal, upright.vertical) == pytest.approx(
        (lying.vertical, lying.horizontal), rel=1e-5
    )
    assert upright.vertical != upright.horizontal


def test_a_preview_out_of_range_is_refused():
    with pytest.raises(Exception, match="preview"):
        inspect.workload.parse({"preview": 5000})


@pytest.mark.parametrize("size", [(8, 12), (6, 6), (4, 9), (9, 4), (5, 7), (1, 4), (4, 1)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_sums_are_exact_for_any_strips(size, channels):
    pixels = noise(*size, channels, top=9)
    sums = IntegerStatistics([pixels])
    for index in range(channels):
        plane = pixels[..., index] / 255
        found = sums.channel(index, "x")
        assert (found.min, found.max) == (plane.min(), plane.max())
        assert (found.mean, found.std) == pytest.approx((plane.mean(), plane.std()), abs=1e-12)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (7, 9)])
def test_the_deviation_of_floats_is_that_of_all_pixels_too(save, size):
    pixels = noise(*size, 3).astype(np.float32) / 64
    for channel, plane in zip(look(save("a.tif", pixels, "scrgb")).statistics, pixels.T, strict=True):
        assert (channel.mean, channel.std) == pytest.approx((plane.mean(), plane.std()), abs=1e-6)


@pytest.mark.parametrize(("kind", "base"), [(np.uint8, 252), (np.uint16, 65_532)])
@pytest.mark.parametrize("size", [(64, 1024), (257, 1031), (1, 200_000), (200_000, 1)])
def test_a_small_deviation_of_large_values_is_exact(size, kind, base):
    pixels = base + noise(*size, 3, top=4, kind=kind)
    sums, values = IntegerStatistics([pixels]), pixels.astype(np.int64)
    for index in range(3):
        found, plane = sums.channel(index, "x"), values[..., index]
        # Less what is common, so that the expected value isn't rounded either.
        std = np.sqrt(((plane - base) ** 2).mean() - (plane - base).mean() ** 2)
        top = base + 3
        assert (found.mean, found.std) == pytest.approx((plane.mean() / top, std / top), rel=1e-13)


def test_shares_of_alpha_are_exact(save):
    pixels = np.full((300, 301, 4), 9, np.uint8)
    pixels[:100, :, 3], pixels[100:150, :, 3] = 0, 255
    alpha = look(save("a.png", pixels)).alpha
    assert (alpha.share_transparent, alpha.share_opaque) == (100 / 300, 50 / 300)
    assert alpha.used and (alpha.min, alpha.max) == (0, 1)


@pytest.mark.parametrize("channels", [3, 4, 5])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_one_pixel_in_any_place_tells_colour_from_grey(channels, kind):
    pixels = noise(300, 301, channels, kind=kind)
    pixels[..., 1] = pixels[..., 2] = pixels[..., 0]
    assert is_grey(pixels)
    for place in [(0, 0), (150, 7), (217, 218), (217, 219), (299, 300)]:
        for channel in range(3):
            pixels[(*place, channel)] += 1
            assert not is_grey(pixels)
            pixels[(*place, channel)] -= 1


@pytest.mark.parametrize(
    ("data", "multiplied"),
    [
        (dds(4, 4, bytes(64), dxgi=28, alpha_mode=2), True), (dds(4, 4, bytes(64), dxgi=28), False),
        (dds(4, 4, bytes(64), dxgi=88, alpha_mode=2), False),
        (exr(np.full((4, 4, 4), 0.5, np.float32), ("R", "G", "B", "A")), True),
        (exr(np.full((4, 4, 3), 0.5, np.float32), ("R", "G", "B")), False),
    ],
)  # fmt: skip
def test_premultiplied_colours_are_reported(tmp_path, data, multiplied):
    (tmp_path / "a").write_bytes(data)
    assert look(Input("a", str(tmp_path / "a"))).multiplied is multiplied


def test_a_texture_tells_its_levels_and_images(tmp_path):
    path = tmp_path / "sky.dds"
    path.write_bytes(dds(4, 4, bytes(6 * 84), dxgi=28, levels=3, misc=4))
    found = look(Input("sky.dds", str(path)))
    assert (found.levels, found.images) == (3, 6)


def test_formats_without_levels_have_one(save, photo):
    found = look(save("a.png", photo))
    assert (found.levels, found.images) == (1, 1)


def test_hard_edges_tell_drawings_from_glows(save):
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    glow = np.clip(1 - np.hypot(x, y), 0, 1)
    white = np.full((64, 64, 3), 255)
    for steps in (255, 8):
        light = np.round(glow * steps) / steps * 255
        assert look(save("glow.png", np.dstack([white, light]).astype(np.uint8))).hard_edges == 0
        assert look(save("light.png", np.dstack([light] * 3).astype(np.uint8))).hard_edges == 0
    cells = np.kron(noise(16, 16, 3), np.ones((4, 4, 1), np.uint8))
    assert look(save("cells.png", cells)).hard_edges > 0.8
    hidden = np.dstack([noise(64, 64, 3), np.zeros((64, 64, 1), np.uint8)])
    assert look(save("hidden.png", hidden)).hard_edges == 0, "nobody sees these colours"
    assert look(save("plain.png", white.astype(np.uint8))).hard_edges == 0


@pytest.mark.parametrize("shape", [(1, 64, 3), (64, 1, 3), (1, 1, 3), (2, 2, 4), (2, 7, 1)])
def test_a_few_pixels_have_hard_edges_or_none(save, shape):
    assert 0 <= look(save("a.png", noise(*shape))).hard_edges <= 1
