"""Tests of the likelihood ratios of words in paths."""

from __future__ import annotations

import numpy as np

from accel.texture.kinds import LEARNED_KINDS
from tools.train.word_weights import MIN_SOURCES, count_words

UI, SPRITE = LEARNED_KINDS.index("ui"), LEARNED_KINDS.index("sprite")


def counted(sources: int, used: list[str]):
    """Counts sources that each have a UI image with these words and a sprite without words."""
    words = [words for _ in range(sources) for words in (used, [])]
    kinds = np.array([UI, SPRITE] * sources)
    names = np.repeat([f"s{place}" for place in range(sources)], 2)
    return count_words(words, kinds, names), words, names


def test_a_word_of_ui_images_raises_their_probability():
    table = counted(6, ["arrow"])[0].table(1.0)
    assert table["arrow"][UI] > 0.3 > 0 > table["arrow"][SPRITE]


def test_a_word_of_few_sources_is_ignored():
    assert counted(MIN_SOURCES - 1, ["arrow"])[0].table(1.0) == {}


def test_a_large_source_counts_as_much_as_a_small_one():
    few = counted(6, ["arrow"])[0]
    words = [["arrow"]] * 50 + [["arrow"]] * 5 + [[]] * 6
    kinds = np.array([UI] * 55 + [SPRITE] * 6)
    names = np.array(
        ["s0"] * 50 + [f"s{place}" for place in range(1, 6)] + [f"s{place}" for place in range(6)]
    )
    many = count_words(words, kinds, names)
    assert np.allclose(few.words["arrow"], many.words["arrow"])


def test_a_textures_own_source_is_not_counted():
    counts, words, names = counted(MIN_SOURCES, ["arrow"])
    assert not counts.leave_one_out(words, names).any()
    counts, words, names = counted(MIN_SOURCES + 1, ["arrow"])
    assert counts.leave_one_out(words, names)[0][UI] > 0
    assert not counts.leave_one_out(words, names)[1].any()


def test_trust_scales_the_ratios():
    counts, _, _ = counted(6, ["arrow"])
    assert abs(counts.table(0.5)["arrow"][UI] - counts.table(1.0)["arrow"][UI] / 2) < 0.01
