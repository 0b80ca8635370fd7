"""Tests of the procedural textures that the classifier of kinds is trained on."""

from __future__ import annotations

import numpy as np
import pytest

from accel.texture.kinds import LEARNED_KINDS
from tools.train.render import degrade, render, render_many, surface
from tools.train.render.degrade import dxt, jpeg
from tools.train.render.maps import encode, normals, occlusion
from tools.train.render.terrain import weights

SEEDS = range(12)


def holds(texture: np.ndarray) -> bool:
    """Whether it has the shape that is promised: 1 to 4 channels of bytes, sides 16 to 512."""
    height, width, channels = texture.shape
    return (
        texture.dtype == np.uint8
        and 1 <= channels <= 4
        and min(height, width) >= 16
        and max(height, width) <= 512
    )


@pytest.mark.parametrize("kind", LEARNED_KINDS)
def test_every_kind_renders_textures_of_the_promised_shape(kind):
    assert all(holds(render(kind, seed)) for seed in SEEDS)


@pytest.mark.parametrize("kind", LEARNED_KINDS)
def test_a_seed_gives_the_same_texture_every_time(kind):
    assert all(np.array_equal(render(kind, seed), render(kind, seed)) for seed in range(4))


@pytest.mark.parametrize("kind", LEARNED_KINDS)
def test_seeds_give_different_textures(kind):
    assert len({render(kind, seed).tobytes() for seed in SEEDS}) == len(SEEDS)


def test_an_unknown_kind_is_refused_with_the_kinds_there_are():
    with pytest.raises(ValueError, match="albedo"):
        render("lightmap", 1)


def test_many_textures_come_in_equal_numbers_with_their_material_named():
    made = list(render_many(2, 7))
    assert [kind for kind, _, _ in made] == [*LEARNED_KINDS, *LEARNED_KINDS]
    assert all(name and holds(texture) for _, name, texture in made)
    assert np.array_equal(made[0][2], render("albedo", 7))


def test_maps_of_one_seed_show_one_material():
    assert np.array_equal(surface(5).height, surface(5).height)
    assert surface(5, (48, 96)).shape == (48, 96)


def test_normals_are_unit_vectors_that_lean_away_from_the_slope():
    height = surface(3, (64, 64)).height
    vectors = normals(height, 8)
    assert np.allclose(np.linalg.norm(vectors, axis=-1), 1, atol=1e-4)
    slope = np.gradient(height.astype(float), axis=1)[:, 1:-1]
    assert np.all(vectors[:, 1:-1, 0] * slope <= 1e-6)
    steep = np.hypot(np.gradient(height, axis=0), np.gradient(height, axis=1))[1:-1, 1:-1]
    assert np.corrcoef(steep.ravel(), vectors[1:-1, 1:-1, 2].ravel())[0, 1] < -0.5


def test_a_flat_height_has_the_flat_normal():
    assert np.allclose(encode(normals(np.zeros((32, 32), np.float32), 10)), (0.5, 0.5, 1))


def test_occlusion_is_darker_in_pits_than_on_tops():
    material = surface(11, (128, 128))
    open_, deep = material.height > np.quantile(material.height, 0.8), material.height < 0.2
    ao = occlusion(material, 4)
    assert not deep.any() or ao[deep].mean() < ao[open_].mean()


def test_splat_weights_sum_to_one():
    assert np.allclose(weights(np.random.default_rng(1), (64, 64), 4).sum(-1), 1, atol=1e-4)


def test_rendered_normals_are_near_unit_length():
    lengths = []
    for seed in range(30):
        texture = render("normal", seed)
        if texture.shape[2] == 3 and texture[..., 2].mean() > 150:
            lengths.append(np.linalg.norm(texture / 127.5 - 1, axis=-1).mean())
    assert len(lengths) > 15
    assert 0.95 < np.median(lengths) < 1.05


@pytest.mark.parametrize("kind", LEARNED_KINDS)
def test_a_degraded_texture_keeps_the_promised_shape(kind):
    for seed in SEEDS:
        assert holds(degrade(render(kind, seed), np.random.default_rng(seed), kind))


def test_degrading_is_the_same_for_the_same_generator():
    texture = render("albedo", 2)
    first, second = (degrade(texture, np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(first, second)


def test_degrading_leaves_the_texture_it_is_given_alone():
    texture = render("sprite", 2)
    before = texture.copy()
    for seed in SEEDS:
        degrade(texture, np.random.default_rng(seed), "sprite")
    assert np.array_equal(texture, before)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_compression_keeps_the_picture_near_what_it_was(channels):
    rows, columns = np.mgrid[0:50, 0:70]
    texture = np.stack([rows * 4 + columns * 0] * channels, -1).astype(np.uint8)
    for coded in (dxt(texture), jpeg(texture, 80)):
        assert coded.shape == texture.shape
        assert np.abs(coded.astype(int) - texture).mean() < 8


def test_block_compression_leaves_few_colours_in_a_block():
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    block = dxt(noise)[:4, :4].reshape(-1, 3)
    assert len(np.unique(block, axis=0)) <= 4
