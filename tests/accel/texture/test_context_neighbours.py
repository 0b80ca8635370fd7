"""Textures are summed by where they lie, and counted by their sizes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.texture.context import COUNTED, Neighbours, place_names, same_size_share
from accel.texture.kinds import KINDS

ONE = np.arange(len(KINDS), dtype=np.int64)
SMALL, LARGE = (16, 16), (512, 256)


@pytest.mark.parametrize(
    ("file", "folder", "parent"),
    [("x.png", "", ""), ("a/x.png", "a", ""), ("a/b/x.png", "a/b", "a"), ("a/b/c/x.png", "a/b/c", "a/b")],
)
def test_a_file_counts_for_its_project_its_folder_and_the_folders_beside(file, folder, parent):
    assert place_names(file) == (("project", ""), ("folder", folder), ("beside", parent))


def test_files_elsewhere_count_only_for_the_project():
    found = Neighbours()
    for file in ("a/b/1.png", "a/c/2.png", "d/3.png"):
        found.add(file, SMALL, ONE)
    around = found.sums(["a/b/1.png", "e/f/4.png"])
    assert [[int(sums.sum() / ONE.sum()) for sums in level] for level in around] == [[3, 3], [1, 0], [2, 0]]


def test_adding_does_not_change_its_arguments():
    found, given = Neighbours(), ONE.copy()
    for _ in range(2):
        found.add("a/1.png", SMALL, given)
    assert np.array_equal(given, ONE)


def test_those_of_the_same_size_are_counted_in_the_project_and_in_the_folder():
    found = Neighbours()
    sizes = {"a/1.png": SMALL, "a/2.png": SMALL, "a/3.png": LARGE, "b/4.png": SMALL, "b/5.png": LARGE}
    for file, size in sizes.items():
        found.add(file, size, ONE)
    shares = found.same_size_shares(list(sizes), list(sizes.values()))
    assert shares[0].tolist() == pytest.approx([2.5 / 5, 2.5 / 5, 1.5 / 5, 2.5 / 5, 1.5 / 5])
    assert shares[1].tolist() == pytest.approx([1.5 / 3, 1.5 / 3, 0.5 / 3, 0.5 / 2, 0.5 / 2])


def test_sides_that_are_swapped_are_another_size():
    found = Neighbours()
    for place, size in enumerate([(8, 4), (4, 8)]):
        found.add(f"{place}.png", size, ONE)
    assert found.same_size_shares(["0.png"], [(8, 4)]).tolist() == [[0.25]] * len(COUNTED)


def test_without_other_textures_the_share_is_half():
    assert same_size_share(np.array([0]), np.array([0])).tolist() == [0.5]
    assert Neighbours().same_size_shares(["a.png"], [SMALL]).tolist() == [[0.5]] * len(COUNTED)
    assert Neighbours().same_size_shares([], []).shape == (len(COUNTED), 0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), max_size=20), st.randoms())
def test_what_was_removed_leaves_nothing(folders, random):
    found, files = Neighbours(), [f"{a}/{b}/{place}.png" for place, (a, b) in enumerate(folders)]
    for place, file in enumerate(files):
        found.add(file, (place % 3, 1), ONE * place)
    for place, file in random.sample(list(enumerate(files)), len(files)):
        found.remove(file, (place % 3, 1), ONE * place)
    assert (found.count, found._sums, found._counts, found._size_counts) == (0, {}, {}, {})
