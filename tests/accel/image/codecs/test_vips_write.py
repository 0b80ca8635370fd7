import numpy as np
import pytest
import pyvips

from tests.accel.image.rasters import CHANNELS, DEPTHS, raster, reopened, written
from tests.accel.image.second import decoded

EXACT = {"png": ("uint8", "uint16"), "tiff": DEPTHS, "webp": ("uint8",)}


def lossless(format: str) -> dict:
    return {"lossless": True} if format in ("webp", "avif") else {}


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize(
    ("format", "dtype"), [(name, one) for name, depths in EXACT.items() for one in depths]
)
@pytest.mark.parametrize("shape", [(7, 11), (1, 9), (9, 1), (1, 1), (70, 130)])
def test_two_readers_find_the_same_texels(tmp_path, channels, format, dtype, shape):
    image = raster(channels, dtype, shape)
    data, facts = written(image, format, **lossless(format))
    expected = image.pixels
    if format == "webp" and channels < 3:
        expected = expected[..., [0, 0, 0, 1][: channels + 2]]
    assert (facts.format, facts.bit_depth, facts.channels) == (format, image.bit_depth, expected.shape[2])
    again = reopened(data, tmp_path)
    assert np.array_equal(again.pixels, expected) and again.has_alpha == image.has_alpha
    found = decoded(data, format)[0]
    # OpenImageIO multiplies what WebP holds by alpha itself.
    same = found[..., -1] if format == "webp" and image.has_alpha else found
    assert np.array_equal(same, expected[..., -1] if same.ndim == 2 else expected)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("format", ["jpeg", "webp", "avif"])
def test_lossy_formats_take_everything_and_stay_close(tmp_path, channels, dtype, format):
    y, x = np.mgrid[:40, :50]
    top = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    smooth = np.stack([x / 49, y / 39, (x + y) / 88, 0.5 + x / 98][:channels], -1) * top
    image = raster(channels, dtype).with_pixels(np.ascontiguousarray(smooth.astype(dtype)))
    data, facts = written(image, format, quality=95)
    again = reopened(data, tmp_path)
    assert facts.bit_depth == 8 and again.pixels.shape[2] == facts.channels
    exact = reopened(written(image, "png", bits="8")[0], tmp_path)
    if format != "jpeg":
        assert again.has_alpha == image.has_alpha
        wanted = exact.pixels[..., [0, 0, 0, 1][: channels + 2]] if channels < 3 else exact.pixels
    else:
        share = exact.pixels[..., -1:] / 255 if image.has_alpha else 1
        colors = exact.pixels[..., : facts.channels]
        wanted = colors * share + 255 * (1 - share)
    assert np.abs(again.pixels.astype(float) - wanted).mean() < 3


def test_quality_and_lossless_do_what_they_say(tmp_path):
    noise = raster(4, shape=(64, 64))
    for format in ("jpeg", "webp", "avif"):
        low, high = (len(written(noise, format, quality=quality)[0]) for quality in (30, 95))
        assert low < high, format
    for format in ("webp", "avif"):
        data, _ = written(noise, format, lossless=True)
        found = reopened(data, tmp_path).pixels
        assert np.array_equal(found[..., 3], noise.pixels[..., 3])
        assert np.array_equal(found, noise.pixels), format


def plain_png(image) -> int:
    """The bytes without differences between rows."""
    model = "srgb" if image.pixels.dtype == np.uint8 else "rgb16"
    lazy = pyvips.Image.new_from_array(image.pixels).copy(interpretation=model)
    return len(lazy.pngsave_buffer(compression=3, filter="none", keep="none"))


@pytest.mark.parametrize(
    ("shape", "least"), [((300, 400), 0.9), ((1, 40_000), 1.02), ((30_000, 1), 1), ((9, 7), 1)]
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_smooth_pictures_make_smaller_png(tmp_path, shape, least, dtype):
    y, x = np.mgrid[: shape[0], : shape[1]] / 60
    top = np.iinfo(dtype).max
    noise = np.random.default_rng(4).normal(0, 0.01, (*shape, 3))
    waves = np.stack([np.sin(x + y), np.sin(x * 1.3 - y), np.cos(y)], -1) / 2.2 + 0.5 + noise
    image = raster(3, dtype).with_pixels((waves.clip(0, 1) * top).astype(dtype))
    data, _ = written(image, "png")
    assert np.array_equal(reopened(data, tmp_path).pixels, image.pixels)
    assert len(data) <= least * plain_png(image)


def test_drawings_make_no_larger_png(tmp_path):
    random = np.random.default_rng(6)
    glyphs = random.integers(0, 2, (12, 10, 8, 1)).astype(np.uint8) * 255
    lines = [np.concatenate(glyphs[random.integers(0, 12, 40)], 1) for _ in range(40)]
    image = raster(3).with_pixels(np.ascontiguousarray(np.repeat(np.concatenate(lines), 3, 2)))
    data, _ = written(image, "png")
    assert np.array_equal(reopened(data, tmp_path).pixels, image.pixels)
    assert len(data) <= plain_png(image)


def test_avif_holds_a_picture_better_than_jpeg_in_half_the_bytes(tmp_path):
    y, x = np.mgrid[:256, :256] / 255
    waves = [np.sin(9 * x + 5 * y * y), np.cos(7 * y), np.sin(30 * x * y)]
    image = raster(3).with_pixels(np.round(127.5 + 120 * np.stack(waves, -1)).astype(np.uint8))
    found = {name: written(image, name, quality=90)[0] for name in ("avif", "jpeg")}
    errors = {
        name: np.abs(reopened(data, tmp_path).pixels.astype(float) - image.pixels).mean()
        for name, data in found.items()
    }
    assert 2 * len(found["avif"]) < len(found["jpeg"]) and errors["avif"] < errors["jpeg"]


def test_colours_under_full_transparency_are_kept(tmp_path):
    image = raster(4)
    image = image.with_pixels(np.uint8([[[200, 100, 50, 0], [1, 2, 3, 255]]]))
    for format in ("png", "webp", "tiff", "tga"):
        again = reopened(written(image, format, **lossless(format))[0], tmp_path)
        assert np.array_equal(again.pixels, image.pixels), format


@pytest.mark.parametrize(
    "image", [raster(3), raster(4, "uint16"), raster(3, "float32")], ids=["8", "16", "32"]
)
def test_nothing_but_pixels_is_written(image):
    for format in ("png", "jpeg", "webp", "tiff", "avif"):
        made = pyvips.Image.new_from_buffer(written(image, format)[0], "")
        assert not any("exif" in name or "icc" in name or "xmp" in name for name in made.get_fields())
