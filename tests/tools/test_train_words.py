"""Words are worth what several sources use them for."""

from __future__ import annotations

import numpy as np

from accel.texture.kinds import KINDS
from tools.train.words import FEWEST, count

UI, SPRITE = KINDS.index("ui"), KINDS.index("sprite")


def counted(sources: int, used: list[str]):
    """Sources of one picture of an interface, with such words, and one of a world without."""
    words = [words for _ in range(sources) for words in (used, [])]
    kinds = np.array([UI, SPRITE] * sources)
    names = np.repeat([f"s{place}" for place in range(sources)], 2)
    return count(words, kinds, names), words, names


def test_a_word_of_interfaces_speaks_for_them():
    table = counted(6, ["arrow"])[0].table(1.0)
    assert table["arrow"][UI] > 0.3 > 0 > table["arrow"][SPRITE]


def test_a_word_that_few_sources_use_is_none():
    assert counted(FEWEST - 1, ["arrow"])[0].table(1.0) == {}


def test_a_large_source_counts_as_much_as_a_small_one():
    few = counted(6, ["arrow"])[0]
    words = [["arrow"]] * 50 + [["arrow"]] * 5 + [[]] * 6
    kinds = np.array([UI] * 55 + [SPRITE] * 6)
    names = np.array(
        ["s0"] * 50 + [f"s{place}" for place in range(1, 6)] + [f"s{place}" for place in range(6)]
    )
    many = count(words, kinds, names)
    assert np.allclose(few.words["arrow"], many.words["arrow"])


def test_what_only_its_own_source_says_of_a_texture_is_left_out():
    counts, words, names = counted(FEWEST, ["arrow"])
    assert not counts.without_own(words, names).any()
    counts, words, names = counted(FEWEST + 1, ["arrow"])
    assert counts.without_own(words, names)[0][UI] > 0
    assert not counts.without_own(words, names)[1].any()


def test_words_that_are_less_trusted_are_worth_less():
    counts, _, _ = counted(6, ["arrow"])
    assert abs(counts.table(0.5)["arrow"][UI] - counts.table(1.0)["arrow"][UI] / 2) < 0.01
