"""Who waits for which job, and the numbered answers that weren't acknowledged; works for `Store.write`."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlite_utils import Database

from bridge.core.messages import Error, Result
from bridge.store import journal
from bridge.store.failures import Unreadable
from bridge.store.journal import Accepted, Asked, Ended
from bridge.store.records import pack, unpack
from bridge.store.sessions import SEQ_BLOCK

log = logging.getLogger(__name__)

Answer = Result | Error


class Delivery(Struct, frozen=True):
    """Answers that have their numbers, and those that have none yet."""

    numbered: Sequence[tuple[str, Answer]] = ()
    """By session, in the order of their numbers."""
    left: Sequence[str] = ()
    """Sessions that wait for the same job, whose last number wasn't known."""


class Waiter(Struct, frozen=True):
    """An open request, as it outlives the daemon."""

    session: str
    request: int
    key: str | None
    workload: str
    deadline_ms: int | None
    is_finished: bool
    """Whether its job has an answer."""
    job: int


def accept(
    db: Database, asked: Asked, session: str, request: int, has_outputs: Callable[[Answer], bool]
) -> Accepted:
    """As `journal.accept`; a finished job is done anew where a file that it made isn't there any more."""
    accepted = journal.accept(db, asked, session, request)
    answer = answer_of(db, accepted.job) if accepted.is_finished else None
    if answer is None or has_outputs(answer) or not journal.reopen(db, accepted.job, asked):
        return accepted
    return Accepted(accepted.job, True, False)


def deliver(db: Database, job: int, last: Mapping[str, int]) -> Delivery:
    """Numbers a finished job's answer for all who wait for it; `last` is the last number by session.

    Nothing else may be numbered in these sessions until the answers are.
    """
    execute = db.conn.execute
    last = dict(last)
    numbered: list[tuple[str, Answer]] = []
    left = []
    waiters = execute(
        "SELECT session, request FROM waiters WHERE job = ? ORDER BY request", (job,)
    ).fetchall()
    answer = answer_of(db, job)
    if answer is None:
        return Delivery()
    for session, request in waiters:
        if session not in last:
            left.append(session)
            continue
        last[session] += 1
        message = replace(answer, id=request, seq=last[session])
        _keep(db, session, message)
        numbered.append((session, message))
    if not left:
        # Nobody can ask for it once more.
        execute("UPDATE jobs SET answer = NULL WHERE id = ? AND key IS NULL", (job,))
    return Delivery(numbered, sorted(set(left)))


def finish(
    db: Database,
    job: journal.Job,
    owner: str,
    state: Ended,
    answer: Answer,
    last: Mapping[str, int],
    *,
    frees_key: bool,
) -> Delivery | None:
    """Ends a job and numbers its answer at once; None where `owner` doesn't hold this lease any more."""
    if not journal.end(db, job, owner, state, pack(answer), frees_key=frees_key):
        return None
    return deliver(db, job.id, last)


class Withdrawal(Struct, frozen=True):
    """What became of a request that is no longer waited for."""

    message: Error
    """Its answer, numbered."""
    ended: int | None
    """Its job, if nobody else waits for that: it was given up."""


def withdraw(db: Database, session: str, error: Error, last: int, state: Ended) -> Withdrawal | None:
    """Answers the waiting request `error.id` by `error`, and gives its job up if nobody else waits for it.

    One that was never leased hasn't begun, which the answer then says. None where it isn't waiting any more,
    or where the job's own answer is there.
    """
    execute = db.conn.execute
    found = execute(
        "SELECT id, finished IS NULL, fence FROM jobs "
        "WHERE id = (SELECT job FROM waiters WHERE session = ? AND request = ?)",
        (session, error.id),
    ).fetchone()
    if found is None or not found[1]:
        return None
    job, _, fence = found
    shared = execute(
        "SELECT 1 FROM waiters WHERE job = ? AND NOT (session = ? AND request = ?)", (job, session, error.id)
    ).fetchone()
    message = replace(error, seq=last + 1)
    if not shared:
        journal.give_up(db, job, state)
        if not fence:
            message.outcome = "not_started"
    _keep(db, session, message)
    return Withdrawal(message, None if shared else job)


