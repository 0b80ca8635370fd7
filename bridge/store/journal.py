"""The journal of durable requests: jobs, the requests waiting for them, and unacknowledged answers."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlite_utils import Database

from bridge.core import errors
from bridge.core.errors import RequestError
from bridge.core.messages import Error, Result
from bridge.store.column_encryption import (
    is_digest,
    next_id,
    opened,
    seal,
    sealed,
    stored_digest,
    unseal,
)
from bridge.store.records import UnreadableRow, now_text, pack, unpack
from bridge.store.sessions import SEQ_BLOCK

MAX_CLAIM = 512
"""Maximum number of jobs per priority that one claim leases."""

Ended = Literal["done", "failed", "cancelled"]


class Asked(Struct, frozen=True, kw_only=True):
    """A durable request as stored."""

    scope: str
    """Namespace of its key: the project's id, or empty."""
    key: str | None
    digest: bytes
    """From `bridge.core.router.digest`."""
    workload: str
    priority: int
    """0 is the most urgent."""
    deadline_ms: int | None
    deadline: float | None
    """The latest start, in seconds of this daemon's monotonic clock."""
    cache: bool
    root: str | None
    params: bytes
    inputs: bytes


class Accepted(Struct, frozen=True):
    """The job that a request is waiting for."""

    job: int
    is_new: bool
    """Whether this request created or reopened the job."""
    is_finished: bool
    """Whether the job has an answer."""


class JournalEntry(Struct, frozen=True, kw_only=True):
    """A job leased to a daemon."""

    id: int
    fence: int
    """Fencing token. It rises with each lease, so that the holder of an earlier lease can't end the job."""
    workload: str
    priority: int
    crashes: int
    """Number of worker crashes caused by the job."""
    deaths: float
    """Number of daemons killed while running it, each divided among all jobs leased at the time."""
    deadline_ms: int | None
    deadline: float | None
    cache: bool
    root: str | None
    params: bytes
    inputs: bytes
    sessions: Sequence[str] = ()
    """Sessions that are waiting for it."""
    unreadable: str = ""
    """The error, if its row is damaged."""


FIELDS = [name for name in JournalEntry.__struct_fields__ if name not in ("sessions", "unreadable")]


def accept(db: Database, asked: Asked, session: str, request: int) -> Accepted:
    """Stores a request as a new job or joins the job with its key. Raises RequestError `key_reused`."""
    execute = db.conn.execute
    found = None
    if asked.key is not None:
        found = execute(
            "SELECT id, digest, state FROM jobs WHERE scope = ? AND key = ?", (asked.scope, asked.key)
        ).fetchone()
    if found is None:
        job, is_finished = _insert(db, asked), False
    else:
        job, digest, state = found
        if not is_digest(db.conn, digest, asked.digest):
            raise RequestError(errors.KEY_REUSED, key=asked.key)
        is_finished = state not in ("waiting", "leased")
        if not is_finished:
            _join(db, asked, job)
    execute(
        "INSERT OR REPLACE INTO waiters (session, request, job, key, deadline_ms) VALUES (?, ?, ?, ?, ?)",
        (session, request, job, asked.key, asked.deadline_ms),
    )
    return Accepted(job, found is None, is_finished)


def _insert(db: Database, asked: Asked) -> int:
    job = next_id(db.conn, "jobs")
    row = {**msgspec.structs.asdict(asked), "id": job, "state": "waiting", "created": now_text()}
    row["digest"] = stored_digest(db.conn, asked.digest)
    row = sealed(db.conn, "jobs", row)
    places = ", ".join("?" * len(row))
    db.conn.execute(f"INSERT INTO jobs ({', '.join(row)}) VALUES ({places})", list(row.values()))
    return job


def _join(db: Database, asked: Asked, job: int) -> None:
    # A job gets the highest priority and latest deadline of its requests.
    db.conn.execute(
        "UPDATE jobs SET priority = min(priority, ?), deadline_ms = max(deadline_ms, ?), "
        "deadline = max(deadline, ?) WHERE id = ?",
        (asked.priority, asked.deadline_ms, asked.deadline, job),
    )


