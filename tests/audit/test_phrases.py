"""What is said in English, told in Chinese by patterns."""

from __future__ import annotations

from bridge.audit.phrases import Phrases

PHRASES = Phrases([(r"(\d+) left(?: of (\d+))?", "还剩 {0}/{1}"), (r"(.+): (.+)", "{0}：{1}")])


def test_what_stands_within_a_sentence_is_told_too() -> None:
    assert PHRASES.in_chinese("rock: 3 left of 4") == "rock：还剩 3/4"


def test_a_part_that_is_not_said_is_empty() -> None:
    assert PHRASES.in_chinese("3 left") == "还剩 3/"


def test_what_is_not_known_stays_as_it_is() -> None:
    assert PHRASES.in_chinese("3 more") == "3 more"
