import numpy as np
import pytest

from accel.image import kernels
from accel.image.color import encode_srgb
from accel.image.compiled import kernels as compiled
from accel.image.pixel_coding import _alphas, _codes, _table, coding_of
from tests.accel.image.operation_helpers import noise, raster


def plain(function):
    """The Python source of a compiled loop."""
    return getattr(function, "py_func", function)


@pytest.fixture(params=["compiled", "source"])
def loops(request, monkeypatch):
    """The compiled loops, and the same as Python runs them, so that every line of them is seen."""
    if request.param == "source":
        for name in ("decode", "halve_pixels", "halve_lines", "encode8", "encode16", "_halve", "_halve_rgba",
                     "_halve_grey", "_halve_sums"):  # fmt: skip
            monkeypatch.setattr(compiled, name, plain(getattr(compiled, name)))
    return compiled


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize(("channels", "weighted"), [(1, False), (2, True), (3, False), (4, True), (4, False)])
def test_compiled_loops_decode_and_halve_like_numpy(loops, kind, channels, weighted):
    pixels = noise(6, 10, channels, kind)
    colors = channels - (channels in (2, 4))
    tables = _table(kind, True), _alphas(kind, weighted)
    for name, size in (("decode", (6, 10)), ("halve_pixels", (3, 5))):
        made = [np.empty((size[0], channels, size[1]), np.float32) for _ in range(2)]
        for module, lines in zip((kernels, loops), made, strict=True):
            getattr(module, name)(pixels, *tables, colors, weighted, lines)
        assert made[1] == pytest.approx(made[0], abs=1e-6)
    halves = [np.empty((3, channels, 5), np.float32) for _ in range(2)]
    lines = np.random.default_rng(1).random((6, channels, 10), np.float32)
    for module, half in zip((kernels, loops), halves, strict=True):
        module.halve_lines(lines, half)
    assert halves[1] == pytest.approx(halves[0], abs=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sums_of_bytes_are_exact_up_to_256_texels(loops, channels):
    pixels = noise(16, 32, channels)
    pixels[:16, :16] = 255
    for module in (kernels, loops):
        rows = pixels.reshape(16, -1)
        for level in range(1, 5):
            size = 16 >> level, (32 >> level) * channels
            sums, codes = np.empty(size, np.uint16), np.empty(size, np.uint8)
            module.halve_sums(rows, channels, 2 * level, sums, codes)
            side = 1 << level
            blocks = (
                pixels.reshape(16 >> level, side, 32 >> level, side, channels).astype(int).sum(axis=(1, 3))
            )
            assert (sums.reshape(blocks.shape) == blocks).all()
            assert (codes.reshape(blocks.shape) == (blocks + side * side // 2) // (side * side)).all()
            rows = sums


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("curve", [True, False])
@pytest.mark.parametrize(("channels", "weighted"), [(1, False), (2, True), (3, False), (4, True)])
def test_compiled_loops_encode_like_numpy(loops, kind, curve, channels, weighted):
    lines = np.random.default_rng(2).uniform(-0.1, 1.1, (3, channels, 40)).astype(np.float32)
    if weighted:
        lines[:, -1] = np.abs(lines[:, -1])
        lines[0, -1, :3] = 0, kernels.MIN_WEIGHT, 1 + kernels.MIN_WEIGHT
        lines[0, :-1, :3] *= lines[0, -1, :3]
    colors = channels - weighted
    made = [np.empty((3, 40, channels), kind) for _ in range(2)]
    for module, pixels in zip((kernels, loops), made, strict=True):
        if kind == "uint8":
            module.encode8(lines, colors, weighted, curve, *_codes(), pixels)
        else:
            module.encode16(lines, colors, weighted, curve, pixels)
    assert np.abs(made[1].astype(int) - made[0]).max() <= 1
    assert (made[1] == made[0]).mean() > 0.95


def test_every_code_of_8_bit_survives_light_and_back():
    codes = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
    how = coding_of(raster(codes), "color", True, True)
    assert (how.encode(how.decode(codes)) == codes).all()


def test_light_becomes_the_nearest_code_at_every_step():
    light = np.linspace(0, 1, 200_001, dtype=np.float32).reshape(1, 1, -1)
    pixels = np.empty((1, light.size, 1), np.uint8)
    kernels.encode8(light, 1, False, True, *_codes(), pixels)
    exact = encode_srgb(light[0, 0].astype(np.float64)).astype(np.float64) * 255
    assert np.abs(pixels[0, :, 0] - exact).max() <= 0.5 + 1e-3
