"""Tests of the classifier's training table."""

import numpy as np

from tools.train.rows import Rows, without_duplicates


def rows(*values: float) -> Rows:
    each = np.array(values, np.float32)
    return Rows(["one"], each[:, None], *(np.zeros(len(each)) for _ in range(5)))


def test_rows_with_the_same_features_are_duplicates() -> None:
    assert without_duplicates(rows(1, 2, 3), rows(2, 4)).tolist() == [True, False, True]
