"""Rows are known again among others."""

import numpy as np

from tools.train.rows import Rows, unlike


def rows(*values: float) -> Rows:
    each = np.array(values, np.float32)
    return Rows(["one"], each[:, None], *(np.zeros(len(each)) for _ in range(5)))


def test_files_with_the_same_pixels_are_known_by_their_features() -> None:
    assert unlike(rows(1, 2, 3), rows(2, 4)).tolist() == [True, False, True]