def claim(
    db: Database, owner: str, rooms: Sequence[float], cost: Callable[[str], float]
) -> list[JournalEntry]:
    """Leases waiting jobs to `owner` and returns them.

    `rooms` is the capacity by priority, and `cost` returns how much of it a workload's job takes. Jobs with
    fewer `deaths` come first, then older ones.
    """
    jobs = []
    for priority, room in enumerate(rooms):
        if room > 0:
            for job in _next(db, priority, room, cost):
                jobs.append(_lease(db, owner, job, priority))
    return jobs


def _next(db: Database, priority: int, room: float, cost: Callable[[str], float]) -> list[int]:
    waiting = db.conn.execute(
        "SELECT id, workload FROM jobs WHERE state = 'waiting' AND priority = ? ORDER BY deaths, id LIMIT ?",
        (priority, MAX_CLAIM),
    )
    chosen = []
    for job, workload in waiting:
        chosen.append(job)
        room -= cost(workload)
        if room <= 0:
            break
    waiting.close()
    return chosen


def _lease(db: Database, owner: str, job: int, priority: int) -> JournalEntry:
    row = db.conn.execute(
        "UPDATE jobs SET state = 'leased', owner = ?, fence = fence + 1 WHERE id = ? AND state = 'waiting' "
        f"RETURNING {', '.join(FIELDS)}",
        (owner, job),
    ).fetchone()
    sessions = db.conn.execute("SELECT DISTINCT session FROM waiters WHERE job = ?", (job,)).fetchall()
    waiting = [session for (session,) in sessions if isinstance(session, str)]
    values = dict(zip(FIELDS, row, strict=True))
    try:
        found = {**opened(db.conn, "jobs", values), "sessions": waiting}
        return msgspec.convert(found, JournalEntry, strict=False)
    except (msgspec.ValidationError, UnreadableRow) as error:
        # Lease it anyway, so that it is answered with an error.
        return JournalEntry(
            id=job, fence=values["fence"], workload="", priority=priority, crashes=0, deaths=0.0,
            deadline_ms=None, deadline=None, cache=False, root=None, params=b"", inputs=b"",
            sessions=waiting, unreadable=str(error),
        )  # fmt: skip


def end(db: Database, job: JournalEntry, owner: str, state: Ended, answer: bytes, *, frees_key: bool) -> bool:
    """Stores a job's answer. Returns False if `owner` no longer has this lease."""
    changed = db.conn.execute(
        f"{END_JOB} WHERE id = :id AND owner = :owner AND fence = :fence AND state = 'leased'",
        {
            "id": job.id,
            "owner": owner,
            "fence": job.fence,
            "state": state,
            "answer": seal(db.conn, "jobs", (job.id,), "answer", answer),
            "free": frees_key,
        },
    )
    return changed.rowcount == 1


def give_up(db: Database, job: int, state: Ended) -> None:
    """Ends an unfinished job that no request is waiting for, and frees its key."""
    values = {"id": job, "state": state, "answer": None, "free": True}
    db.conn.execute(f"{END_JOB} WHERE id = :id", values)


# Parameters and inputs are no longer needed and would keep blobs alive.
END_JOB = (
    "UPDATE jobs SET state = :state, answer = :answer, owner = NULL, params = x'', inputs = x'', "
    "key = CASE WHEN :free THEN NULL ELSE key END, finished = (SELECT seconds FROM uptime)"
)


def reopen(db: Database, job: int, asked: Asked) -> bool:
    """Queues a finished job again with the values of `asked`. Returns False if it isn't finished."""
    row = {**msgspec.structs.asdict(asked), "id": job}
    changed = db.conn.execute(
        "UPDATE jobs SET state = 'waiting', answer = NULL, finished = NULL, crashes = 0, deaths = 0, "
        "priority = :priority, deadline_ms = :deadline_ms, deadline = :deadline, root = :root, "
        "params = :params, inputs = :inputs WHERE id = :id AND finished IS NOT NULL",
        sealed(db.conn, "jobs", row),
    )
    return changed.rowcount == 1


def retry(db: Database, job: JournalEntry, owner: str, *, crashed: bool) -> bool:
    """Queues a leased job again. Returns False if `owner` no longer has this lease."""
    changed = db.conn.execute(
        "UPDATE jobs SET state = 'waiting', owner = NULL, crashes = crashes + ? "
        "WHERE id = ? AND owner = ? AND fence = ? AND state = 'leased'",
        (crashed, job.id, owner, job.fence),
    )
    return changed.rowcount == 1


