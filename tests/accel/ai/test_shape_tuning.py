"""Ways to run shapes that come again: buffers on the CPU's provider stand for those of a GPU, a clock for its
speed."""

import numpy as np
import pytest

from accel.ai import shape_tuning as module
from accel.ai.shape_tuning import REPEATS, STALE, ShapeTuning, TunedNetwork, Variant, shape_key
from accel.devices import autotune
from accel.devices.autotune import BoundBuffers
from accel.devices.proof_cache import PLAINLY, TRIES, ProofCache
from accel.devices.report import DeviceGone
from accel.execution.worker import IdleTasks
from tests.accel.devices.sessions import Clock, session, weighted

DATA, _ = weighted(8)
HERE = "Stand-in 9.0, onnxruntime 1.31.1, driver 13010"
SUBJECT = TunedNetwork("weighted model.onnx", "ab" * 32, autotune.TOLERANCES["float32"])


def rows(count, seed=0):
    return {"x": np.random.default_rng(seed).random((count, 8), np.float32)}


class Bench:
    """A network whose plain runs take 4 ms, and whose ways take what they are made for."""

    def __init__(self, monkeypatch, file=None):
        self.clock = Clock()
        monkeypatch.setattr(autotune, "time", self.clock)
        self.session = session(DATA)
        self.spare = IdleTasks()
        self.proofs = ProofCache(file, HERE)
        self.plain_runs = 0

    def plain(self, feed, wanted):
        self.plain_runs += 1
        self.clock.now += 0.004
        return self.session.run(list(wanted), dict(feed))

    def way(self, name, seconds, change=lambda run: run, size=0):
        def opened(feed, like):
            run = change(BoundBuffers(self.session, feed, like).run)
            return self.clock.taking(seconds, run)

        return Variant(name, opened, size)

    def ways(self, *made, most=4):
        return ShapeTuning(SUBJECT, self.plain, made, self.proofs, self.spare.later, most)

    def rest(self):
        """As a worker does between jobs."""
        self.spare.spend(lambda: True)

    def repeat(self, ways, feed, times=REPEATS):
        for _ in range(times):
            ways.run(feed, ["y"])
        self.rest()


@pytest.fixture
def bench(monkeypatch, tmp_path):
    return Bench(monkeypatch, tmp_path / "shapes.json")


def test_a_shape_that_comes_again_runs_in_the_fastest_way_with_the_same_results(bench):
    ways = bench.ways(bench.way("I/O binding", 0.003), bench.way("CUDA graph", 0.001, size=100))
    bench.repeat(ways, rows(2))
    before = bench.plain_runs
    for seed in (1, 2):
        (found,) = ways.run(rows(2, seed), ["y"])
        assert np.array_equal(found, bench.session.run(["y"], rows(2, seed))[0])
    assert bench.plain_runs == before
    assert ways.tuned == {"x 2x8 to y": "CUDA graph"} and ways.bytes == 100
    known = bench.proofs.known(SUBJECT.digest, "x 2x8 to y")
    assert (known.way, known.plain_ms, known.ms) == ("CUDA graph", 4.0, 1.0)
    assert known.sizes == {"x": (2, 8)} and known.tries == 0


def test_a_shape_that_came_only_a_few_times_runs_plainly(bench):
    ways = bench.ways(bench.way("CUDA graph", 0.001))
    bench.repeat(ways, rows(2), REPEATS - 1)
    assert not ways.tuned and bench.proofs.all == []


def test_nothing_is_tried_while_somebody_waits(bench):
    ways = bench.ways(bench.way("CUDA graph", 0.001))
    for _ in range(3 * REPEATS):
        ways.run(rows(2), ["y"])
    assert not ways.tuned and bench.plain_runs == 3 * REPEATS


def test_a_job_waits_for_one_way_to_be_tried_at_most(bench):
    opened = []

    def noting(name):
        way = bench.way(name, 0.001)
        return Variant(name, lambda feed, like: (opened.append(name), way.open(feed, like))[1])

    ways = bench.ways(noting("I/O binding"), noting("CUDA graph"))
    bench.repeat(ways, rows(2), REPEATS - 1)
    for _ in range(2 * REPEATS):
        ways.run(rows(2), ["y"])
    bench.spare.spend(lambda: not opened)
    assert opened == ["I/O binding"] and not ways.tuned
    ways.run(rows(2), ["y"])
    bench.rest()
    assert opened == ["I/O binding", "CUDA graph"] and ways.tuned == {"x 2x8 to y": "I/O binding"}


def test_what_takes_more_memory_must_be_faster_for_it(bench):
    ways = bench.ways(bench.way("I/O binding", 0.002), bench.way("CUDA graph", 0.00195))
    bench.repeat(ways, rows(2))
    (known,) = bench.proofs.all
    assert known.way == "I/O binding" and known.why == "CUDA graph isn't faster than I/O binding (1.95 ms)"


def stale(run):
    kept = []

    def ran(feed):
        kept.extend(run(feed) if not kept else ())
        return kept

    return ran


