"""Text made safe to show, and joined."""

from __future__ import annotations

import pytest

from bridge.core.text import (
    change_text,
    is_chinese,
    is_unicode,
    join_sentences,
    printable,
    printable_lines,
    value_text,
)


@pytest.mark.parametrize(("locale", "chinese"), [("zh-CN", True), ("zh_CN.UTF-8", True), ("en", False)])
def test_a_locale_is_chinese_or_not(locale: str, chinese: bool) -> None:
    assert is_chinese(locale) is chinese


def test_a_space_stands_between_sentences_unless_the_first_ends_in_chinese() -> None:
    assert join_sentences(["One.", "", "Two."]) == "One. Two."
    assert join_sentences(["一。", "二。"]) == "一。二。"


def test_control_characters_are_escaped_and_line_breaks_survive_in_lines() -> None:
    assert printable("a\x1b[0m\n") == "a\\x1b[0m\\n"
    assert printable_lines("a\x07\nb") == "a\\x07\nb"
    assert printable("名称") == "名称"


def test_bytes_that_are_not_utf_8_are_noticed() -> None:
    assert is_unicode("abc") and is_unicode("名") and not is_unicode("\udcff")


def test_a_change_shows_both_values_and_a_dash_for_none() -> None:
    assert change_text("mode", {}, {"mode": 2}) == "mode – → 2"
    assert value_text({"a": "名"}) == '{"a": "名"}'
