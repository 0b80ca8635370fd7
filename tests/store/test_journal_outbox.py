"""Answers of jobs: numbered for who waits, kept until they are acknowledged, withdrawn."""

from __future__ import annotations

from typing import Any

import pytest
from sqlite_utils import Database

from bridge.core.messages import Error, Result
from bridge.store import journal
from bridge.store.journal import Delivery
from bridge.store.records import UnreadableRow
from tests.store.jobs import asked, claim, finish, state


def test_the_answer_is_numbered_for_everybody_who_waits_and_kept_until_it_is_acknowledged(
    db: Database,
) -> None:
    for session, request in (("s", 4), ("s", 5), ("t", 4), ("u", 4)):
        journal.accept(db, asked("k"), session, request)
    (job,) = claim(db)
    delivery = finish(db, job, s=10, t=0)
    assert delivery == Delivery(
        [
            ("s", Result(id=4, seq=11, value="done")),
            ("t", Result(id=4, seq=1, value="done")),
            ("s", Result(id=5, seq=12, value="done")),
        ],
        ["u"],
    )
    assert [waiter.session for waiter in journal.waiters(db)] == ["u"]
    assert journal.deliver(db, job.id, {"u": 2}).numbered == [("u", Result(id=4, seq=3, value="done"))]
    assert journal.unacknowledged(db, "s") == [
        (Result(id=4, seq=11, value="done"), "k"),
        (Result(id=5, seq=12, value="done"), "k"),
    ]


def test_an_answer_that_nobody_can_ask_for_again_isnt_kept_nor_what_was_asked(db: Database) -> None:
    journal.accept(db, asked(), "s", 1)
    journal.accept(db, asked("k"), "s", 2)
    for job in claim(db):
        finish(db, job, s=job.id)
    rows = db.execute("SELECT answer IS NULL, params, inputs FROM jobs ORDER BY id").fetchall()
    assert rows == [(1, b"", b""), (0, b"", b"")]


def withdraw(db: Database, session: str, request: int, last: int = 0) -> Any:
    error = Error(id=request, code="cancelled", message="Cancelled.", outcome="unknown")
    return journal.withdraw(db, session, error, last, "cancelled")


def test_the_last_who_withdraws_ends_the_job_and_frees_its_key(db: Database) -> None:
    for session in ("s", "t"):
        journal.accept(db, asked("k"), session, 1)
    (job,) = claim(db)
    first = withdraw(db, "s", 1, last=4)
    assert (first.message.seq, first.ended) == (5, None)
    assert journal.unacknowledged(db, "s") == [(first.message, "k")]
    assert state(db, job.id) == "leased"
    assert withdraw(db, "s", 1) is None
    assert withdraw(db, "t", 1).ended == job.id
    assert state(db, job.id) == "cancelled"
    assert finish(db, job) is None
    assert journal.accept(db, asked("k", digest=b"2"), "s", 2).is_new


def test_a_withdrawal_says_that_nothing_began_where_that_is_certain(db: Database) -> None:
    for session, key in (("s", "k"), ("t", "k"), ("s2", None)):
        journal.accept(db, asked(key), session, 1)
    # Somebody else waits for it, so that it will be done.
    assert withdraw(db, "s", 1).message.outcome == "unknown"
    assert withdraw(db, "t", 1).message.outcome == "not_started"
    assert journal.unacknowledged(db, "t")[0][0].outcome == "not_started"  # type: ignore[union-attr]
    (job,) = claim(db)
    journal.retry(db, job, "me", crashed=True)
    assert withdraw(db, "s2", 1).message.outcome == "unknown"


def test_an_answer_that_is_there_is_quicker_than_a_withdrawal(db: Database) -> None:
    journal.accept(db, asked("k"), "s", 1)
    (job,) = claim(db)
    finish(db, job)
    assert withdraw(db, "s", 1) is None
    assert journal.deliver(db, job.id, {"s": 0}).numbered


def test_numbers_are_reserved_before_they_are_given(db: Database) -> None:
    db.table("sessions").insert(
        {"id": "s", "token_digest": "", "seq_reserved": 10, "acked": 0, "identify": b"", "closed": 0}
    )
    for number in range(2):
        journal.accept(db, asked(), "s", number)
    first, second = claim(db)
    reserved = "SELECT seq_reserved FROM sessions"
    finish(db, first, s=9)
    assert db.execute(reserved).fetchone() == (10,)
    finish(db, second, s=10)
    assert db.execute(reserved).fetchone()[0] > 1000


def test_who_waits_and_cant_be_read_is_told_and_costs_nobody_else_the_answer(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    for request in (1, 2):
        journal.accept(db, asked(), "s", request)
    db.execute("UPDATE waiters SET deadline_ms = 'soon' WHERE request = 1")
    assert [waiter.request for waiter in journal.waiters(db)] == [2]
    assert "request 1 of session 's'" in caplog.text and "popbridge db check" in caplog.text


@pytest.mark.parametrize("damage", ["message = x'c1'", "message = x'81a1ff01'", "message = 'x'", "seq = 9"])
def test_an_answer_that_isnt_what_was_kept_isnt_taken_for_one(db: Database, damage: str) -> None:
    journal.accept(db, asked(), "s", 1)
    (job,) = claim(db)
    finish(db, job, s=3)
    db.execute(f"UPDATE outbox SET {damage}")
    with pytest.raises(UnreadableRow, match="of session s in outbox"):
        journal.unacknowledged(db, "s")
