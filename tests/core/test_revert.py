"""What is put back is what is still as it was set."""

from __future__ import annotations

from typing import Any

import pytest

from accel.text import text
from bridge.core.revert import (
    OLD_ADDON,
    OLD_EDITOR,
    changed_since,
    error_text,
    file_error,
    remaining_changes,
    reverse_changes,
    revert_command,
)
from tests.messages import in_chinese


@pytest.mark.parametrize(
    ("now", "due"), [(2, True), (2.0, True), (0, True), (1, False), (None, False), ("2", False)]
)
def test_an_option_goes_back_from_what_was_set_alone(now: object, due: bool) -> None:
    found, left = remaining_changes({"mode": 0}, {"mode": 2}, {"mode": now, "other": 1})
    assert (found, bool(left)) == (({"mode": 0}, False) if due else ({}, True))


def test_what_is_left_is_named_with_both_values_in_both_languages() -> None:
    _, (said,) = remaining_changes({"a": None, "b": 1}, {"a": True, "b": 2}, {"a": "x", "b": 2})
    assert said == 'a was changed meanwhile: it is "x", not true. Left unchanged.'
    assert in_chinese(said) == 'a 期间有改动：现为 "x"，而非 true。保持不变。'


def test_an_editor_that_is_too_old_is_told_in_both_languages() -> None:
    said = in_chinese(OLD_ADDON.fill(install="popbridge install fake 'my game'"))
    assert "`popbridge install fake 'my game'`" in said and said.startswith("未撤销")
    assert in_chinese(OLD_EDITOR).startswith("未撤销：此编辑器")


def test_textures_are_put_back_by_a_command_that_older_editors_refuse() -> None:
    assert [reverse_changes(name) for name in ("texture.apply", "texture.revert", "acme.paint")] == [
        "texture.revert", "texture.revert", "acme.paint",
    ]  # fmt: skip


def test_what_nothing_is_expected_of_is_set() -> None:
    assert remaining_changes({"a": 1}, {}, {"a": 3}) == ({"a": 1}, [])


def test_a_change_expects_of_its_own_options_what_was_observed_after_them() -> None:
    before = [{"path": "a", "options": {"x": 1, "y": None}}, {"path": "b", "options": {"x": 1}}]
    after = [{"path": "a", "options": {"x": 2, "z": 3}}, "odd", {"path": "b"}]
    assert revert_command(before, after) == [{**before[0], "expected": {"x": 2}}, before[1]]


def test_what_an_earlier_try_has_taken_away_isnt_taken_away_once_more() -> None:
    before = [
        {"path": "a", "options": {"x": 1, "y": None, "z": None}},
        {"path": "b", "options": {"y": None}},
        {"path": "c", "options": {}},
    ]
    done = [[{"path": "a", "options": {"x": 1, "y": 5}}], None, [{"path": "b", "options": {"y": 5}}]]
    left = {"path": "a", "options": {"x": 1, "z": None}, "expected": {"x": 1}}
    assert revert_command(before, None, done) == [left, before[2]]
    # The import may be all that failed: what the engine has written meanwhile is nobody's edit.
    assert revert_command(before[1:2], None, done) == [{**before[1], "expected": {"y": 5}}]


def test_a_later_try_expects_what_the_ones_before_have_left() -> None:
    before = [{"path": "a", "options": {"x": 1, "y": 1}}]
    after = [{"path": "a", "options": {"x": 2, "y": 2}}]
    done = [[{"path": "a", "options": {"x": 4}}], [{"path": "a", "options": {"x": 1}}]]
    (change,) = revert_command(before, after, done)
    assert change == {**before[0], "expected": {"x": 4, "y": 2}}
    # Somebody has set it once more as the change had.
    due, left = remaining_changes(change["options"], change["expected"], {"x": 2, "y": 2})
    assert due == {"y": 1} and len(left) == 1


def test_of_what_wasnt_set_nobody_is_said_to_have_changed_it() -> None:
    _, (said,) = remaining_changes({"a": True}, {"a": None}, {"a": False})
    assert said == "a is false but wasn't set before: the engine or somebody else set it. Left unchanged."
    assert in_chinese(said) == "a 现为 false，此前未设置：可能由引擎写入，也可能有人改过。保持不变。"


@pytest.mark.parametrize("before", [[11], "odd", [{"path": "a"}], None])
@pytest.mark.parametrize("after", [None, [12], {"path": "a"}])
def test_what_no_editor_should_have_said_stays_as_it_is(before: Any, after: Any) -> None:
    assert revert_command(before, after) == before


NAN = float("nan")


@pytest.mark.parametrize(
    ("present", "says"),
    [
        ({"a": 0, "b": 1, "n": float("nan")}, ""),
        ({"a": 2, "b": 1, "n": NAN}, ""),
        ({"a": 1, "b": 1, "n": NAN}, "a is 1, not 0"),
        ({"a": 0, "b": "x", "n": NAN}, 'b is "x", not 1'),
        ({"a": 0, "n": NAN}, "b is –, not 1"),
        ({"a": 0, "b": 1, "n": NAN, "c": 0}, "c is 0, not –"),
    ],
)
def test_what_was_judged_by_settings_that_have_changed_isnt_written(
    present: dict[str, object], says: str
) -> None:
    change = {"options": {"a": 2}, "seen": {"a": 0, "b": 1, "n": NAN}}
    said = changed_since(change, present, "rock (1).import")
    assert bool(said) == bool(says) and says in said
    if said:
        assert str(said).startswith("rock (1).import was changed during the audit: ")
        assert in_chinese(said).startswith("rock (1).import 在检查期间有改动")


def test_what_nothing_was_seen_of_may_be_written() -> None:
    assert changed_since({"options": {"a": 2}}, {"a": 1}, "rock.import") == ""


def test_a_reason_keeps_its_id_and_values_in_an_answer() -> None:
    entry = file_error("a.png", text("{name} is gone.", name="a.png"))
    assert entry["message"] == "a.png is gone." and error_text(entry) == text("{name} is gone.", name="a.png")
    assert file_error("a.png", "busy") == {"path": "a.png", "message": "busy"}
    assert error_text({"message": "busy"}) == "busy"