def broken(run):
    def ran(feed):
        raise RuntimeError("operation not permitted when stream is capturing")

    return ran


@pytest.mark.parametrize(
    ("change", "seconds", "why"),
    [
        (stale, 0.001, "CUDA graph returns different results"),
        (broken, 0.001, "CUDA graph fails (operation not permitted when stream is capturing)"),
        (lambda run: run, 0.004, "CUDA graph isn't faster (4 ms, against 4 ms unoptimised)"),
    ],
)
def test_a_wrong_failing_or_slow_variant_is_not_used_and_the_reason_stored(bench, change, seconds, why):
    ways = bench.ways(bench.way("CUDA graph", seconds, change))
    bench.repeat(ways, rows(2))
    assert not ways.tuned and not ways.may_tune(rows(2), ["y"])
    (known,) = bench.proofs.all
    assert (known.way, known.why) == (PLAINLY, why)
    bench.repeat(ways, rows(2), 2 * REPEATS)
    assert np.array_equal(ways.run(rows(2), ["y"])[0], bench.session.run(["y"], rows(2))[0])


def test_what_cannot_be_opened_says_why_and_the_others_are_still_tried(bench):
    def refused(feed, like):
        raise RuntimeError("CUDA graphs take no model that has control flow nodes")

    ways = bench.ways(Variant("CUDA graph", refused), bench.way("I/O binding", 0.002))
    bench.repeat(ways, rows(2))
    (known,) = bench.proofs.all
    assert known.way == "I/O binding"
    assert str(known.why).startswith("CUDA graph can't be used (CUDA graphs take no")


def test_what_an_earlier_process_found_best_plainly_is_not_tried_again(bench):
    bench.repeat(bench.ways(bench.way("CUDA graph", 0.004)), rows(2))
    opened = []
    again = bench.ways(Variant("CUDA graph", lambda feed, like: opened.append(1)))
    assert again.may_tune(rows(2), ["y"])
    bench.repeat(again, rows(2))
    assert not opened and not again.may_tune(rows(2), ["y"])


def test_each_process_proves_variants_again(bench):
    bench.repeat(bench.ways(bench.way("CUDA graph", 0.001)), rows(2))
    again = bench.ways(bench.way("CUDA graph", 0.001, stale))
    bench.repeat(again, rows(2))
    assert not again.tuned and bench.proofs.all[0].why == "CUDA graph returns different results"


def test_where_memory_is_full_it_is_tried_again_by_the_next_process(bench):
    def full(feed, like):
        raise RuntimeError("Failed to allocate memory for requested buffer of size 4096")

    ways = bench.ways(Variant("CUDA graph", full))
    bench.repeat(ways, rows(2))
    assert not ways.may_tune(rows(2), ["y"]) and bench.proofs.all == []


def test_a_trial_that_breaks_the_device_ends_the_process_and_not_a_job_and_not_for_ever(bench):
    for tries in range(1, TRIES + 1):
        broken_now = []

        def breaks(run, mark=broken_now):
            mark.append(1)
            return broken(run)

        ways = bench.ways(bench.way("CUDA graph", 0.001, breaks))
        real = ways._plain

        def plain(feed, wanted, mark=broken_now, real=real):
            if mark:
                raise RuntimeError(
                    "CUDA failure 901: operation failed due to a previous error during capture"
                )
            return real(feed, wanted)

        ways._plain = plain
        with pytest.raises(DeviceGone, match="nothing runs after CUDA graph was tried: CUDA failure 901"):
            bench.repeat(ways, rows(2))
        assert bench.proofs.all[0].tries == tries
    bench.repeat(bench.ways(bench.way("CUDA graph", 0.001, breaks)), rows(2))
    assert bench.proofs.all[0].tries == TRIES


def test_where_memory_is_full_after_a_trial_the_process_goes_on(bench):
    ways = bench.ways(bench.way("CUDA graph", 0.001, broken))
    real, left = ways._plain, [REPEATS + 2]

    def plain(feed, wanted):
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("Failed to allocate memory for requested buffer of size 4096")
        return real(feed, wanted)

    ways._plain = plain
    bench.repeat(ways, rows(2))
    assert str(bench.proofs.all[0].why).startswith("CUDA graph fails")


def test_a_trial_ends_if_plain_runs_fail(bench):
    ways = bench.ways(bench.way("CUDA graph", 0.001))
    for _ in range(REPEATS):
        ways.run(rows(2), ["y"])
    ways._plain = lambda feed, wanted: [][0]
    bench.rest()
    assert not ways.tuned and not ways.may_tune(rows(2), ["y"])


def test_a_way_that_fails_at_last_costs_no_job_its_result(bench):
    failing = []

    def later_broken(run):
        return lambda feed: broken(run)(feed) if failing else run(feed)

    ways = bench.ways(bench.way("CUDA graph", 0.001, later_broken))
    bench.repeat(ways, rows(2))
    failing.append(1)
    assert np.array_equal(ways.run(rows(2, 7), ["y"])[0], bench.session.run(["y"], rows(2, 7))[0])
    assert not ways.tuned
    assert str(bench.proofs.all[0].why).startswith("CUDA graph failed later (operation not permitted")


