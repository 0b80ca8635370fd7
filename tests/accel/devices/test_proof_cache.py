import os

import pytest

from accel.devices.proof_cache import (
    CUTS,
    MAX_SHAPES,
    PLAINLY,
    TRIES,
    ProofCache,
    ProvenVariants,
    note_interruption,
    read,
    retract_trials,
)

HERE = "NVIDIA H100 9.0, onnxruntime 1.31.1, driver 13010"
DIGEST = "ab" * 32


def known(shape, way=PLAINLY, machine=HERE, **more):
    return ProvenVariants("u2netp model.onnx", shape, machine, way, "", **more)


def test_what_came_of_a_trial_is_known_to_the_next_process(tmp_path):
    file = tmp_path / "cache" / "shapes.json"
    ProofCache(file, HERE).settle(DIGEST, known("x 1x3", sizes={"x": (1, 3)}))
    found = ProofCache(file, HERE).known(DIGEST, "x 1x3")
    assert found == known("x 1x3", sizes={"x": (1, 3)}) and found.settled
    assert read(file, HERE) == ProofCache(file, HERE).all == [found]


def test_another_file_shape_or_machine_is_tried_by_itself(tmp_path):
    kept = ProofCache(tmp_path / "shapes.json", HERE)
    kept.settle(DIGEST, known("x 1x3"))
    assert kept.known("cd" * 32, "x 1x3") is None and kept.known(DIGEST, "x 2x3") is None
    other = ProofCache(tmp_path / "shapes.json", "another driver")
    assert other.known(DIGEST, "x 1x3") is None and other.all == []


def test_a_trial_that_ends_the_process_is_given_up_after_a_few_times(tmp_path):
    for tries in range(1, TRIES + 1):
        kept = ProofCache(tmp_path / "shapes.json", HERE)
        kept.begin(DIGEST, "u2netp model.onnx", "x 1x3")
        found = kept.known(DIGEST, "x 1x3")
        assert found.tries == tries and found.settled is (tries == TRIES)
    assert found.why == "the process ended while other ways were tried"


def test_a_way_that_was_proven_is_proven_anew_in_each_process(tmp_path):
    kept = ProofCache(tmp_path / "shapes.json", HERE)
    kept.settle(DIGEST, known("x 1x3", "CUDA graph"))
    assert not kept.known(DIGEST, "x 1x3").settled


def test_what_is_forgotten_is_tried_again(tmp_path):
    kept = ProofCache(tmp_path / "shapes.json", HERE)
    kept.settle(DIGEST, known("x 1x3"))
    kept.forget(DIGEST, "x 2x3")
    assert kept.known(DIGEST, "x 1x3")
    kept.forget(DIGEST, "x 1x3")
    assert kept.known(DIGEST, "x 1x3") is None


def test_only_so_many_shapes_are_remembered(tmp_path):
    kept = ProofCache(tmp_path / "shapes.json", HERE)
    for width in range(MAX_SHAPES + 1):
        kept.settle(DIGEST, known(f"x {width}"))
    assert kept.known(DIGEST, "x 0") is None and kept.known(DIGEST, "x 1") and len(kept.all) == MAX_SHAPES


@pytest.mark.parametrize("content", [b"{", b'{"\xff": null}'])
def test_a_file_that_nobody_can_read_is_as_good_as_none(tmp_path, content):
    (tmp_path / "shapes.json").write_bytes(content)
    kept = ProofCache(tmp_path / "shapes.json", HERE)
    assert kept.all == [] and kept.known(DIGEST, "x 1x3") is None
    kept.settle(DIGEST, known("x 1x3"))
    assert len(kept.all) == 1


def test_without_a_file_nothing_is_kept():
    kept = ProofCache(None, HERE)
    kept.begin(DIGEST, "u2netp model.onnx", "x 1x3")
    kept.settle(DIGEST, known("x 1x3"))
    kept.forget(DIGEST, "x 1x3")
    assert kept.all == [] and kept.known(DIGEST, "x 1x3") is None


def test_a_trial_in_a_process_that_was_ended_on_purpose_speaks_against_nothing(tmp_path):
    file = tmp_path / "shapes.json"
    for _ in range(TRIES):
        ProofCache(file, HERE).begin(DIGEST, "u2netp model.onnx", "x 1x3")
        ProofCache(file, HERE).settle(DIGEST, known("x 2x3"))
        retract_trials(file, [os.getpid()])
    assert [one.shape for one in ProofCache(file, HERE).all] == ["x 2x3"]


def test_a_trial_in_another_process_still_counts(tmp_path):
    file = tmp_path / "shapes.json"
    ProofCache(file, HERE).begin(DIGEST, "u2netp model.onnx", "x 1x3")
    retract_trials(file, [os.getpid() + 1])
    retract_trials(tmp_path / "none.json", [os.getpid()])
    assert ProofCache(file, HERE).all[0].tries == 1 and not (tmp_path / "none.json").exists()


def test_a_trial_whose_process_was_ended_for_a_jobs_sake_is_made_again_but_not_for_ever(tmp_path):
    file = tmp_path / "shapes.json"
    for cuts in range(1, CUTS + 1):
        ProofCache(file, HERE).begin(DIGEST, "u2netp model.onnx", "x 1x3")
        note_interruption(file, os.getpid())
        found = ProofCache(file, HERE).known(DIGEST, "x 1x3")
        assert (found.tries, found.cut, found.settled) == (0, cuts, cuts == CUTS)
    assert found.why == "jobs were abandoned while faster ways were being tried"


def test_trials_that_ended_the_process_count_beside_those_that_were_cut_off(tmp_path):
    file = tmp_path / "shapes.json"
    for tries in range(1, TRIES + 1):
        ProofCache(file, HERE).begin(DIGEST, "u2netp model.onnx", "x 1x3")
        note_interruption(file, os.getpid())
        ProofCache(file, HERE).begin(DIGEST, "u2netp model.onnx", "x 1x3")
        assert ProofCache(file, HERE).known(DIGEST, "x 1x3").tries == tries
    assert ProofCache(file, HERE).known(DIGEST, "x 1x3").settled


def test_what_was_settled_or_is_another_processs_is_not_cut_off(tmp_path):
    file = tmp_path / "shapes.json"
    ProofCache(file, HERE).settle(DIGEST, known("x 1x3", "CUDA graph"))
    ProofCache(file, HERE).begin(DIGEST, "u2netp model.onnx", "x 2x3")
    before = ProofCache(file, HERE).all
    note_interruption(file, os.getpid() + 1)
    note_interruption(tmp_path / "none.json", os.getpid())
    assert ProofCache(file, HERE).all == before and not (tmp_path / "none.json").exists()
