"""A sentence in two languages."""

from __future__ import annotations

import pytest

from bridge.core.texts import DEEPEST, Phrases, Text, in_a_row, is_chinese

PHRASES = Phrases(
    [
        (r"(\d+) left(?: of (\d+))?", "还剩 {0}/{1}"), (r"(.+) fails \((?P<said>.*)\)", "{0} 失败（{1}）"),
        (r"(.+): (.+)", "{0}：{1}"),
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("locale", "chinese"),
    [
        ("zh", True),
        ("zh-CN", True),
        ("zh_TW.UTF-8", True),
        ("ZH-hans", True),
        ("en", False),
        ("C", False),
        ("", False),
    ],
)
def test_chinese_is_read_where_the_locale_is_chinese(locale: str, chinese: bool) -> None:
    assert is_chinese(locale) == chinese
    assert Text("left", "还剩").read(locale) == ("还剩" if chinese else "left")


def test_what_stands_within_a_sentence_is_told_too() -> None:
    assert PHRASES.in_chinese("rock: 3 left of 4") == "rock：还剩 3/4"


def test_a_part_that_is_not_said_is_empty() -> None:
    assert PHRASES.in_chinese("3 left") == "还剩 3/"


def test_what_is_not_known_stays_as_it_is() -> None:
    assert PHRASES.in_chinese("3 more") == "3 more"


def test_what_others_say_in_their_own_words_stays_as_it_is() -> None:
    assert PHRASES.in_chinese("rock: 3 left fails (rock: 3 left)") == "rock：还剩 3/ 失败（rock: 3 left）"


def test_sentences_without_end_are_told_as_far_as_anybody_reads() -> None:
    told = PHRASES.in_chinese(": ".join("a" * 5000))
    assert told.count("：") == DEEPEST and len(told) == 15_000 - 2 - DEEPEST


def test_only_sentences_of_english_are_set_apart_by_a_space() -> None:
    assert in_a_row(["", "甲。", "乙。", "", "A.", "B."]) == "甲。乙。A. B."
