"""The words of a path, and what the model says that they are worth."""

from __future__ import annotations

import numpy as np
import pytest

from accel.texture.judgement import weigh_words
from accel.texture.kinds import KINDS
from accel.texture.naming import known_words, vocabulary


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Art/UI/StartButton_02.png", ["#", "art/", "button", "start", "ui/"]),
        ("arrow.png.cached.dds", ["arrow"]),
        ("one/two/three/four/a_a.png", ["a", "four/", "three/", "two/"]),
        ("maps\\sky.png", ["maps/", "sky"]),
        ("48x48/2048.png", ["#"]),
        ("", []),
    ],
)
def test_words_are_those_of_the_name_and_of_three_folders_without_numbers(name, words):
    assert vocabulary(name) == words


def test_words_add_up_and_unknown_ones_say_nothing():
    one, other = np.arange(len(KINDS)) / 10, np.ones(len(KINDS))
    table = {"arrow": one.tolist(), "ui/": other.tolist()}
    assert weigh_words(["arrow", "ui/", "oak"], table) == pytest.approx(one + other)
    assert not weigh_words(["oak"], table).any()


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("arrow", ["arrow"]),
        ("dwarrow", ["arrow"]),
        ("buttonarrow", ["arrow"]),
        ("buttons", ["button"]),
        ("sparrows", []),
        ("icons/", []),
        ("abui", []),
    ],
)
def test_of_a_joined_word_its_end_counts_or_else_its_beginning(word, part):
    assert known_words([word], {"arrow", "button", "icon", "ui"}) == part
