"""What advisors have settled in each project, so as not to raise it again (for `Store.write`)."""

from __future__ import annotations

from collections.abc import Iterable

from sqlite_utils import Database

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
