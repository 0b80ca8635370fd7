"""Jobs that tests write into the journal, take from it and end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlite_utils import Database

from bridge.core.messages import Error, Result
from bridge.store import journal
from bridge.store.journal import Asked, Delivery, JournalEntry

ANSWER = Result(id=0, value="done")
FAILED = Error(id=0, code="bad_input", message="broken")
ROOM = (9.0, 9.0, 9.0)


def asked(key: str | None = None, **changes: Any) -> Asked:
    fields: dict[str, Any] = {
        "scope": "p", "key": key, "digest": b"1", "workload": "test.sleep", "priority": 1,
        "deadline_ms": None, "deadline": None, "cache": True, "root": None, "params": b"\x80",
        "inputs": b"\x90",
    }  # fmt: skip
    return Asked(**{**fields, **changes})


def claim(db: Database, rooms: Sequence[float] = ROOM, owner: str = "me") -> list[JournalEntry]:
    return journal.claim(db, owner, rooms, lambda workload: 0.25 if workload == "test.light" else 1.0)


def finish(
    db: Database, job: JournalEntry, owner: str = "me", answer: Any = ANSWER, **last: int
) -> Delivery | None:
    state = "done" if isinstance(answer, Result) else "failed"
    return journal.finish(db, job, owner, state, answer, last, frees_key=False)  # type: ignore[arg-type]


def state(db: Database, job: int) -> str:
    found: str = db.execute("SELECT state FROM jobs WHERE id = ?", (job,)).fetchone()[0]
    return found
