import random

import numpy as np
import pytest

from accel.image.hashes import BITS, SimilarGroup, find_groups
from accel.image.operations.analysis import Fingerprint

HALF = 0x5555_5555_5555_5555
"""As many bits as a picture sets that differs in all directions."""


def fingerprint(file="f", pixels="p", perceptual=0, mean=(0.5, 0.5, 0.5, 1.0), spread=0.2):
    return Fingerprint(file, pixels, f"{perceptual ^ HALF:016x}", list(mean), spread)


def test_equal_files_and_equal_pixels_are_distinguished():
    found = find_groups({
        "b.png": fingerprint("1", "p"), "a.png": fingerprint("1", "p"),
        "c.tga": fingerprint("2", "q"), "c.png": fingerprint("3", "q", spread=0.9),
        "d.png": fingerprint("4", "r", 0xFFFF_0000_FFFF),
    })  # fmt: skip
    assert found == [
        SimilarGroup("file", ("a.png", "b.png")),
        SimilarGroup("pixels", ("c.png", "c.tga")),
    ]


@pytest.mark.parametrize("bits", range(BITS + 3))
def test_look_alikes_differ_in_few_bits(bits):
    flips = sum(1 << (bit * 9) % 64 for bit in range(bits))
    found = find_groups({"a": fingerprint("1", "p"), "b": fingerprint("2", "q", flips)})
    assert found == ([SimilarGroup("looks", ("a", "b"))] if bits <= BITS else [])


@pytest.mark.parametrize(
    "change", [{"mean": (0.5, 0.6, 0.5, 1.0)}, {"mean": (0.5, 0.5, 0.5, 0.5)}, {"spread": 0.3}]
)
def test_look_alikes_agree_in_colour_and_contrast(change):
    assert find_groups({"a": fingerprint("1", "p"), "b": fingerprint("2", "q", **change)}) == []


def test_flat_images_never_look_alike():
    flat = {name: fingerprint(name, name, spread=0.001) for name in "abc"}
    assert find_groups(flat) == []


def test_of_equal_pictures_only_the_first_is_named_among_look_alikes():
    found = find_groups({
        "a.png": fingerprint("1", "p"), "a.tga": fingerprint("2", "p"), "a.jpg": fingerprint("3", "q", 1),
    })  # fmt: skip
    assert found == [
        SimilarGroup("looks", ("a.jpg", "a.png")),
        SimilarGroup("pixels", ("a.png", "a.tga")),
    ]


def test_likeness_isnt_passed_on_along_a_row():
    # Each differs from its neighbour in four bits, so the ends in twelve.
    row = {name: fingerprint(name, name, (1 << 4 * index) - 1) for index, name in enumerate("abcd")}
    assert find_groups(row) == [SimilarGroup("looks", ("a", "b")), SimilarGroup("looks", ("c", "d"))]


def test_groups_dont_depend_on_order_and_match_a_comparison_of_all_pairs():
    chance = random.Random(5)
    bases = [sum(1 << bit for bit in chance.sample(range(64), 32)) ^ HALF for _ in range(40)]
    many = {}
    for index in range(400):
        flips = sum(1 << bit for bit in chance.sample(range(64), chance.randrange(10)))
        many[f"{index:03}"] = fingerprint(str(index), str(index), chance.choice(bases) ^ flips)
    found = find_groups(many)
    names = list(many)
    chance.shuffle(names)
    assert find_groups({name: many[name] for name in names}) == found

    hashes = np.array([int(many[name].perceptual, 16) for name in sorted(many)], np.uint64)
    ones = np.bitwise_count(hashes)
    most = np.minimum((np.minimum(ones[:, None], ones) + 7) // 8, BITS)
    near = np.bitwise_count(hashes[:, None] ^ hashes) <= most
    expected, taken = [], set()
    for one in range(len(hashes)):
        others = [other for other in np.flatnonzero(near[one]) if other > one and other not in taken]
        if one not in taken and others:
            taken.update(others)
            expected.append(SimilarGroup("looks", tuple(sorted(many)[index] for index in (one, *others))))
    assert found == expected


def test_nothing_and_one_image_have_no_duplicates():
    assert find_groups({}) == find_groups({"a": fingerprint()}) == []
