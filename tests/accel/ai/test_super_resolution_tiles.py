import numpy as np
import pytest

from accel.ai.sessions import run_in_batches
from accel.ai.super_resolution import MIN_TILE, TileFunction, run_tiled
from tests.accel.full import FITS, roots


def test_batches_become_smaller_where_memory_is_full_and_lose_no_row():
    values = [float(at * at) for at in range(19)]
    done = list(run_in_batches(values, 16, roots))
    assert [root for _, made in done for root in made] == pytest.approx(range(19))
    assert [row for part, _ in done for row in part] == values
    # Halved until it fits, and never tried with more again.
    assert max(len(part) for part, _ in done) == FITS


def test_a_single_row_that_does_not_fit_is_an_error():
    with pytest.raises(Exception, match="Available memory of"):
        list(run_in_batches([[1.0] * 16], 1, lambda part: roots(part[0])))


def test_other_errors_are_not_taken_for_a_full_memory():
    def broken(part):
        raise ValueError("shapes don't match")

    with pytest.raises(ValueError, match="shapes"):
        list(run_in_batches([1, 2], 2, broken))


def limited(most: int, seen: list[int]) -> TileFunction:
    """Enlarges by repetition as long as no piece is larger than `most` pixels a side."""

    def run(piece):
        seen.append(max(piece.shape[:2]))
        if seen[-1] > most:
            raise RuntimeError("bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 939")
        return piece[4:-4, 4:-4].repeat(2, 0).repeat(2, 1)

    return TileFunction(run, 2, 4, 256)


def enlarged(enlarger, picture):
    return run_tiled(enlarger, picture, lambda piece: piece.astype(np.float32), lambda made: made, wrap=False)


def test_tiles_become_smaller_where_memory_is_full_and_the_picture_stays_the_same():
    picture = np.random.default_rng(1).random((150, 90, 3)).astype(np.float32)
    seen: list[int] = []
    made = enlarged(limited(60, seen), picture)
    assert (made == picture.repeat(2, 0).repeat(2, 1)).all()
    assert max(seen) > 60 and seen[-1] <= 60


def test_the_smallest_tile_that_does_not_fit_is_an_error():
    with pytest.raises(RuntimeError, match="Failed to allocate"):
        enlarged(limited(MIN_TILE - 1, []), np.zeros((150, 90, 3), np.float32))
