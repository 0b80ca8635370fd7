import sys

import ispc_texcomp
import numpy as np
import pytest
import texture2ddecoder
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.image import block_encoders
from accel.image.block_encoders import WORTH_COMPILED, AlphaLoops, make_opaque
from accel.image.compiled import opaque as compiled
from tests.accel.image.textures import smooth


def encoded(pixels: np.ndarray, profile: str = "ultrafast") -> bytes:
    height, width = pixels.shape[:2]
    surface = ispc_texcomp.RGBASurface(pixels, width, height, width * 4)
    return ispc_texcomp.compress_blocks_bc7(surface, ispc_texcomp.BC7EncSettings.from_profile(profile))


def words(data: bytes) -> np.ndarray:
    return np.frombuffer(data, "<u8").reshape(-1, 2)


def decoded(data: bytes, pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    raw = np.frombuffer(texture2ddecoder.decode_bc7(data, width, height), np.uint8)
    return raw.reshape(height, width, 4)[..., [2, 1, 0, 3]].astype(int)


@pytest.mark.parametrize("profile", ["ultrafast", "fast"])
def test_the_encoder_leaves_alpha_at_254_which_is_mended_by_a_step_of_colour(profile):
    pixels = smooth(64, 64, 4)
    before = encoded(pixels, profile)
    assert decoded(before, pixels)[..., 3].min() == 254
    after = decoded(make_opaque(before, pixels), pixels)
    assert (after[..., 3] == 255).all()
    assert np.abs(after - decoded(before, pixels)).max() <= 1


def test_colours_go_to_the_nearer_side():
    pixels = smooth(64, 64, 4)
    before = encoded(pixels)
    after = make_opaque(before, pixels)
    raised = np.frombuffer(before, "<u8").reshape(-1, 2).copy()
    six = (raised[:, 0] & np.uint64(0x7F)) == 0x40
    raised[six, 0] |= np.uint64(1 << 63)
    raised[six, 1] |= np.uint64(1)

    def error(data: bytes) -> float:
        return float(np.square(decoded(data, pixels) - pixels)[..., :3].mean())

    # Only ever up, as setting the bit alone does, is worse.
    assert error(after) < 0.8 * error(raised.tobytes())


def test_blocks_that_are_opaque_stay_as_they_are():
    pixels = np.full((8, 8, 4), 255, np.uint8)
    data = make_opaque(encoded(pixels), pixels)
    assert make_opaque(data, pixels) == data


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_any_opaque_picture_decodes_to_full_alpha(seed, spread):
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (1, 1, 4)) + random.integers(-spread, spread + 1, (8, 8, 4))
    pixels = pixels.clip(0, 255).astype(np.uint8)
    pixels[..., 3] = 255
    assert (decoded(make_opaque(encoded(pixels), pixels), pixels)[..., 3] == 255).all()


@pytest.mark.parametrize("profile", ["ultrafast", "fast"])
def test_the_compiled_loop_gives_the_same_bits(profile):
    pixels = np.random.default_rng(3).integers(0, 256, (64, 128, 4)).astype(np.uint8)
    pixels[:, :64] = smooth(64, 64, 4)
    pixels[..., 3] = 255
    data = words(encoded(pixels, profile))
    plain = block_encoders.raise_alpha(data, pixels)
    assert (compiled.raise_alpha(data, pixels) == plain).all() and (plain != data).any()


def test_numba_is_loaded_only_after_it_would_have_paid(monkeypatch):
    monkeypatch.delitem(sys.modules, "numba")
    loops = AlphaLoops()
    assert loops.choose(WORTH_COMPILED) is block_encoders.raise_alpha
    assert loops.choose(1) is compiled.raise_alpha


def test_without_numba_numpy_mends_all(monkeypatch):
    monkeypatch.setattr("accel.image.compiled.available", lambda: False)
    assert AlphaLoops().choose(10 * WORTH_COMPILED) is block_encoders.raise_alpha


def test_what_another_workload_has_loaded_is_used_at_once():
    assert "numba" in sys.modules and AlphaLoops().choose(16) is compiled.raise_alpha
