import numpy as np
import pytest

from accel.texture.kinds import KINDS
from accel.texture.sureness import Sureness, class_shares, sure_enough

SURE = Sureness(1.0, {"color": 0.9, "data": 0.9})


def test_kinds_of_one_class_are_sure_together():
    probabilities = np.array([0.5 if kind in ("height", "ao") else 0.0 for kind in KINDS])
    assert class_shares(probabilities)["data"] == pytest.approx(1)
    assert sure_enough(probabilities, SURE)


def test_a_class_without_a_threshold_is_never_sure_enough():
    probabilities = np.array([float(kind == "packed") for kind in KINDS])
    assert not sure_enough(probabilities, SURE)
