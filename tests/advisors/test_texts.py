"""Both languages say the same."""

from __future__ import annotations

from string import Formatter

import pytest

from bridge.advisors.texts import TEXTS, say


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("key", TEXTS)
def test_each_sentence_names_the_same_numbers_in_both_languages(key: str) -> None:
    text = TEXTS[key]
    assert placeholders(text.en) == placeholders(text.zh)
    assert text.en.strip() and text.zh.strip() and text.en != text.zh


@pytest.mark.parametrize(
    ("locale", "expected"),
    [("zh-CN", "应用"), ("zh_TW", "应用"), ("en", "Apply"), ("de-DE", "Apply"), ("", "Apply")],
)
def test_chinese_editors_read_chinese_and_all_others_english(locale: str, expected: str) -> None:
    assert say("apply", locale) == expected