def extend(db: Database, job: JournalEntry, owner: str) -> bool:
    """Queues a leased job again if a later request extended its deadline. Returns whether it did."""
    changed = db.conn.execute(
        "UPDATE jobs SET state = 'waiting', owner = NULL WHERE id = ? AND owner = ? AND fence = ? "
        "AND state = 'leased' AND ? IS NOT NULL AND (deadline IS NULL OR deadline > ?)",
        (job.id, owner, job.fence, job.deadline, job.deadline),
    )
    return changed.rowcount == 1


def release(db: Database, owner: str) -> int:
    """Queues all jobs leased to `owner` again and returns their number."""
    return db.conn.execute(
        "UPDATE jobs SET state = 'waiting', owner = NULL WHERE state = 'leased' AND owner = ?", (owner,)
    ).rowcount


def recover(db: Database, owner: str, now: float) -> int:
    """Queues the jobs leased to earlier daemons again, and restarts deadlines at `now`.

    Returns how many were leased.
    """
    requeued = db.conn.execute(
        "UPDATE jobs SET state = 'waiting', owner = NULL, deaths = deaths + 1.0 / "
        "(SELECT count(*) FROM jobs WHERE state = 'leased' AND owner != :me) "
        "WHERE state = 'leased' AND owner != :me",
        {"me": owner},
    ).rowcount
    db.conn.execute(
        "UPDATE jobs SET deadline = ? + deadline_ms / 1000.0 "
        "WHERE finished IS NULL AND deadline_ms IS NOT NULL",
        (now,),
    )
    return requeued


def counts(db: Any) -> dict[str, int]:
    """Returns the number of jobs by state."""
    return dict(db.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())


def sweep(db: Database, uptime_s: float, keep_s: float, limit: int = 1000) -> int:
    """Deletes up to `limit` jobs that finished more than `keep_s` ago, and returns their number.

    Time is counted in seconds of uptime, because the wall clock can be set; `uptime_s` is the time since the
    last sweep. Jobs with waiting requests stay.
    """
    db.conn.execute("UPDATE uptime SET seconds = seconds + ?", (uptime_s,))
    return db.conn.execute(
        "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE finished < (SELECT seconds FROM uptime) - ? "
        "AND NOT EXISTS (SELECT 1 FROM waiters WHERE job = jobs.id) LIMIT ?)",
        (keep_s, limit),
    ).rowcount


log = logging.getLogger(__name__)

Answer = Result | Error


class Delivery(Struct, frozen=True):
    """Numbered answers, and the sessions for which none could be numbered."""

    numbered: Sequence[tuple[str, Answer]] = ()
    """Sessions and answers, in the order of `seq`."""
    left: Sequence[str] = ()
    """Sessions that are waiting for the job but whose last `seq` wasn't given."""


class Waiter(Struct, frozen=True):
    """An open durable request."""

    session: str
    request: int
    key: str | None
    workload: str
    deadline_ms: int | None
    is_finished: bool
    """Whether its job has an answer."""
    job: int


def accept_request(
    db: Database, asked: Asked, session: str, request: int, has_outputs: Callable[[Answer], bool]
) -> Accepted:
    """Like `accept`, but reopens a finished job if one of its output files no longer exists."""
    accepted = accept(db, asked, session, request)
    answer = answer_of(db, accepted.job) if accepted.is_finished else None
    if answer is None or has_outputs(answer) or not reopen(db, accepted.job, asked):
        return accepted
    return Accepted(accepted.job, True, False)


def deliver(db: Database, job: int, last: Mapping[str, int], answer: Answer | None = None) -> Delivery:
    """Numbers and stores a finished job's answer for its requests; `last` has the last `seq` by session.
    Without `answer`, it is read.

    The caller must not number anything else in these sessions in the meantime.
    """
    execute = db.conn.execute
    last = dict(last)
    numbered: list[tuple[str, Answer]] = []
    left = []
    waiters = execute(
        "SELECT session, request FROM waiters WHERE job = ? ORDER BY request", (job,)
    ).fetchall()
    answer = answer_of(db, job) if answer is None else answer
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
        # Without a key, it can't be requested again.
        execute("UPDATE jobs SET answer = NULL WHERE id = ? AND key IS NULL", (job,))
    return Delivery(numbered, sorted(set(left)))


