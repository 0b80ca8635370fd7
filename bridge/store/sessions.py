"""Sessions, popups, advisor marks."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import cast

import msgspec
from sqlite_utils import Database

from bridge.core.messages import Answer, Identify, Popup
from bridge.store.records import StoredPopup, StoredSession, as_record, before_text, now_text, pack, unpack

SEQ_BLOCK = 10_000
"""Numbers are reserved in blocks: a restarted daemon goes on above all that it may have given."""


KEPT_DAYS = 30
"""How long popups wait for an editor of their project, once none is left."""

LEFT_OPEN = (
    "SELECT popups.id, identify FROM popups JOIN sessions ON sessions.id = session "
    "WHERE status = 'open' AND closed = 1 ORDER BY +popups.id"
)


class SessionStore:
    """Tables `sessions` and `popups`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._connection = db.conn
        self._sessions = db.table("sessions")
        self._popups = db.table("popups")

    def open(self, session_id: str, token_digest: str, identify: Identify) -> None:
        """Keeps a new session; its `identify` is kept without the token."""
        self._sessions.insert(
            {
                "id": session_id,
                "token_digest": token_digest,
                "seq_reserved": SEQ_BLOCK,
                "acked": 0,
                "identify": _without_secrets(identify),
                "closed": 0,
            }
        )

    def resumed(self, session_id: str, token_digest: str, identify: Identify) -> None:
        """The session's client is back, perhaps in another process, with a new resume token."""
        self._sessions.update(
            session_id, {"token_digest": token_digest, "identify": _without_secrets(identify)}
        )

    def reserve(self, session_id: str, seq: int) -> int:
        """Makes sure that numbers through `seq` and a block beyond are reserved; gives the new bound."""
        bound = seq + SEQ_BLOCK
        self._sessions.update(session_id, {"seq_reserved": bound})
        return bound

    def acknowledged(self, session_id: str, seq: int) -> None:
        """The client has handled what has numbers through `seq`."""
        self._connection.execute("UPDATE sessions SET acked = ? WHERE id = ?", (seq, session_id))
        self._connection.execute("DELETE FROM outbox WHERE session = ? AND seq <= ?", (session_id, seq))

    def close(self, session_id: str, *, leaves_popups: bool = False) -> None:
        """The session is over; what it left open is settled, save popups that another session may `adopt`."""
        with self._db.atomic():
            self._connection.execute("UPDATE sessions SET closed = 1 WHERE id = ?", (session_id,))
            if not leaves_popups:
                self._connection.execute(
                    "UPDATE popups SET status = 'settled' WHERE session = ? AND status = 'open'",
                    (session_id,),
                )
            self._connection.execute(
                "UPDATE receipts SET state = 'failed', answered = ?, errors = ? "
                "WHERE session = ? AND state = 'sent'",
                (now_text(), pack([{"message": "the editor never came back"}]), session_id),
            )
            # The jobs themselves go on.
            self._connection.execute("DELETE FROM waiters WHERE session = ?", (session_id,))
            self._connection.execute("DELETE FROM outbox WHERE session = ?", (session_id,))

    def all_open(self) -> list[str]:
        """The ids of sessions that somebody may come back to, oldest first."""
        rows = self._connection.execute(
            "SELECT id FROM sessions WHERE closed = 0 AND typeof(id) = 'text' ORDER BY rowid"
        )
        return [session for (session,) in rows.fetchall()]

    def stored(self, session_id: str) -> StoredSession:
        """One that is there."""
        (row,) = self._db.query(
            "SELECT id, token_digest, seq_reserved, acked, identify FROM sessions WHERE id = ?", [session_id]
        )
        return as_record("sessions", row, StoredSession)

    def identify(self, session_id: str) -> bytes:
        """What the session's client said of itself, packed; empty where there is no such session."""
        row = self._connection.execute("SELECT identify FROM sessions WHERE id = ?", (session_id,)).fetchone()
        return row[0] if row else b""

    def engine(self, session_id: str) -> str:
        """The name of the engine that the session's client has; empty where nobody knows."""
        with suppress(msgspec.DecodeError):
            identify: Identify = unpack(self.identify(session_id), Identify)
            return identify.engine.name if identify.engine else ""
        return ""

    # Popups.

    def reserve_popup(
        self, session_id: str, advisor: str, popup: Popup, state: object, parent: tuple[int, int] | None
    ) -> tuple[int, bool]:
        """A row and id for a popup; the id of the earlier one, and False, where `parent` made it before."""
        if parent is not None:
            found = self._connection.execute(
                "SELECT id FROM popups WHERE parent = ? AND step = ?", parent
            ).fetchone()
            if found:
                return int(found[0]), False
        row = self._popups.insert(
            {
                "session": session_id,
                "advisor": advisor,
                "message": pack(popup),
                "state": pack(state),
                "status": "open",
                "parent": parent[0] if parent else None,
                "step": parent[1] if parent else None,
                "created": now_text(),
            }
        )
        return cast(int, row.last_pk), True

    def popup_sent(self, session_id: str, popup: Popup) -> None:
        """The popup has its id, and its number in its own session; others that show it have theirs."""
        self._connection.execute(
            "UPDATE popups SET message = ?, seq = ? WHERE id = ? AND session = ?",
            (pack(popup), popup.seq or None, popup.id, session_id),
        )

    def answered(self, session_id: str, answer: Answer) -> None:
        """The answer is kept: from here on it will be acted on in the session it came from, whatever dies."""
        self._connection.execute(
            "UPDATE popups SET status = 'answered', answer = ?, session = ? WHERE id = ? AND status = 'open'",
            (pack(answer), session_id, answer.id),
        )

    def ask_again(self, session_id: str) -> None:
        """The session's kept answers count no more: nobody can act on them, where it can't be read."""
        self._connection.execute(
            "UPDATE popups SET status = 'open', answer = NULL, seq = NULL "
            "WHERE session = ? AND status = 'answered'",
            (session_id,),
        )

    def left_open(self) -> list[tuple[int, bytes]]:
        """The ids of popups that sessions left open which are over, oldest first, and their `identify`."""
        # In an order that SQLite has to make: else it would read all popups that ever were in theirs.
        return self._connection.execute(LEFT_OPEN).fetchall()

    def drop_left_open(self) -> int:
        """Settles what was left open for KEPT_DAYS, as of projects that are gone; gives how many."""
        dropped = self._connection.execute(
            "UPDATE popups SET status = 'settled' WHERE status = 'open' AND created < ? "
            "AND session IN (SELECT id FROM sessions WHERE closed = 1)",
            (before_text(KEPT_DAYS),),
        )
        return dropped.rowcount

    def hand_over(self, popup: Popup, heir: str) -> None:
        """An open popup is the session `heir`'s from now on, which has it as `popup`."""
        self._connection.execute(
            "UPDATE popups SET session = ?, message = ?, seq = ? WHERE id = ? AND status = 'open'",
            (heir, pack(popup), popup.seq or None, popup.id),
        )

    def settle_stranded(self) -> None:
        """Settles answers of sessions that are over: nobody would act on them, or they are acted on, and the
        last daemon ended before it could keep that."""
        self._connection.execute(
            "UPDATE popups SET status = 'settled' WHERE status = 'answered' "
            "AND session IN (SELECT id FROM sessions WHERE closed = 1)"
        )

    def adopt(self, popup_id: int, session_id: str) -> Popup | None:
        """Gives a popup that was left open to `session_id`, without a number; None where it isn't left.

        Raises msgspec.DecodeError.
        """
        found = self._connection.execute(
            "SELECT message FROM popups JOIN sessions ON sessions.id = session "
            "WHERE popups.id = ? AND status = 'open' AND closed = 1",
            (popup_id,),
        ).fetchone()
        if found is None:
            return None
        popup: Popup = msgspec.structs.replace(unpack(found[0], Popup), id=popup_id, seq=msgspec.UNSET)
        self._connection.execute(
            "UPDATE popups SET session = ?, seq = NULL, message = ? WHERE id = ?",
            (session_id, pack(popup), popup_id),
        )
        return popup

    def settled(self, popup_id: int) -> None:
        """The popup's answer was acted on, or will never come."""
        self._connection.execute("UPDATE popups SET status = 'settled' WHERE id = ?", (popup_id,))

    def superseded(self, popup_id: int) -> None:
        """Another has taken the popup's place: nobody is asked any more; an answer that is kept counts."""
        self._connection.execute(
            "UPDATE popups SET status = 'settled' WHERE id = ? AND status = 'open'", (popup_id,)
        )

    def popup(self, popup_id: int) -> StoredPopup | None:
        rows = self._rows("id = ?", popup_id)
        return rows[0] if rows else None

    def unsettled(self, session_id: str) -> list[StoredPopup]:
        """Open and answered popups of a session, oldest first."""
        return self._rows("session = ? AND status != 'settled'", session_id)

    def unsettled_ids(self, *session_ids: str) -> list[int]:
        """Those of several sessions: their ids, whether or not all of them can be read."""
        found: list[int] = []
        for session_id in session_ids:
            rows = self._connection.execute(
                "SELECT id FROM popups WHERE session = ? AND status != 'settled'", (session_id,)
            )
            found += [popup_id for (popup_id,) in rows.fetchall()]
        return sorted(found)

    def _rows(self, where: str, value: object) -> list[StoredPopup]:
        rows = self._db.query(
            "SELECT id, session, seq, advisor, message, state, status, answer FROM popups "
            f"WHERE {where} ORDER BY id",
            [value],
        )
        return [as_record("popups", row, StoredPopup) for row in rows]


