import numpy as np
import pytest

from accel.texture.kinds import CLASS_OF, KINDS
from accel.texture.model import CLASSES, Thresholds, class_shares, is_confident

SURE = Thresholds(1.0, {"color": 0.9, "data": 0.9})


def test_kinds_of_one_class_are_sure_together():
    probabilities = np.array([0.5 if kind in ("height", "ao") else 0.0 for kind in KINDS])
    assert class_shares(probabilities)[CLASSES.index("data")] == pytest.approx(1)
    assert is_confident(probabilities, SURE)


def test_a_class_without_a_threshold_is_never_sure_enough():
    probabilities = np.array([float(kind == "packed") for kind in KINDS])
    assert not is_confident(probabilities, SURE)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_counts_for_its_own_class(kind):
    shares = class_shares(np.array([float(one == kind) for one in KINDS]))
    assert CLASSES[int(shares.argmax())] == CLASS_OF[kind]
    assert sorted(shares) == [0] * (len(CLASSES) - 1) + [1]


def test_many_are_told_apart():
    rows = np.array([[float(kind == "albedo") for kind in KINDS], [1 / len(KINDS)] * len(KINDS)])
    assert is_confident(rows, SURE).tolist() == [True, False]