def _keep(db: Database, session: str, message: Answer) -> None:
    """Keeps an answer under its number, in the place of who waits for it."""
    assert isinstance(message.seq, int)
    execute = db.conn.execute
    execute(
        "INSERT INTO outbox (session, seq, key, message) "
        "SELECT session, ?, key, ? FROM waiters WHERE session = ? AND request = ?",
        (message.seq, pack(message), session, message.id),
    )
    execute("DELETE FROM waiters WHERE session = ? AND request = ?", (session, message.id))
    execute(
        "UPDATE sessions SET seq_reserved = ? WHERE id = ? AND seq_reserved < ?",
        (message.seq + SEQ_BLOCK, session, message.seq),
    )


def answer_of(db: Database, job: int) -> Answer | None:
    """A finished job's answer, without id and number."""
    found = db.conn.execute(
        "SELECT answer FROM jobs WHERE id = ? AND finished IS NOT NULL", (job,)
    ).fetchone()
    return None if found is None else unpack(found[0], Answer)


def job_of(db: Database, session: str, request: int) -> int | None:
    """What a request waits for; None where it doesn't wait any more."""
    row = db.conn.execute("SELECT job FROM waiters WHERE session = ? AND request = ?", (session, request))
    found = row.fetchone()
    return None if found is None else int(found[0])


def waiting_for(connection: sqlite3.Connection, job: int) -> list[tuple[str, int]]:
    """The sessions and requests that wait for a job."""
    rows = connection.execute("SELECT session, request FROM waiters WHERE job = ?", (job,))
    return rows.fetchall()


def forget_waiters(db: Database, session: str) -> None:
    """Nobody in a session waits any more; the jobs go on."""
    db.conn.execute("DELETE FROM waiters WHERE session = ?", (session,))


def unacknowledged(db: Database, session: str) -> list[tuple[Answer, str | None]]:
    """A session's answers that its client may not have handled, in the order of their numbers, with the keys
    of what was asked."""
    rows = db.conn.execute("SELECT seq, message, key FROM outbox WHERE session = ? ORDER BY seq", (session,))
    return [_unacknowledged(session, *row) for row in rows.fetchall()]


def _unacknowledged(session: str, seq: int, message: bytes, key: str | None) -> tuple[Answer, str | None]:
    try:
        answer = unpack(message, Answer)
        if not isinstance(answer.id, int) or answer.seq != seq:
            raise msgspec.DecodeError("it is another's answer")
    except msgspec.DecodeError as error:
        raise Unreadable(f"answer {seq} of session {session} in outbox: {error}") from None
    return answer, key


def forget_strangers(db: Database) -> None:
    """After a start: nobody comes back for what belongs to sessions that aren't there."""
    for table in ("waiters", "outbox"):
        db.conn.execute(
            f"DELETE FROM {table} WHERE session NOT IN (SELECT id FROM sessions WHERE closed = 0)"
        )


def waiters(db: Database) -> list[Waiter]:
    """All open requests, save those that can't be read any more, which is logged."""
    rows = db.conn.execute(
        "SELECT session, request, w.key, workload, w.deadline_ms, finished IS NOT NULL, job "
        "FROM waiters w JOIN jobs ON jobs.id = w.job ORDER BY session, request"
    ).fetchall()
    found = []
    for row in rows:
        values = dict(zip(Waiter.__struct_fields__, row, strict=True))
        try:
            found.append(msgspec.convert(values, Waiter, strict=False))
        except msgspec.ValidationError as error:
            log.error(
                "request %r of session %r isn't waited for any more: popbridge.db is damaged (%s); "
                "stop the bridge and run `popbridge db check`",
                values["request"], values["session"], error,
            )  # fmt: skip
    return found
