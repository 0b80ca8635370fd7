import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.image import alpha as module
from accel.image.alpha import mix_with_white, straight_colors
from tests.accel.image.rasters import DEPTHS, raster

KNOWN = [
    ("straight", (100, 200, 0), 51, (100, 200, 0)),
    ("multiplied", (100, 200, 0), 51, (20, 40, 0)),
    ("multiplied", (100, 200, 0), 0, (0, 0, 0)),
    ("on white", (100, 200, 0), 51, (224, 244, 204)),
    ("on white", (100, 200, 0), 0, (255, 255, 255)),
    ("on white", (100, 200, 0), 255, (100, 200, 0)),
]


@pytest.mark.parametrize(("mix", "colors", "alpha", "expected"), KNOWN)
def test_known_colours_are_mixed_as_formats_do_it(mix, colors, alpha, expected):
    pixels = np.uint8([[[*colors, alpha]]])
    assert mix_with_white(pixels, mix)[0, 0].tolist() == [*expected, alpha]
    if alpha:
        assert straight_colors(np.uint8([[[*expected, alpha]]]), mix)[0, 0].tolist() == [*colors, alpha]


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("mix", ["multiplied", "on white"])
def test_unmixing_recovers_colours_as_precisely_as_alpha_allows(dtype, channels, mix, monkeypatch):
    monkeypatch.setattr(module, "_STRIP", 10)
    pixels = raster(channels, dtype).pixels
    there = mix_with_white(pixels, mix)
    again = straight_colors(there, mix)
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    share = pixels[..., -1:] / np.float32(top)
    wrong = np.abs(again[..., :-1].astype(np.float64) - pixels[..., :-1]) * share
    assert there.dtype == again.dtype == dtype and np.array_equal(again[..., -1], pixels[..., -1])
    assert wrong.max() <= (1e-5 if dtype == "float32" else 1)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 255), st.integers(0, 255), st.sampled_from(["multiplied", "on white"]))
def test_mixing_unmixed_colours_again_changes_nothing(color, alpha, mix):
    stored = mix_with_white(np.uint8([[[color, alpha]]]), mix)
    assert np.array_equal(mix_with_white(straight_colors(stored, mix), mix), stored)


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("mix", ["multiplied", "multiplied as light", "on white"])
def test_fully_transparent_colours_stay_as_stored(dtype, mix):
    pixels = raster(4, dtype).pixels
    pixels[0, :, 3] = 0
    pixels[0, 0, 0] += 1
    assert np.array_equal(straight_colors(pixels, mix)[0], pixels[0])


def test_opaque_pixels_are_never_changed():
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(2, axis=2)
    pixels[..., 1] = 255
    for mix in ("multiplied", "on white"):
        assert np.array_equal(mix_with_white(pixels, mix), pixels) and np.array_equal(
            straight_colors(pixels, mix), pixels
        )