def _without_secrets(identify: Identify) -> bytes:
    kept = msgspec.structs.replace(identify, auth=type(identify.auth)(), resume=msgspec.UNSET)
    return pack(kept)


MAX_MARKS = 100_000
"""Of one advisor in one project; beyond that a tenth of them go, the earliest first."""


class MarkStore:
    """Table `marks`. What a mark stands for is its advisor's affair."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._connection = db.conn

    def add(self, advisor: str, project: str, marks: Iterable[bytes]) -> None:
        """Keeps them; those that are there already stay as they are."""
        with self._db.atomic():
            self._connection.executemany(
                "INSERT OR IGNORE INTO marks (advisor, project, mark) VALUES (?, ?, ?)",
                [(advisor, project, mark) for mark in marks],
            )
            self._trim(advisor, project)

    def of(self, advisor: str, project: str) -> set[bytes]:
        """All of them."""
        # As bytes, whatever a damaged file holds: one that can't be read would hide all others.
        rows = self._connection.execute(
            "SELECT CAST(mark AS BLOB) FROM marks WHERE advisor = ? AND project = ? AND mark IS NOT NULL",
            (advisor, project),
        )
        return {mark for (mark,) in rows.fetchall()}

    def _trim(self, advisor: str, project: str) -> None:
        which = (advisor, project)
        (count,) = self._connection.execute(
            "SELECT count(*) FROM marks WHERE advisor = ? AND project = ?", which
        ).fetchone()
        if count > MAX_MARKS:
            self._connection.execute(
                "DELETE FROM marks WHERE id IN "
                "(SELECT id FROM marks WHERE advisor = ? AND project = ? ORDER BY id LIMIT ?)",
                (*which, count - MAX_MARKS * 9 // 10),
            )
