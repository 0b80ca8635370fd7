"""What a change really did counts, not what its adapter or editor says."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core import verification
from bridge.core.revert import error_text
from bridge.core.verification import as_changes, by_path, is_same, verify_result
from tests.messages import in_chinese

ASKED = [{"path": "a", "options": {"x": 2, "y": True}}]
WAS = {"a": {"x": 1, "y": False}}
DONE = {"a": {"x": 2, "y": True}}


def told(path: str, **options: Any) -> list[dict[str, Any]]:
    return [{"path": path, "options": options}]


def ids(result: dict[str, Any]) -> list[str]:
    """The sentences of the errors."""
    return [getattr(error_text(each), "id", str(error_text(each))) for each in result["errors"]]


HONEST = {"before": told("a", x=1, y=False), "after": told("a", x=2, y=True), "errors": []}


def test_an_honest_report_stays_as_it_is() -> None:
    assert verify_result(ASKED, HONEST, WAS, DONE) == HONEST
    # Nothing can be read here.
    assert verify_result(ASKED, HONEST, {}, {}) == HONEST


def test_a_report_of_what_was_never_written_is_told_with_the_values_and_reverts_nothing() -> None:
    result = verify_result(ASKED, HONEST, WAS, WAS)
    assert (result["before"], result["after"]) == ([], [])
    assert ids(result) == [verification.FALSE_REPORT.id] * 2
    said = error_text(result["errors"][0])
    assert said == "The editor reported x as 2, but it is 1; 2 was asked for."
    assert in_chinese(said) == "编辑器报告 x 为 2，实际为 1；要求为 2。"


def test_a_report_of_something_else_than_was_written_is_told_and_that_can_be_reverted() -> None:
    result = verify_result(ASKED, HONEST, WAS, {"a": {"x": 7, "y": True}})
    assert (result["before"], result["after"]) == (told("a", x=1, y=False), told("a", x=7, y=True))
    assert ids(result) == [verification.FALSE_REPORT.id]


def test_an_option_that_didnt_change_is_told_and_left_out_those_beside_it_arent() -> None:
    report = {"before": told("a", x=1, y=False), "after": told("a", x=1, y=True)}
    for before, after in ((WAS, {"a": {"x": 1, "y": True}}), ({}, {})):
        result = verify_result(ASKED, report, before, after)
        assert (result["before"], result["after"]) == (told("a", y=False), told("a", y=True))
        assert ids(result) == [verification.UNCHANGED.id]
    changed = {"before": told("a", x=1, y=False), "after": told("a", x=5, y=True)}
    assert ids(verify_result(ASKED, changed, WAS, {"a": {"x": 5, "y": True}})) == [verification.NOT_SET.id]


def test_a_file_that_nobody_reports_on_is_looked_at() -> None:
    assert verify_result(ASKED, None, WAS, DONE) == HONEST
    result = verify_result(ASKED, {"errors": None}, WAS, WAS)
    assert result["after"] == [] and ids(result) == [verification.UNCHANGED.id] * 2
    assert ids(verify_result(ASKED, {}, {}, {})) == [verification.NO_RESULT.id]


def test_what_the_reporter_explains_isnt_told_twice() -> None:
    error = {"path": "a", "message": "read-only"}
    for observed in (WAS, {}):
        result = verify_result(ASKED, {"errors": [error, "odd"]}, observed, observed)
        assert result == {"before": [], "after": [], "errors": [error]}
    # What it refused isn't in what it reports: the rest was set.
    report = {"before": told("a", y=False), "after": told("a", y=True), "errors": [error]}
    result = verify_result(ASKED, report, WAS, {"a": {"x": 1, "y": True}})
    assert result == {"before": told("a", y=False), "after": told("a", y=True), "errors": [error]}


def test_before_is_what_was_read_and_a_report_without_it_or_against_it_is_told() -> None:
    missing = verify_result(ASKED, {"after": HONEST["after"]}, WAS, DONE)
    assert missing["before"] == HONEST["before"] and ids(missing) == [verification.NO_BEFORE.id]
    unread = verify_result(ASKED, {"after": HONEST["after"]}, {}, {})
    assert unread["before"] == [] and unread["after"] == HONEST["after"]
    assert ids(unread) == [verification.NO_BEFORE.id]
    wrong = verify_result(ASKED, {**HONEST, "before": told("a", x=9, y=False)}, WAS, DONE)
    assert wrong["before"] == HONEST["before"] and ids(wrong) == [verification.FALSE_BEFORE.id]
    assert error_text(wrong["errors"][0]) == ("The editor reported x as 9 before the change, but it was 1.")


def test_what_changed_beside_what_was_asked_for_is_kept() -> None:
    report = {"before": told("a", x=1, y=False, z=3), "after": told("a", x=2, y=True, z=4)}
    result = verify_result(ASKED, report, WAS, {"a": {"x": 2, "y": True, "z": 4}})
    assert (result["before"], result["errors"]) == (told("a", z=3, x=1, y=False), [])
    assert result["after"] == told("a", z=4, x=2, y=True)
    other = {"before": told("b", x=1), "after": told("b", x=2)}
    assert verify_result([], other, {}, {}) == {**other, "errors": []}
    assert verify_result([], {**other, "after": []}, {}, {}) == {**other, "after": [], "errors": []}


def test_where_all_settings_were_observed_no_report_stands_in_their_place() -> None:
    was, now = {"a": {"x": 1, "y": False, "z": 3, "n": 0}}, {"a": {"x": 2, "y": True, "z": 4, "n": 0}}
    forged = {
        "before": [*told("a", x=9, z=8, n=7, extra="forged"), *told("b", x=1)],
        "after": [*told("a", x=2, y=True, z=4, n=0), *told("b", x=2)],
    }
    result = verify_result(ASKED, forged, was, now, whole=True)
    assert (result["before"], result["after"]) == (told("a", z=3, x=1, y=False), told("a", z=4, x=2, y=True))
    assert ids(result) == [verification.FALSE_BEFORE.id] * 4 + [verification.NOT_ASKED.id]
    # Nor if its file can't be read any more afterwards.
    gone = verify_result(ASKED, forged, was, {}, whole=True)
    assert gone["before"] == told("a", x=1, z=3, n=0, extra=None, y=False)
    # Nothing can be read here, so there is only the report.
    remote = verify_result(ASKED, forged, {}, {}, whole=True)
    assert remote["before"] == forged["before"] and remote["after"] == forged["after"]


def test_an_engine_may_write_a_default_where_an_option_was_removed() -> None:
    removal = told("a", x=None)
    report = {"before": told("a", x=1), "after": told("a", x=0)}
    assert verify_result(removal, report, {"a": {"x": 1}}, {"a": {"x": 0}})["errors"] == []
    assert verify_result(removal, None, {"a": {"x": 1}}, {"a": {}})["errors"] == []
    assert ids(verify_result(removal, None, {"a": {"x": 1}}, {"a": {"x": 1}})) == [verification.UNCHANGED.id]
    lie = {"before": told("a", x=1), "after": told("a", x=None)}
    assert ids(verify_result(removal, lie, {"a": {"x": 1}}, {"a": {"x": 1}})) == [
        verification.FALSE_REPORT.id
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(1, 1.0, True), (1, True, False), (True, True, True), (None, None, True), (None, False, False),
     (float("nan"), float("nan"), True), ("1", 1, False)],
)  # fmt: skip
def test_values_are_compared_as_engines_do(one: Any, other: Any, same: bool) -> None:
    assert is_same(one, other) is same


def test_settings_by_path_are_read_from_a_list_whatever_else_is_in_it() -> None:
    odd = ["x", {"path": 1, "options": {}}, {"path": "a"}, {"path": "a", "options": {"x": 1}}]
    assert by_path([*odd, {"path": "a", "options": {"y": 2}}]) == {"a": {"x": 1, "y": 2}}
    assert by_path("odd") == {} and as_changes({"a": {"x": 1}}) == told("a", x=1)
