"""A sentence in two languages."""

from __future__ import annotations

import pytest

from bridge.core.texts import Text, is_chinese


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