def test_a_device_that_is_gone_says_nothing_about_a_way(bench):
    failing = []

    def later_gone(run):
        def ran(feed):
            if failing:
                raise RuntimeError("CUDA failure 999: unknown error")
            return run(feed)

        return ran

    ways = bench.ways(bench.way("CUDA graph", 0.001, later_gone))
    bench.repeat(ways, rows(2))
    failing.append(1)
    ways.run(rows(2), ["y"])
    assert not ways.tuned and bench.proofs.all[0].way == "CUDA graph"


def test_an_input_of_another_type_is_refused_as_it_is_plainly_and_changes_nothing(bench):
    ways = bench.ways(bench.way("CUDA graph", 0.001))
    bench.repeat(ways, rows(2))
    with pytest.raises(Exception, match="Unexpected input data type"):
        ways.run({"x": rows(2)["x"].astype(np.float64)}, ["y"])
    assert list(ways.tuned) == ["x 2x8 to y"]


def test_each_shape_has_its_own_buffers_and_only_so_many_have(bench):
    ways = bench.ways(bench.way("CUDA graph", 0.001, size=10), most=2)
    for count in (1, 2, 3):
        bench.repeat(ways, rows(count))
    assert list(ways.tuned) == ["x 1x8 to y", "x 2x8 to y"] and ways.bytes == 20
    for count in (1, 2, 3):
        assert np.array_equal(ways.run(rows(count, 5), ["y"])[0], bench.session.run(["y"], rows(count, 5))[0])


def test_a_shape_that_comes_no_more_makes_room_for_one_that_does(bench):
    ways = bench.ways(bench.way("CUDA graph", 0.001), most=2)
    for count in (1, 2):
        bench.repeat(ways, rows(count))
    bench.repeat(ways, rows(3), STALE)
    for _ in range(REPEATS):
        ways.run(rows(2), ["y"])
    bench.repeat(ways, rows(3), REPEATS)
    assert list(ways.tuned) == ["x 2x8 to y", "x 3x8 to y"]


def test_inputs_that_prove_nothing_are_no_reason_against_a_shape(bench):
    opened = bench.way("CUDA graph", 0.001)
    ways = ShapeTuning(
        SUBJECT, lambda feed, wanted: [feed["x"] * 0], [opened], bench.proofs, bench.spare.later
    )
    bench.repeat(ways, rows(2))
    assert ways.may_tune(rows(2), ["y"]) and not ways.tuned and bench.proofs.all == []


def test_only_so_many_shapes_are_counted_and_ruled_out(bench, monkeypatch):
    monkeypatch.setattr(module, "_MAX_COUNTED", 2)
    monkeypatch.setattr(module, "_MAX_RULED_OUT", 1)
    ways = bench.ways(bench.way("CUDA graph", 0.004))
    for count in (1, 2, 3):
        ways.run(rows(count), ["y"])
    assert list(ways._seen) == ["x 2x8 to y", "x 3x8 to y"]
    for count in (1, 2):
        bench.repeat(ways, rows(count))
    assert ways.may_tune(rows(1), ["y"]) and not ways.may_tune(rows(2), ["y"])


def test_what_a_caller_writes_into_its_arrays_later_is_not_what_is_tried(bench):
    ways = bench.ways(bench.way("CUDA graph", 0.001))
    mine = rows(2)
    for _ in range(REPEATS):
        ways.run(mine, ["y"])
    mine["x"][:] = np.nan
    bench.rest()
    assert list(ways.tuned) == ["x 2x8 to y"]


def test_a_shape_key_contains_all_inputs_and_outputs():
    feed = {"ids": np.zeros((2, 8), np.int64), "mask": np.zeros((2, 8), np.int64)}
    assert shape_key(feed, ["a", "b"]) == "ids 2x8, mask 2x8 to a, b"


FULL = "Failed to allocate memory for requested buffer of size 4096"


def test_what_shapes_keep_makes_room_for_a_job_that_has_none(bench):
    ways = bench.ways(bench.way("CUDA graph", 0.001))
    for count in (1, 2):
        bench.repeat(ways, rows(count))
    real = ways._plain

    def plain(feed, wanted):
        if ways.tuned:
            raise RuntimeError(FULL)
        return real(feed, wanted)

    ways._plain = plain
    assert np.array_equal(ways.run(rows(3), ["y"])[0], bench.session.run(["y"], rows(3))[0])
    assert not ways.tuned
    # Nor do they come back, which would fill it again.
    for count in (1, 2):
        bench.repeat(ways, rows(count))
    assert not ways.tuned


def test_memory_that_is_full_without_them_is_for_the_job_to_tell(bench):
    ways, runs = bench.ways(bench.way("CUDA graph", 0.001)), []

    def plain(feed, wanted):
        runs.append(1)
        raise RuntimeError(FULL)

    ways._plain = plain
    with pytest.raises(RuntimeError, match=FULL):
        ways.run(rows(2), ["y"])
    assert len(runs) == 1
