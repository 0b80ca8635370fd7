"""The tables of sessions, popups and advisors' marks."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import cast

import msgspec
from sqlite_utils import Database

from bridge.core.messages import Answer, Identify, Popup
from bridge.store.column_encryption import next_id, opened, seal, sealed, unseal
from bridge.store.records import (
    StoredPopup,
    StoredSession,
    UnreadableRow,
    as_record,
    before_text,
    now_text,
    pack,
    unpack,
)

SEQ_BLOCK = 10_000
"""`seq` numbers are reserved in blocks, so that a restarted daemon continues above all that may be used."""


POPUP_KEEP_DAYS = 30
"""Number of days that popups without a session wait for an editor of their project."""

ORPHANED_POPUPS = (
    "SELECT popups.id, sessions.id, identify FROM popups JOIN sessions ON sessions.id = session "
    "WHERE status = 'open' AND closed = 1 ORDER BY +popups.id"
)


class SessionStore:
    """The tables `sessions` and `popups`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._connection = db.conn
        self._sessions = db.table("sessions")
        self._popups = db.table("popups")

    def open(self, session_id: str, token_digest: str, identify: Identify) -> None:
        """Inserts a session. Its `identify` is stored without the token."""
        row = {
            "id": session_id,
            "token_digest": token_digest,
            "seq_reserved": SEQ_BLOCK,
            "acked": 0,
            "identify": _without_secrets(identify),
            "closed": 0,
        }
        self._sessions.insert(sealed(self._connection, "sessions", row))

    def resumed(self, session_id: str, token_digest: str, identify: Identify) -> None:
        """Stores the token digest and `identify` of a client that resumed the session."""
        packed = seal(self._connection, "sessions", (session_id,), "identify", _without_secrets(identify))
        self._sessions.update(session_id, {"token_digest": token_digest, "identify": packed})

    def identified(self, session_id: str, identify: Identify) -> None:
        """Stores an `identify` that changed while the session was open."""
        self._sessions.update(session_id, {"identify": _without_secrets(identify)})

    def reserve(self, session_id: str, seq: int) -> int:
        """Reserves numbers up to one block beyond `seq`. Returns the last reserved number."""
        bound = seq + SEQ_BLOCK
        self._sessions.update(session_id, {"seq_reserved": bound})
        return bound

    def acknowledged(self, session_id: str, seq: int) -> None:
        """Stores the last handled `seq` and deletes the answers up to it."""
        self._connection.execute("UPDATE sessions SET acked = ? WHERE id = ?", (seq, session_id))
        self._connection.execute("DELETE FROM outbox WHERE session = ? AND seq <= ?", (session_id, seq))

    def close(self, session_id: str, *, leaves_popups: bool = False) -> None:
        """Closes a session and settles what it left open. Its popups may stay for `adopt`."""
        with self._db.atomic():
            self._connection.execute("UPDATE sessions SET closed = 1 WHERE id = ?", (session_id,))
            if not leaves_popups:
                self._connection.execute(
                    "UPDATE popups SET status = 'settled' WHERE session = ? AND status = 'open'",
                    (session_id,),
                )
            unanswered = self._connection.execute(
                "SELECT id FROM receipts WHERE session = ? AND state = 'sent'", (session_id,)
            ).fetchall()
            failure = pack([{"message": "the editor never came back"}])
            for (receipt,) in unanswered:
                self._connection.execute(
                    "UPDATE receipts SET state = 'failed', answered = ?, errors = ? WHERE id = ?",
                    (now_text(), seal(self._connection, "receipts", (receipt,), "errors", failure), receipt),
                )
            # The jobs themselves continue.
            self._connection.execute("DELETE FROM waiters WHERE session = ?", (session_id,))
            self._connection.execute("DELETE FROM outbox WHERE session = ?", (session_id,))

    def all_open(self) -> list[str]:
        """Returns the ids of sessions that can be resumed, oldest first."""
        rows = self._connection.execute(
            "SELECT id FROM sessions WHERE closed = 0 AND typeof(id) = 'text' ORDER BY rowid"
        )
        return [session for (session,) in rows.fetchall()]

    def stored(self, session_id: str) -> StoredSession:
        """Returns an existing session. Raises UnreadableRow."""
        (row,) = self._db.query(
            "SELECT id, token_digest, seq_reserved, acked, identify FROM sessions WHERE id = ?", [session_id]
        )
        return as_record("sessions", opened(self._connection, "sessions", row), StoredSession)

    def identify(self, session_id: str) -> bytes:
        """Returns the session's packed `identify`; empty if the session is unknown. Raises UnreadableRow."""
        row = self._connection.execute("SELECT identify FROM sessions WHERE id = ?", (session_id,)).fetchone()
        return self._identify(session_id, row[0]) if row else b""

    def _identify(self, session_id: str, stored: object) -> bytes:
        return cast(bytes, unseal(self._connection, "sessions", (session_id,), "identify", stored))

    def engine(self, session_id: str) -> str:
        """Returns the name of the session's engine; empty if unknown."""
        with suppress(msgspec.DecodeError, UnreadableRow):
            identify: Identify = unpack(self.identify(session_id), Identify)
            return identify.engine.name if identify.engine else ""
        return ""

    def reserve_popup(
        self, session_id: str, advisor: str, popup: Popup, state: object, parent: tuple[int, int] | None
    ) -> tuple[int, bool]:
        """Inserts a popup and returns its id and True; or returns the id of the one that this `parent` step
        created earlier, and False."""
        if parent is not None:
            found = self._connection.execute(
                "SELECT id FROM popups WHERE parent = ? AND step = ?", parent
            ).fetchone()
            if found:
                return int(found[0]), False
        row = {
            "id": next_id(self._connection, "popups"),
            "session": session_id,
            "advisor": advisor,
            "message": pack(popup),
            "state": pack(state),
            "status": "open",
            "parent": parent[0] if parent else None,
            "step": parent[1] if parent else None,
            "created": now_text(),
        }
        self._popups.insert(sealed(self._connection, "popups", row))
        return cast(int, row["id"]), True

    def popup_sent(self, session_id: str, popup: Popup) -> None:
        """Stores a popup as it was sent in its own session, with id and `seq`."""
        self._connection.execute(
            "UPDATE popups SET message = ?, seq = ? WHERE id = ? AND session = ?",
            (self._popup(popup, popup.id), popup.seq or None, popup.id, session_id),
        )

    def answered(self, session_id: str, answer: Answer) -> None:
        """Stores the answer. The answering session acts on it, even after a restart."""
        self._connection.execute(
            "UPDATE popups SET status = 'answered', answer = ?, session = ? WHERE id = ? AND status = 'open'",
            (
                seal(self._connection, "popups", (answer.id,), "answer", pack(answer)),
                session_id,
                answer.id,
            ),
        )

    def ask_again(self, session_id: str) -> None:
        """Reopens the session's answered popups, because an unreadable session can't act on answers."""
        self._connection.execute(
            "UPDATE popups SET status = 'open', answer = NULL, seq = NULL "
            "WHERE session = ? AND status = 'answered'",
            (session_id,),
        )

    def left_open(self) -> list[tuple[int, bytes]]:
        """Returns the open popups of closed sessions with the sessions' `identify`, oldest first.

        An `identify` that can't be read is empty.
        """
        # `+popups.id` keeps SQLite from scanning all popups in the order of their ids.
        rows = self._connection.execute(ORPHANED_POPUPS).fetchall()
        found = []
        for popup, session, stored in rows:
            identify = b""
            with suppress(UnreadableRow):
                identify = self._identify(session, stored)
            found.append((popup, identify))
        return found

    def drop_left_open(self) -> int:
        """Settles popups of closed sessions after POPUP_KEEP_DAYS and returns their number."""
        dropped = self._connection.execute(
            "UPDATE popups SET status = 'settled' WHERE status = 'open' AND created < ? "
            "AND session IN (SELECT id FROM sessions WHERE closed = 1)",
            (before_text(POPUP_KEEP_DAYS),),
        )
        return dropped.rowcount

    def hand_over(self, popup: Popup, heir: str) -> None:
        """Assigns an open popup to the session `heir`, which shows it as `popup`."""
        self._connection.execute(
            "UPDATE popups SET session = ?, message = ?, seq = ? WHERE id = ? AND status = 'open'",
            (heir, self._popup(popup, popup.id), popup.seq or None, popup.id),
        )

    def settle_stranded(self) -> None:
        """Settles the answered popups of closed sessions, because no session will act on them."""
        self._connection.execute(
            "UPDATE popups SET status = 'settled' WHERE status = 'answered' "
            "AND session IN (SELECT id FROM sessions WHERE closed = 1)"
        )

    def adopt(self, popup_id: int, session_id: str) -> Popup | None:
        """Assigns an open popup of a closed session to `session_id`, without a `seq`.

        Returns None if it isn't one. Raises msgspec.DecodeError.
        """
        found = self._connection.execute(
            "SELECT message FROM popups JOIN sessions ON sessions.id = session "
            "WHERE popups.id = ? AND status = 'open' AND closed = 1",
            (popup_id,),
        ).fetchone()
        if found is None:
            return None
        try:
            message = unseal(self._connection, "popups", (popup_id,), "message", found[0])
        except UnreadableRow as error:
            raise msgspec.DecodeError(str(error)) from None
        popup: Popup = msgspec.structs.replace(unpack(message, Popup), id=popup_id, seq=msgspec.UNSET)
        self._connection.execute(
            "UPDATE popups SET session = ?, seq = NULL, message = ? WHERE id = ?",
            (session_id, self._popup(popup, popup_id), popup_id),
        )
        return popup

    def settled(self, popup_id: int) -> None:
        """Settles a popup whose answer was acted on or will never come."""
        self._connection.execute("UPDATE popups SET status = 'settled' WHERE id = ?", (popup_id,))

    def superseded(self, popup_id: int) -> None:
        """Settles a popup replaced by another, unless it was answered."""
        self._connection.execute(
            "UPDATE popups SET status = 'settled' WHERE id = ? AND status = 'open'", (popup_id,)
        )

    def popup(self, popup_id: int) -> StoredPopup | None:
        rows = self._rows("id = ?", popup_id)
        return rows[0] if rows else None

    def unsettled(self, session_id: str) -> list[StoredPopup]:
        """Returns the open and answered popups of a session, oldest first."""
        return self._rows("session = ? AND status != 'settled'", session_id)

    def unsettled_ids(self, *session_ids: str) -> list[int]:
        """Returns the ids of open and answered popups of sessions, readable or not."""
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
        return [as_record("popups", opened(self._connection, "popups", row), StoredPopup) for row in rows]

    def _popup(self, popup: Popup, popup_id: int) -> object:
        """Returns a popup as it is stored."""
        return seal(self._connection, "popups", (popup_id,), "message", pack(popup))


def _without_secrets(identify: Identify) -> bytes:
    auth = type(identify.auth)(id=identify.auth.id)
    return pack(msgspec.structs.replace(identify, auth=auth, resume=msgspec.UNSET))


MAX_MARKS = 100_000
"""Maximum number of an advisor's marks in a project, beyond which the oldest tenth is deleted."""


class MarkStore:
    """The table `marks`: byte strings with a meaning defined by advisors."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._connection = db.conn

    def add(self, advisor: str, project: str, marks: Iterable[bytes]) -> None:
        """Inserts marks that don't exist yet."""
        with self._db.atomic():
            self._connection.executemany(
                "INSERT OR IGNORE INTO marks (advisor, project, mark) VALUES (?, ?, ?)",
                [(advisor, project, mark) for mark in marks],
            )
            self._trim(advisor, project)

    def of(self, advisor: str, project: str) -> set[bytes]:
        """Returns all marks of an advisor in a project."""
        # Read as bytes: in a damaged file, a single mark with invalid UTF-8 would hide all others.
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
