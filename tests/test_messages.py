"""The catalogues: everything is translated, nothing too much, and what is compiled is current."""

from __future__ import annotations

import pytest

from tools import messages


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_every_message_is_translated_with_the_same_placeholders_and_none_is_left_over(language: str) -> None:
    assert list(messages.problems(language)) == []


def test_the_compiled_catalogues_are_current() -> None:
    assert messages.stale() == []
