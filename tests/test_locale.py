"""Texts in the reader's language."""

from __future__ import annotations

import pytest

from accel.text import plural, text
from bridge.locale import language_of, look_up, translate


@pytest.mark.parametrize(
    ("locale", "language"),
    [("zh", "zh_CN"), ("zh-CN", "zh_CN"),
     ("zh_CN.UTF-8", "zh_CN"), ("ZH-hans", "zh_CN"), ("zh.utf8", "zh_CN"),
     ("en", ""), ("C", ""), ("", ""), ("zha", ""), ("de_DE.UTF-8", "")],
)  # fmt: skip
def test_a_locale_reads_the_catalogue_of_its_language(locale: str, language: str) -> None:
    assert language_of(locale) == language


def test_what_isnt_translated_stays_english_and_a_plain_string_as_it_is() -> None:
    assert translate(text("{n} odd {what}", n=2, what="things"), "zh") == "2 odd things"
    assert translate("the disk is full", "zh") == "the disk is full"
    assert look_up("odd words", "zh") == "odd words"


def test_texts_within_texts_are_translated_and_lists_joined_as_the_language_does() -> None:
    said = text(
        "{reason} ({details})", reason=text("the disk is full"), details=text("{x}", x=["a", text("text")])
    )
    assert translate(said, "en") == "the disk is full (a, text)"
    assert translate(said, "zh") == "磁盘已满（a、文本）"


def test_a_count_takes_the_form_of_its_language() -> None:
    one, two = (plural("{n} session", "{n} sessions", n) for n in (1, 2))
    assert [translate(each, "en") for each in (one, two)] == ["1 session", "2 sessions"]
    assert [translate(each, "zh") for each in (one, two)] == ["1 个会话", "2 个会话"]
