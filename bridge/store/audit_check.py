"""Finds lines of the audit log that were changed, removed, inserted or moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from accel.text import AnyText, plural, text
from bridge.store.audit_log import START, AuditLog, Entry, Head, Line, torn_digest


class Problem(Struct, frozen=True):
    """Evidence that the log was tampered with."""

    kind: Literal[
        "changed", "inserted", "missing", "reordered", "repeated", "forked", "cut", "other_key", "anchor"
    ]
    message: AnyText
    number: int
    """The number of the entry, or of the first that is missing; 0 if unknown."""
    file: str = ""
    line: int = 0


class Verification(Struct, frozen=True):
    """The result of a check of the whole log."""

    entries: int
    """Number of intact entries."""
    last: int
    """The last entry's number."""
    problems: Sequence[Problem]
    notes: Sequence[AnyText]
    """What an accident explains, for example a line that a killed process didn't finish."""


def verify(log: AuditLog) -> Verification:
    """Checks all lines and their order. Raises UserError if the log can't be read."""
    # First, since a daemon may append meanwhile.
    anchor: Head | None = None
    is_changed = False
    try:
        anchor = log.anchor()
    except ValueError:
        is_changed = True
    check = _Check(anchor.number if anchor is not None else 0)
    for line in log.lines():
        check.add(line)
    check.end()
    message = None
    if is_changed:
        message = text("The database's record of the last entry was changed.")
    elif anchor is None and check.last.number:
        message = text(
            "The database has no record of the last entry: it can't show whether more are missing."
        )
    if message is not None:
        check.problems.append(Problem("anchor", message, check.last.number))
    elif anchor is not None and check.anchored not in (None, anchor.mac):
        message = text(
            "Entry {number} isn't the one that the database recorded: the log was replaced.",
            number=anchor.number,
        )
        check.problems.append(Problem("forked", message, anchor.number))
    return Verification(check.count, check.last.number, check.problems, check.notes)


class _Check:
    """Finds the problems of a log, line by line."""

    def __init__(self, anchor: int) -> None:
        self.problems: list[Problem] = []
        self.notes: list[AnyText] = []
        self.count = 0
        self.last = START
        self.anchored: str | None = None
        """The MAC of the entry that the database has recorded."""
        self._anchor = anchor
        self._missing: dict[int, int] = {}
        """Ranges of missing numbers: first and last."""
        self._invalid: list[Line] = []
        """Lines since the last valid entry."""
        self._pruned = 0

    def add(self, line: Line) -> None:
        if not line.is_valid or line.entry is None:
            self._invalid.append(line)
            return
        entry = line.entry
        if entry.number == self._anchor:
            self.anchored = line.mac
        if entry.act == "log.prune" and isinstance(through := entry.detail.get("through"), int):
            self._pruned = max(self._pruned, through)
        if entry.act == "log.unanchored":
            message = text(
                "Entry {number}: the database had no record of the one before.", number=entry.number
            )
            self.problems.append(Problem("anchor", message, entry.number))
        if entry.act == "log.torn":
            self._excuse_torn(entry.detail.get("sha256", ""))
        if entry.number <= self.last.number:
            self._report_invalid(0)
            self._report_moved(line, entry)
            return
        self.count += 1
        self._report_invalid(entry.number - 1)
        if entry.number == self.last.number + 1 and entry.previous != self.last.mac:
            message = text(
                "{file}:{line}: entry {number} doesn't follow entry {last}, which was put in the place of "
                "another.",
                file=line.file.name,
                line=line.number,
                number=entry.number,
                last=self.last.number,
            )
            self.problems.append(Problem("forked", message, entry.number, line.file.name, line.number))
        self.last = Head(entry.number, line.mac)

    def end(self) -> None:
        """Reports what only the end shows."""
        if self._anchor <= self.last.number:
            self._excuse_torn()
        known = self.last.number
        self._report_invalid(self._anchor)
        for first, last in sorted(self._missing.items()):
            if last > self._pruned:
                self._report_missing(
                    max(first, self._pruned + 1), last, "cut" if first > known else "missing"
                )

    def _report_missing(self, first: int, last: int, kind: Literal["missing", "cut"]) -> None:
        count = last - first + 1
        if kind == "cut":
            message = plural(
                "Entry {first}, at the end, is missing.",
                "Entries {first} to {last}, at the end, are missing.",
                count,
                first=first,
                last=last,
            )
        else:
            message = plural(
                "Entry {first} is missing.",
                "Entries {first} to {last} are missing.",
                count,
                first=first,
                last=last,
            )
        self.problems.append(Problem(kind, message, first))

    def _excuse_torn(self, digest: object = None) -> None:
        """Excuses lines that killed processes didn't finish: at the end, or with the digest of `log.torn`."""
        torn = [line for line in self._invalid if line.entry is None and line.data]
        if torn and (digest is None or digest == torn_digest([line.data for line in torn])):
            self._invalid = [line for line in self._invalid if line.entry is not None]
            self.notes += [
                text(
                    "{file}:{line}: the line is incomplete, because a process was killed before the act.",
                    file=line.file.name,
                    line=line.number,
                )
                for line in torn
            ]

    def _report_moved(self, line: Line, entry: Entry) -> None:
        number = entry.number
        begin = next((first for first, last in self._missing.items() if first <= number <= last), None)
        values = {"file": line.file.name, "line": line.number, "number": number}
        if begin is None:
            message = text("{file}:{line}: entry {number} is a copy of an earlier line.", **values)
            self.problems.append(Problem("repeated", message, number, line.file.name, line.number))
            return
        self.count += 1
        last = self._missing.pop(begin)
        if begin < number:
            self._missing[begin] = number - 1
        if number < last:
            self._missing[number + 1] = last
        message = text("{file}:{line}: entry {number} was moved to this place.", **values)
        self.problems.append(Problem("reordered", message, number, line.file.name, line.number))

    def _report_invalid(self, before: int) -> None:
        """Reports lines with a wrong MAC since the last entry, if the next one's number is `before` + 1.

        Those that stand for a number in between were changed, the others inserted.
        """
        lacking = dict.fromkeys(range(self.last.number + 1, before + 1)) if self._invalid else {}
        for line in self._invalid:
            values = {"file": line.file.name, "line": line.number}
            named = line.entry.number if line.entry is not None else 0
            number = named if named in lacking else next(iter(lacking), 0)
            kind: Literal["changed", "inserted", "other_key"] = "changed"
            message = text("{file}:{line}: entry {number} was changed.", number=number, **values)
            if line.has_other_key:
                kind, number = "other_key", number or named
                message = text(
                    "{file}:{line}: entry {number} was written with another key.", number=number, **values
                )
            elif not number:
                kind, message = "inserted", text("{file}:{line}: the line was inserted.", **values)
            lacking.pop(number, None)
            self.problems.append(Problem(kind, message, number, line.file.name, line.number))
        if not self._invalid and before > self.last.number:
            self._missing[self.last.number + 1] = before
        for number in lacking:
            first = next((first for first, last in self._missing.items() if last == number - 1), number)
            self._missing[first] = number
        self._invalid.clear()
