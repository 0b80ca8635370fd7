import numpy as np
import pytest

from accel.image.normal_maps import examine_normals
from accel.image.statistics import sample_pixels
from accel.workload import Limits
from tests.accel.image.test_inspect import look


def heights(size: int = 512, amplitude: float = 8.0, seed: int = 1):
    """A rough surface: noise whose waves are the lower the shorter they are."""
    frequency = np.fft.fftfreq(size)
    wave = np.hypot(*np.meshgrid(frequency, frequency))
    wave[0, 0] = 1
    spectrum = np.fft.fft2(np.random.default_rng(seed).normal(size=(size, size)))
    spectrum *= np.exp(-((wave * 6) ** 2)) / wave**2
    spectrum[0, 0] = 0
    field = np.fft.ifft2(spectrum).real
    return field / field.std() * amplitude


def normal_map(field, convention: str, sobel: bool = False, kind=np.uint8):
    """The normals of a height field, as a tool would bake them."""
    right = (np.roll(field, -1, 1) - np.roll(field, 1, 1)) / 2
    down = (np.roll(field, -1, 0) - np.roll(field, 1, 0)) / 2
    if sobel:
        right = (np.roll(right, 1, 0) + 2 * right + np.roll(right, -1, 0)) / 4
        down = (np.roll(down, 1, 1) + 2 * down + np.roll(down, -1, 1)) / 4
    # The normal is (-dh/dx, -dh/dy up, 1); an image's rows run down.
    green = down if convention == "opengl" else -down
    vectors = np.stack([-right, green, np.ones_like(field)], -1)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.round((vectors + 1) / 2 * np.iinfo(kind).max).astype(kind)


def judge(pixels):
    return examine_normals(pixels, sample_pixels(pixels), [0.0, 0.0, 0.0])[0]


y, x = np.mgrid[:512, :512].astype(float)
BUMP = 40 * np.exp(-((x - 256) ** 2 + (y - 256) ** 2) / 5000)
STUDS = 6 * np.exp(-((x % 64 - 32) ** 2 + (y % 64 - 32) ** 2) / 200)


@pytest.mark.parametrize("convention", ["opengl", "directx"])
@pytest.mark.parametrize(
    "field",
    [heights(amplitude=0.7), heights(amplitude=8), heights(amplitude=60), BUMP, STUDS, heights(64, 3)],
    ids=["faint", "rough", "steep", "bump", "studs", "small"],
)
@pytest.mark.parametrize("sobel", [False, True])
def test_the_convention_is_found_from_the_surface(field, convention, sobel):
    found = judge(normal_map(field, convention, sobel))
    assert found.unit_length == 1
    assert found.convention == convention
    assert found.convention_confidence >= 0.8


@pytest.mark.parametrize("convention", ["opengl", "directx"])
def test_it_is_found_at_16_bit_and_after_jpeg(save, convention):
    field = heights(256)
    assert judge(normal_map(field, convention, kind=np.uint16)).convention == convention
    found = look(save("n.jpg", normal_map(field, convention), Q=90)).normals
    assert found.convention == convention and found.unit_length > 0.9
    assert found.mean == pytest.approx([0.5, 0.5, 1], abs=0.1)


@pytest.mark.parametrize("convention", ["opengl", "directx"])
@pytest.mark.parametrize(
    "field",
    [np.zeros((256, 256)), np.sin(x / 9) * 4, np.sin(y / 9) * 4, np.sin(x / 9) * 4 + np.sin(y / 9) * 4],
    ids=["flat", "upright ridges", "level ridges", "crossed ridges"],
)
def test_a_surface_that_looks_the_same_either_way_gives_none(field, convention):
    found = judge(normal_map(field, convention))
    assert found.unit_length == 1
    assert found.convention is None and found.convention_confidence < 0.1


def test_unit_vectors_at_random_give_none():
    vectors = np.random.default_rng(3).normal((0, 0, 3), 1, (400, 400, 3))
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    found = judge(np.round((vectors + 1) * 127.5).astype(np.uint8))
    assert found.unit_length == 1 and found.convention is None


def test_flatness_is_the_share_of_undisturbed_texels():
    flat = np.full((64, 64, 3), [128, 128, 255], np.uint8)
    assert judge(flat).flat == 1
    flat[:32] = [228, 128, 205]
    assert judge(flat).flat == 0.5


def test_pictures_are_hardly_made_of_unit_vectors(photo):
    found = judge(photo)
    assert found.unit_length < 0.3 and found.convention is None and found.flat < 0.01
    assert judge(np.full((9, 9, 3), 128, np.uint8)).unit_length == 0


def test_a_real_file_of_2048_is_judged_too(save):
    source = save("n.png", normal_map(heights(2048), "directx"), compression=1)
    found = look(source, preview=256)
    assert found.normals.convention == "directx" and found.power_of_two
    assert Limits().max_pixels > found.width * found.height