def finish(
    db: Database,
    job: JournalEntry,
    owner: str,
    state: Ended,
    answer: Answer,
    last: Mapping[str, int],
    *,
    frees_key: bool,
) -> Delivery | None:
    """Ends a job and delivers its answer. Returns None if `owner` no longer has this lease."""
    if not end(db, job, owner, state, pack(answer), frees_key=frees_key):
        return None
    return deliver(db, job.id, last, answer)


class Withdrawal(Struct, frozen=True):
    """The result of withdrawing a request."""

    message: Error
    """The numbered answer."""
    ended: int | None
    """The job, if it was ended because no other request is waiting for it."""


def withdraw(db: Database, session: str, error: Error, last: int, state: Ended) -> Withdrawal | None:
    """Answers the waiting request `error.id` with `error`, and ends its job if no other request is waiting.

    The outcome is `not_started` if the job was never leased. Returns None if the request isn't waiting or its
    job already has an answer.
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
        give_up(db, job, state)
        if not fence:
            message.outcome = "not_started"
    _keep(db, session, message)
    return Withdrawal(message, None if shared else job)


def _keep(db: Database, session: str, message: Answer) -> None:
    """Moves a request from `waiters` to `outbox`, with its numbered answer."""
    assert isinstance(message.seq, int)
    execute = db.conn.execute
    packed = seal(db.conn, "outbox", (session, message.seq), "message", pack(message))
    execute(
        "INSERT INTO outbox (session, seq, key, message) "
        "SELECT session, ?, key, ? FROM waiters WHERE session = ? AND request = ?",
        (message.seq, packed, session, message.id),
    )
    execute("DELETE FROM waiters WHERE session = ? AND request = ?", (session, message.id))
    execute(
        "UPDATE sessions SET seq_reserved = ? WHERE id = ? AND seq_reserved < ?",
        (message.seq + SEQ_BLOCK, session, message.seq),
    )


def answer_of(db: Database, job: int) -> Answer | None:
    """Returns a finished job's answer without id and `seq`, or None if it isn't finished."""
    found = db.conn.execute(
        "SELECT answer FROM jobs WHERE id = ? AND finished IS NOT NULL", (job,)
    ).fetchone()
    return None if found is None else unpack(unseal(db.conn, "jobs", (job,), "answer", found[0]), Answer)


def job_of(db: Database, session: str, request: int) -> int | None:
    """Returns the job of a waiting request, or None."""
    row = db.conn.execute("SELECT job FROM waiters WHERE session = ? AND request = ?", (session, request))
    found = row.fetchone()
    return None if found is None else int(found[0])


def waiting_for(connection: sqlite3.Connection, job: int) -> list[tuple[str, int]]:
    """Returns the sessions and requests waiting for a job."""
    rows = connection.execute("SELECT session, request FROM waiters WHERE job = ?", (job,))
    return rows.fetchall()


def forget_waiters(db: Database, session: str) -> None:
    """Deletes a session's waiting requests. Their jobs continue."""
    db.conn.execute("DELETE FROM waiters WHERE session = ?", (session,))


def unacknowledged(db: Database, session: str) -> list[tuple[Answer, str | None]]:
    """Returns a session's unacknowledged answers with the keys of their requests, in the order of `seq`."""
    rows = db.conn.execute("SELECT seq, message, key FROM outbox WHERE session = ? ORDER BY seq", (session,))
    return [_unacknowledged(db, session, *row) for row in rows.fetchall()]


def _unacknowledged(
    db: Database, session: str, seq: int, message: bytes, key: str | None
) -> tuple[Answer, str | None]:
    try:
        answer = unpack(unseal(db.conn, "outbox", (session, seq), "message", message), Answer)
        if not isinstance(answer.id, int) or answer.seq != seq:
            raise msgspec.DecodeError("it is another's answer")
    except msgspec.DecodeError as error:
        raise UnreadableRow(f"answer {seq} of session {session} in outbox: {error}") from None
    return answer, key


def delete_orphans(db: Database) -> None:
    """Deletes the requests and answers of closed or missing sessions."""
    for table in ("waiters", "outbox"):
        db.conn.execute(
            f"DELETE FROM {table} WHERE session NOT IN (SELECT id FROM sessions WHERE closed = 0)"
        )


def waiters(db: Database) -> list[Waiter]:
    """Returns all waiting requests. Unreadable ones are logged and skipped."""
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
                "request %r of session %r is dropped: popbridge.db is damaged (%s); stop the daemon and run "
                "`popbridge db check`",
                values["request"], values["session"], error,
            )  # fmt: skip
    return found
