import numpy as np
import pytest

from accel.devices import autotune
from accel.devices.autotune import (
    TOLERANCES,
    BoundBuffers,
    Inconclusive,
    Proof,
    other_input,
    outputs_match,
    prove,
    sample_inputs,
    time_both,
)
from tests.accel.devices.sessions import Clock, session, weighted

TOLERANCE = TOLERANCES["float32"]


@pytest.fixture
def network():
    """A plain run, its session and a sample."""
    data, feed = weighted(16)
    opened = session(data)

    def plain(given):
        return opened.run(["y"], given)

    return plain, opened, sample_inputs(plain, feed)


@pytest.fixture
def clock(monkeypatch):
    """What trials time by."""
    made = Clock()
    monkeypatch.setattr(autotune, "time", made)
    return made


def test_buffers_that_stay_are_right_on_this_machine_and_are_timed(network):
    plain, opened, sample = network
    way = BoundBuffers(opened, sample.feeds[0], {"y": sample.outputs[0][0]})
    proof = prove(plain, way.run, sample, TOLERANCE)
    assert proof.refused == "" or str(proof.refused).startswith("isn't faster")
    assert proof.plain_ms > 0 and proof.ms > 0


def test_a_graph_that_never_sees_another_input_is_refused(network):
    plain, _, sample = network
    captured = sample.outputs[0]
    assert prove(plain, lambda given: captured, sample, TOLERANCE).refused == "returns different results"


def test_what_keeps_something_of_the_run_before_is_refused(network):
    plain, _, sample = network
    before = [sample.feeds[0]]

    def late(given):
        before.append(given)
        return plain(before[-2])

    assert prove(plain, late, sample, TOLERANCE).refused == "returns different results"


def test_what_fails_is_refused_with_its_reason_in_one_line(network):
    plain, _, sample = network

    def broken(given):
        raise RuntimeError("CUDA failure 900:\n operation not permitted when stream is capturing")

    proof = prove(plain, broken, sample, TOLERANCE)
    assert proof.refused == "fails (CUDA failure 900: operation not permitted when stream is capturing)"
    assert not proof.passing


def test_what_finds_no_memory_may_find_some_later(network):
    plain, _, sample = network

    def full(given):
        raise RuntimeError("Failed to allocate memory for requested buffer of size 5")

    assert prove(plain, full, sample, TOLERANCE).passing


def test_what_is_faster_is_used(network, clock):
    plain, _, sample = network
    proof = prove(clock.taking(0.002, plain), clock.taking(0.001, plain), sample, TOLERANCE)
    assert proof == Proof("", pytest.approx(2), pytest.approx(1))


def test_what_is_hardly_faster_is_not_worth_its_memory(network, clock):
    plain, _, sample = network
    proof = prove(clock.taking(0.001, plain), clock.taking(0.00097, plain), sample, TOLERANCE)
    assert proof.refused == "isn't faster (0.97 ms, against 1 ms unoptimised)"


def test_timing_ends_after_a_while_but_never_before_a_few_rounds(clock):
    runs = []
    long = [clock.taking(10.0, lambda feed, name=name: runs.append(name)) for name in "ab"]
    time_both(*long, {})
    assert "".join(runs) == "ab" * autotune.MIN_ROUNDS
    short = [clock.taking(1e-4, lambda feed, name=name: runs.append(name)) for name in "ab"]
    runs.clear()
    time_both(*short, {})
    assert "".join(runs) == "ab" * autotune.ROUNDS


def test_inputs_that_a_network_cannot_tell_apart_prove_nothing():
    feed = {"x": np.ones((1, 4), np.int64)}
    with pytest.raises(Inconclusive, match="for different inputs"):
        sample_inputs(lambda given: [given["x"]], feed)


def test_another_input_has_the_same_shapes_and_numbers_of_words_stay_such():
    feed = {"ids": np.array([[5, 6, 7]]), "x": np.array([[0.0, 1.0]], np.float32)}
    other = other_input(feed)
    assert other["ids"].tolist() == [[7, 6, 5]] and other["ids"].flags.c_contiguous
    assert other["x"].dtype == np.float32 and other["x"].shape == (1, 2)
    assert not np.array_equal(other["x"], feed["x"])


def test_results_may_differ_by_a_little_of_the_largest_of_them():
    wanted = np.array([1000.0, 0.0, np.nan], np.float32)
    assert outputs_match([wanted + np.float32(0.5)], [wanted], 1e-3)
    assert not outputs_match([wanted + np.float32(5)], [wanted], 1e-3)
    assert not outputs_match([np.array([1000.0, np.nan, 0.0], np.float32)], [wanted], 1e-3)
    assert not outputs_match([wanted[:2]], [wanted], 1e-3) and not outputs_match([], [wanted], 1e-3)
    assert outputs_match([np.array([1])], [np.array([1])], 0.5) and not outputs_match(
        [np.array([1])], [np.array([2])], 0.5
    )
