import numpy as np
import pytest

from accel.ai.sessions import networks
from accel.models.catalog import MODELS
from accel.texture import pbr_maps
from accel.texture.pbr_maps import FILE, MARGIN, MODEL, TILE, estimate_heights
from accel.workload import Limits
from tests.accel.image.operation_helpers import random, raster
from tests.accel.texture.pictures import bricks


def found(pixels, wrap=False):
    return estimate_heights(raster(pixels), wrap, Limits())


def wall(side=192):
    """Bright bricks with dark joints, of which the network has seen many."""
    y, x = np.mgrid[:side, :side]
    row = y // 24
    joint = (y % 24 < 3) | ((x + row % 2 * 24) % 48 < 3)
    grain = np.random.default_rng(8).normal(0, 6, (side, side))
    level = np.where(joint, 60, 150) + grain
    return (level[..., None] * [1.1, 0.8, 0.65]).clip(0, 255).astype(np.uint8), joint


def test_the_shipped_network_is_small_and_of_the_record():
    (file,) = MODELS[MODEL].files
    assert file.name == FILE and file.size <= 1_500_000
    assert networks(Limits()).get(MODEL, FILE).file.size == file.size


def test_joints_lie_lower_than_bricks():
    pixels, joint = wall()
    made = found(pixels, wrap=True)
    assert made[joint].mean() < made[~joint].mean() - 0.3


def test_an_even_colour_has_no_relief_inside():
    made = found(np.full((160, 160, 3), 120, np.uint8))
    assert np.ptp(made) < 0.05


def test_tiles_meet_without_a_seam(monkeypatch):
    pixels = random(150, 170, 3)
    whole = found(pixels)
    monkeypatch.setattr(pbr_maps, "TILE", 64)
    assert np.abs(found(pixels) - whole).max() < 1e-3


def test_the_margin_is_as_wide_as_the_network_sees(monkeypatch):
    pixels = random(160, 160, 3)
    whole = found(pixels)
    monkeypatch.setattr(pbr_maps, "MARGIN", MARGIN + 32)
    monkeypatch.setattr(pbr_maps, "TILE", 64)
    assert np.abs(found(pixels) - whole).max() < 1e-3


@pytest.mark.parametrize("shape", [(2, 700), (700, 3), (61, 67), (64, 64)])
@pytest.mark.parametrize("wrap", [False, True])
def test_no_texel_beyond_the_margin_makes_a_difference(monkeypatch, shape, wrap):
    pixels = random(*shape, 3)
    # What tiles is exact where its sides are whole steps.
    pixels = np.tile(pixels, (8, 8, 1))[: -(-shape[0] // 8) * 8, : -(-shape[1] // 8) * 8] if wrap else pixels
    made = found(pixels, wrap)
    monkeypatch.setattr(pbr_maps, "MARGIN", MARGIN + 32)
    assert np.abs(found(pixels, wrap) - made).max() < 1e-6


@pytest.mark.parametrize("shape", [(2, 4096), (4096, 2)])
def test_along_a_thin_image_few_margins_are_computed(monkeypatch, shape):
    pieces = []
    run = pbr_maps._run
    monkeypatch.setattr(
        pbr_maps, "_run", lambda network, piece: pieces.append(piece.size // 3) or run(network, piece)
    )
    made = found(random(*shape, 3))
    assert len(pieces) == 2 and max(pieces) <= (TILE + 2 * MARGIN) ** 2
    monkeypatch.setattr(pbr_maps, "TILE", 64)
    assert np.abs(found(random(*shape, 3)) - made).max() < 1e-6


@pytest.mark.parametrize("shape", [(64, 96), (16, 8)])
def test_the_heights_of_what_tiles_tile(shape):
    pixels = random(*shape, 3)
    once, twice = found(pixels, wrap=True), found(np.tile(pixels, (2, 2, 1)), wrap=True)
    assert np.abs(np.tile(once, (2, 2)) - twice).max() < 1e-3


def test_heights_have_no_offset():
    assert abs(float(found(bricks()).mean())) < 1e-4


def test_the_same_is_found_each_time():
    pixels = random(40, 40, 3)
    assert (found(pixels) == found(pixels)).all()
