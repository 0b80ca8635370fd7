"""Marks: what advisors have settled, by project."""

from __future__ import annotations

import pytest
from sqlite_utils import Database

from bridge.store import sessions
from bridge.store.sessions import MarkStore


def test_marks_are_kept_once_by_advisor_and_project(db: Database) -> None:
    store = MarkStore(db)
    for some in ([b"a", b"b"], [b"b", b"c"], []):
        store.add("imports", "p", some)
    store.add("imports", "q", [b"d"])
    store.add("names", "p", [b"e"])
    assert store.of("imports", "p") == {b"a", b"b", b"c"}
    assert store.of("imports", "unknown") == set()


def test_of_too_many_the_earliest_go(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_MARKS", 10)
    store = MarkStore(db)
    store.add("imports", "q", [b"other"])
    for number in range(11):
        store.add("imports", "p", [b"%d" % number])
    assert store.of("imports", "p") == {b"%d" % number for number in range(2, 11)}
    assert store.of("imports", "q") == {b"other"}


def test_one_that_is_damaged_hides_no_other(db: Database) -> None:
    store = MarkStore(db)
    store.add("imports", "p", [b"a", b"b", b"c"])
    db.conn.execute("UPDATE marks SET mark = CAST(x'ff' AS TEXT) WHERE mark = x'62'")
    assert store.of("imports", "p") == {b"a", b"\xff", b"c"}
