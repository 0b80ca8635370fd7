"""The toasts after an answer: what was fixed, what failed, rules and undo."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.advisors.advice import Applied
from bridge.advisors.import_popups import MAX_COMMANDS, UNDO_MINUTES, applied_popup, undo_popup
from bridge.advisors.texts import say


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
@pytest.mark.parametrize(
    ("rule", "applied", "texts"),
    [
        ("rule_kept", Applied([1], [("a", "no_mipmaps")]), ["rule_kept", "rule_undone"]),
        ("rule_kept", Applied(), ["rule_kept"]),
        ("rule_followed", Applied([1]), ["rule_followed"]),
        ("rule_followed", Applied(), []),
        ("", Applied([1]), []),
    ],
)
def test_a_rule_is_mentioned_if_it_was_made_or_followed(
    rule: Any, applied: Applied, texts: list[str], locale: str
) -> None:
    paths = ["a.png"] * len(applied.receipts)
    body = applied_popup(paths, [("b.png", "read-only")], applied, locale, rule).body
    shown = [key for key in ("rule_kept", "rule_undone", "rule_followed")
             if say(key, locale, file="popbridge.toml") in body]  # fmt: skip
    assert shown == texts


def test_undo_is_offered_as_long_as_the_toast_is_open_and_by_command_afterwards() -> None:
    popup = applied_popup(["a.png"], [], Applied([7, 8]), "en")
    assert [action.id for action in popup.actions] == ["undo"]
    assert popup.expires_ms == UNDO_MINUTES * 60_000 and f" {UNDO_MINUTES} minutes" in popup.body
    assert "`popbridge revert 8`, `popbridge revert 7`" in popup.body
    many = applied_popup(["a.png"], [], Applied([*range(1, MAX_COMMANDS + 2)]), "en")
    assert "`popbridge receipts`" in many.body and "revert" not in many.body
    assert "revert" not in applied_popup([], [("a.png", "read-only")], Applied(), "en").body


def test_an_editors_words_never_become_a_link() -> None:
    popup = applied_popup([], [("a.png", "see [here](http://evil) **now**")], Applied(), "en")
    assert popup.body == "`a.png`: see [here] (http://evil) *now*"


def test_the_errors_of_one_file_share_a_line() -> None:
    option_errors = [("a.png", f"option {number} has changed.") for number in range(3)]
    other_errors = [("", "the editor is gone"), ("", "it is busy")]
    body = undo_popup([*option_errors, ("b.png", "read-only"), *other_errors], "en", partly=True).body
    assert body.splitlines() == [
        "`a.png`: option 0 has changed. option 1 has changed. option 2 has changed.",
        "`b.png`: read-only",
        "the editor is gone",
        "it is busy",
    ]
    many = [(f"{number}.png", said) for number in range(8) for said in ("已改。", "仍在。")]
    *lines, more = undo_popup(many, "zh-CN", partly=True).body.splitlines()
    assert len(lines) == 6 and lines[0] == "`0.png`: 已改。仍在。" and "2" in more
