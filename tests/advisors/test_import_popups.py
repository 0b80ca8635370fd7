"""The toasts after an answer: what was fixed, what failed, rules and undo."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.advisors.advice import Applied, FileAdvice
from bridge.advisors.import_items import Outcome
from bridge.advisors.import_popups import MAX_COMMANDS, UNDO_MINUTES, applied_popup, undo_popup
from bridge.advisors.texts import say


def row(path: str, status: Any, reason: str = "") -> Outcome:
    return Outcome(FileAdvice(path, path.strip("/"), [], {}, {}, content="c", state="s"), status, reason)


@pytest.mark.parametrize(
    ("statuses", "title", "severity"),
    [
        (["done"], say("applied_one", "en", name="T_0"), "info"),
        (["done", "done"], say("applied_many", "en", count=2), "info"),
        (["done", "partly", "kept"], say("applied_partly", "en", done=1, count=3), "warning"),
        (["partly"], say("incomplete_one", "en", name="T_0"), "warning"),
        (["partly", "partly", "failed"], say("incomplete_many", "en", count=2), "warning"),
        (["kept"], say("applied_none", "en"), "warning"),
        (["failed", "kept"], say("applied_none", "en"), "error"),
    ],
)
def test_only_what_is_wholly_as_it_should_be_counts_as_fixed(
    statuses: list[str], title: str, severity: str
) -> None:
    rows = [row(f"/Game/Art/T_{n}.T_{n}", status, f"why {status}") for n, status in enumerate(statuses)]
    popup = applied_popup(rows, [], Applied(), "en")
    assert (popup.title, popup.severity) == (title, severity)
    told = [f"`/Game/Art/T_{n}`: why {each}" for n, each in enumerate(statuses) if each != "done"]
    assert popup.body.splitlines() == told


def test_what_an_editor_says_of_a_whole_command_is_said_once() -> None:
    rows = [row("a.png", "failed", "Busy."), row("b.png", "failed", "Locked.")]
    popup = applied_popup(rows, [("", "Busy.")], Applied(), "en")
    assert popup.body.splitlines() == ["`b.png`: Locked.", "Busy."]
    assert [item.detail for item in popup.items] == ["Busy.", "Locked."]


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
    rows = [row("a.png", "done")] * len(applied.receipts) + [row("b.png", "failed", "read-only")]
    body = applied_popup(rows, [], applied, locale, rule).body
    shown = [key for key in ("rule_kept", "rule_undone", "rule_followed")
             if say(key, locale, file="popbridge.toml") in body]  # fmt: skip
    assert shown == texts


def test_undo_is_offered_as_long_as_the_toast_is_open_and_by_command_afterwards() -> None:
    popup = applied_popup([row("a.png", "done")], [], Applied([7, 8]), "en")
    assert [action.id for action in popup.actions] == ["undo"]
    assert popup.expires_ms == UNDO_MINUTES * 60_000 and f" {UNDO_MINUTES} minutes" in popup.body
    assert "`popbridge revert 8`, `popbridge revert 7`" in popup.body
    many = applied_popup([row("a.png", "done")], [], Applied([*range(1, MAX_COMMANDS + 2)]), "en")
    assert "`popbridge receipts`" in many.body and "revert" not in many.body
    assert "revert" not in applied_popup([row("a.png", "failed", "read-only")], [], Applied(), "en").body


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
