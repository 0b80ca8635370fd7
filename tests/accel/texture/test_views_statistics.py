import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.texture.views import centred, deviation, mean, median, order_statistics, share, variance


def test_a_share_counts_what_is_true():
    assert share(np.array([[True, False], [False, False]])) == 0.25


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([1, 2, 900, 8191, 8192, 20_000]), st.sampled_from([0.0, 1e-30, 0.01, 1.0, 65504.0]),
    st.integers(1, 300), st.integers(0, 9),
)  # fmt: skip
def test_ranks_are_those_of_values_in_order(count, scale, steps, seed):
    values = np.random.default_rng(seed).integers(0, steps, count).astype(np.float32) * np.float32(scale)
    places = [int(part * (count - 1)) for part in (0, 0.25, 0.5, 0.9, 0.99, 1)]
    assert order_statistics(values, places) == np.sort(values)[places].tolist()


@pytest.mark.parametrize("shape", [(1,), (16_384,), (9, 47, 48)])
def test_the_mean_and_the_deviation_are_numpys_to_the_last_bit(shape):
    values = np.random.default_rng(4).random(shape).astype(np.float32)
    assert (mean(values), deviation(values)) == (float(values.mean()), float(values.std()))
    assert variance(values) == float(values.var())
    assert (centred(values) == values - values.mean()).all()


@pytest.mark.parametrize("count", [1, 2, 899, 10_580, 20_001])
def test_the_median_is_numpys_to_the_last_bit(count):
    values = np.random.default_rng(count).gamma(1.5, 0.02, count).astype(np.float32)
    assert median(values) == float(np.median(values))
