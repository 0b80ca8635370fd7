"""Names as they may be shown: whole in any script, and steering nothing."""

from __future__ import annotations

import pytest

from bridge.core.text import printable, printable_lines


@pytest.mark.parametrize("name", ["砖块　法线.png", "می‌خواهم.png", "क्‍ष.png", "a b\xa0c.png", "عربي.png"])
def test_a_name_in_any_script_stays_as_it_is(name: str) -> None:
    assert printable(name) == name


@pytest.mark.parametrize("letter", ["\x1b", "\x07", "\r", "\n", "\x9b", "\u202e", "\udcff", "\u2028"])
def test_what_steers_a_terminal_or_turns_a_name_round_is_escaped(letter: str) -> None:
    told = printable(f"a{letter}b")
    assert letter not in told and told.startswith("a\\") and told.endswith("b")


def test_lines_stay_lines() -> None:
    assert printable_lines("a\x1b\nb\r") == "a\\x1b\nb\\r"
