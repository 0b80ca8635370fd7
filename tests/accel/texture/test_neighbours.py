"""Textures are summed by where they lie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.texture.kinds import KINDS
from accel.texture.neighbours import Neighbours, places

ONE = np.arange(len(KINDS), dtype=np.int64)


@pytest.mark.parametrize(
    ("file", "folder", "parent"),
    [("x.png", "", ""), ("a/x.png", "a", ""), ("a/b/x.png", "a/b", "a"), ("a/b/c/x.png", "a/b/c", "a/b")],
)
def test_a_file_lies_in_its_project_its_folder_and_among_those_beside(file, folder, parent):
    assert places(file) == (("project", ""), ("folder", folder), ("beside", parent))


def test_what_lies_elsewhere_counts_for_the_project_alone():
    found = Neighbours()
    for file in ("a/b/1.png", "a/c/2.png", "d/3.png"):
        found.add(file, ONE)
    around = found.around(["a/b/1.png", "e/f/4.png"])
    assert [[int(sums.sum() / ONE.sum()) for sums in level] for level in around] == [[3, 3], [1, 0], [2, 0]]


def test_what_was_given_to_be_added_is_left_as_it_was():
    found, given = Neighbours(), ONE.copy()
    for _ in range(2):
        found.add("a/1.png", given)
    assert np.array_equal(given, ONE)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), max_size=20), st.randoms())
def test_what_was_removed_leaves_nothing(folders, random):
    found, files = Neighbours(), [f"{a}/{b}/{place}.png" for place, (a, b) in enumerate(folders)]
    for place, file in enumerate(files):
        found.add(file, ONE * place)
    for place, file in random.sample(list(enumerate(files)), len(files)):
        found.remove(file, ONE * place)
    assert (found.count, found._sums, found._counts) == (0, {}, {})
