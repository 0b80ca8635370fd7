import numpy as np
import pytest

from accel.image.normal_maps import (
    BAND_COLUMNS,
    BAND_ROWS,
    BANDS,
    TOGETHER,
    halve_slopes,
    part_count,
    slope_bands,
    slope_sums,
    slopes,
)
from tests.accel.image.test_normal_maps import heights, normal_map


def test_bands_are_of_one_size_and_from_all_over_the_image():
    places = np.stack(np.mgrid[:1024, :2048], -1)
    found = list(slope_bands(places))
    assert [band.shape for band in found] == [(BAND_ROWS, BAND_COLUMNS, 2)] * BANDS
    assert [int(band[..., 0].min()) for band in found][:: BANDS - 1] == [0, 1024 - BAND_ROWS]
    lefts = [int(band[..., 1].min()) for band in found]
    assert min(lefts) == 0 and max(lefts) == 2048 - BAND_COLUMNS


def test_all_of_a_picture_is_looked_at_that_has_no_more_rows_and_columns():
    assert [band.shape for band in slope_bands(np.zeros((192, 384, 3)))] == [(16, 384, 3)] * 12


@pytest.mark.parametrize("height", [4, 15, 16, 31, 32, 47, 100, 191, 192])
def test_no_two_bands_overlap(height):
    rows = np.repeat(np.arange(height)[:, None, None], 20, 1)
    seen = np.concatenate([band[:, 0, 0] for band in slope_bands(rows)])
    assert len(set(seen)) == len(seen) and len(seen) > height - BANDS


@pytest.mark.parametrize(("shape", "parts"), [((512, 512), 1), ((32, 32), 4), ((64, 64), 3), ((10, 7), 1)])
def test_few_bands_are_looked_at_in_parts(shape, parts):
    assert part_count(list(slope_bands(np.zeros((*shape, 3))))) == parts and part_count([]) == 1


@pytest.mark.parametrize("parts", [2, 5])
def test_the_parts_of_a_band_add_up_to_it(parts):
    p, q = np.random.default_rng(1).normal(0, 0.2, (2, 3, 16, 40)).astype(np.float32)
    whole, split = slope_sums(p, q), slope_sums(p, q, parts)
    assert split.reshape(3, parts, 3).sum(1) == pytest.approx(whole, rel=1e-5) and (split[:, 1] > 0).all()


@pytest.mark.parametrize("shape", [(2, 99), (99, 2), (7, 9)])
def test_there_are_none_without_neighbours_or_in_a_handful_of_texels(shape):
    assert list(slope_bands(np.zeros((*shape, 3)))) == list(slopes([])) == []


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_slopes_are_those_of_the_heights(kind):
    field = heights(256, 4.0)
    found = list(slopes(list(slope_bands(normal_map(field, "opengl", kind=kind)))))
    assert [len(p) for p, _ in found] == [TOGETHER] * (BANDS // TOGETHER)
    down, right = (np.roll(field, -1, axis) - np.roll(field, 1, axis) for axis in (0, 1))
    p, q = found[0]
    assert p[0] == pytest.approx(-right[:BAND_ROWS, :BAND_COLUMNS] / 2, abs=0.02)
    assert q[0] == pytest.approx(down[:BAND_ROWS, :BAND_COLUMNS] / 2, abs=0.02)


def test_a_slope_is_halved_to_means_of_squares():
    values = np.arange(2 * 5 * 7, dtype=np.float32).reshape(2, 5, 7)
    expected = values[:, :4, :6].reshape(2, 2, 2, 3, 2).mean((2, 4))
    assert halve_slopes(values) == pytest.approx(expected)


def test_twists_of_a_surface_are_alike_and_never_outweigh_its_stretches():
    field = np.pad(heights(64, 1.0), 8, mode="wrap")
    q, p = np.gradient(field)
    product, twist, stretch = slope_sums(-p[None].astype(np.float32), q[None].astype(np.float32))[0]
    assert 2 * product == pytest.approx(twist, rel=1e-3) and stretch > twist


def test_edges_dont_count():
    p = np.zeros((1, 8, 8), np.float32)
    p[:, 4:] = 3
    assert slope_sums(p, np.zeros_like(p)).tolist() == [[0, 0, 0]]


def test_neither_do_edges_along_a_slope():
    p = np.zeros((1, 8, 8), np.float32)
    p[:, :, 4:] = 3
    assert slope_sums(p, np.zeros_like(p)).tolist() == [[0, 0, 0]]
