import numpy as np
import pytest

from accel.texture.model import BATCH_ROWS, Trees, from_arrays, to_arrays


def arrays(**changed):
    """Two trees for two outputs: column 0 up to 1 gives output 0 a 10, above 20; output 1 always gets 5."""
    found = {
        "outputs": np.array(2), "depth": np.array(1), "roots": np.array([0, 3]), "features": np.zeros(4, int),
        "splits": np.array([1.0, 0, 0, 0]), "lower": np.array([1, 0, 0, 0]), "higher": np.array([2, 0, 0, 0]),
        "values": np.array([0.0, 10, 20, 5]),
    }  # fmt: skip
    return {**found, **changed}


def test_a_row_falls_into_one_leaf_of_each_tree():
    rows = np.array([[0.5], [1.0], [1.5]], np.float32)
    assert from_arrays(arrays()).scores(rows).tolist() == [[10, 5], [10, 5], [20, 5]]


def test_trees_of_one_output_add_up():
    twice = from_arrays(arrays(roots=np.array([0, 3, 0, 3])))
    assert twice.scores(np.array([[2.0]], np.float32)).tolist() == [[40, 10]]


def test_more_rows_than_are_judged_at_once_keep_their_order():
    rows = np.linspace(0, 2, BATCH_ROWS * 2 + 1, dtype=np.float32)[:, None]
    expected = np.where(rows[:, 0] <= 1, 10, 20)
    assert from_arrays(arrays()).scores(rows)[:, 0].tolist() == expected.tolist()


def test_no_rows_have_no_scores():
    assert from_arrays(arrays()).scores(np.zeros((0, 1), np.float32)).shape == (0, 2)


def test_arrays_that_do_not_fit_each_other_are_refused():
    with pytest.raises(ValueError, match="several lengths"):
        from_arrays(arrays(lower=np.array([1])))
    with pytest.raises(KeyError):
        from_arrays({"outputs": np.array(2)})
    assert isinstance(from_arrays(arrays()), Trees)


def test_arrays_of_trees_make_the_same_trees():
    some = arrays(roots=np.array([3, 0]), lower=np.array([1, 0, 0, 0]), higher=np.array([2, 0, 0, 0]))
    again = to_arrays(from_arrays(some))
    assert {name: one.tolist() for name, one in again.items()} == {n: one.tolist() for n, one in some.items()}
