"""What a project's people know and accept: by file, finding and content, the same on every machine."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from accel.text import text
from bridge.audit.judge import measure_memory
from bridge.audit.project import Project, options_for
from bridge.audit.results import NOT_APPLIED, Issue, Report, Row
from bridge.core.errors import UserError

VERSION = 1
"""Raised when an entry changes its meaning."""
DIGITS = 16
"""Of a file's SHA-256: enough to tell its versions."""
MARKED = 4096
"""Bytes at the beginning among which a baseline says that it is one, also after a merge."""
_REMEDY = text("Correct it, or remove it and let --update-baseline of the whole project make it anew.")


class Entry(Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """One finding that is accepted, until the file's content changes."""

    file: str
    code: str
    content: str


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    popbridge_baseline: int
    accepted: list[Entry]


def read(path: Path) -> set[Entry]:
    """Raises UserError."""
    try:
        # The standard library's: names that are no Unicode stay what they are.
        file = msgspec.convert(json.loads(path.read_text(encoding="utf-8-sig")), _File)
    except FileNotFoundError:
        raise UserError(text("There is no baseline {path}: --update-baseline makes it.", path=path)) from None
    except OSError as error:
        raise UserError(
            text("The baseline {path} can't be read ({strerror}).", path=path, strerror=error.strerror)
        ) from None
    except json.JSONDecodeError as error:
        raise UserError(
            text(
                "{path} is no baseline (line {lineno}: {msg}). {remedy}",
                path=path,
                lineno=error.lineno,
                msg=error.msg,
                remedy=_REMEDY,
            )
        ) from None
    except UnicodeDecodeError:
        raise UserError(
            text("{path} is no baseline (it isn't UTF-8). {remedy}", path=path, remedy=_REMEDY)
        ) from None
    except (ValueError, RecursionError) as error:
        raise UserError(
            text("{path} is no baseline ({error}). {remedy}", path=path, error=error, remedy=_REMEDY)
        ) from None
    if file.popbridge_baseline != VERSION:
        raise UserError(
            text(
                "{path} is a baseline of another PopBridge: --update-baseline of the whole project "
                "makes it anew.",
                path=path,
            )
        )
    return set(file.accepted)


def read_others(path: Path, project: Project) -> set[Entry]:
    """What one that is there accepts elsewhere in the project: it stays when a part is accepted anew.

    Raises UserError where that can't be told, as nobody's acceptance is to be lost.
    """
    if not project.part or not path.exists() or _is_blank(path):
        return set()
    return {entry for entry in read(path) if not _tells_of(project, entry)}


def check_replaceable(path: Path) -> None:
    """Raises UserError where something else than a baseline lies in its place: who mistypes loses no file."""
    try:
        begin = _begin(path)
    except OSError:
        # What can't be read is told when it is written.
        return
    if begin.strip() and "popbridge_baseline" not in begin:
        raise UserError(text("{path} is there and no baseline: name another file, or remove it.", path=path))


def _is_blank(path: Path) -> bool:
    """As one that was made for what is accepted later, which an audit of the whole writes over, too."""
    try:
        return path.stat().st_size <= MARKED and not _begin(path).strip()
    except OSError:
        return False


def _begin(path: Path) -> str:
    """What stands in the first `MARKED` bytes. Raises OSError."""
    with path.open("rb") as file:
        return _decoded(file.read(MARKED))


def _decoded(begin: bytes) -> str:
    # As Windows PowerShell's > writes it.
    wide = begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return begin.decode("utf-16" if wide else "utf-8-sig", "replace")


def baseline_text(rows: Iterable[Row], kept: Iterable[Entry] = ()) -> str:
    """The baseline that accepts everything in `rows`, and what is `kept`.

    A line for each, so that changes can be reviewed.
    """
    accepted = sorted(entries(rows).union(kept))
    lines = ",\n".join(f"    {json.dumps(msgspec.to_builtins(entry))}" for entry in accepted)
    body = f"\n{lines}\n  " if lines else ""
    return f'{{\n  "popbridge_baseline": {VERSION},\n  "accepted": [{body}]\n}}\n'


def accept(report: Report, accepted: set[Entry], project: Project) -> None:
    """Takes out of the report what is accepted, and counts it; of a part what is accepted of that."""
    accepted = {entry for entry in accepted if _tells_of(project, entry)}
    if not accepted:
        return
    known = set(map(_alike, accepted))
    met: set[Entry] = set()
    for row in report.rows:
        kept = [issue for issue in row.issues if _alike(entry_of(row, issue)) not in known]
        met |= set(map(_alike, entries([row]))) & known
        report.accepted += len(row.issues) - len(kept)
        if len(kept) < len(row.issues):
            row.issues = kept
            # What is mended has its options already.
            if not row.mended:
                row.options = options_for(project, row.settings, kept)
                measure_memory(project, row)
    report.rows = sorted(
        (row for row in report.rows if row.issues or row.mended), key=lambda row: (-row.rank, row.file)
    )
    report.stale = len(known - met)


def _tells_of(project: Project, entry: Entry) -> bool:
    part, file = replace(project, part=project.part.casefold()), entry.file.casefold()
    return part.tells_of(file) if entry.code == "unlisted" else part.covers(file)


def entries(rows: Iterable[Row]) -> set[Entry]:
    """One for each finding of `rows`, none of what --fix has just tried in vain: the next run tries again."""
    return {entry_of(row, issue) for row in rows for issue in row.issues if not _is_due(row, issue)}


def _is_due(row: Row, issue: Issue) -> bool:
    return row.refused and (issue.fixable or issue.code == NOT_APPLIED)


def entry_of(row: Row, issue: Issue) -> Entry:
    return Entry(row.file, issue.code, row.content[:DIGITS])


def _alike(entry: Entry) -> Entry:
    # Two checkouts may have a folder's name in upper and lower case: Windows and macOS keep what was first.
    return replace(entry, file=entry.file.casefold())


def fingerprint(row: Row, issue: Issue) -> str:
    """What tells a finding from all others, run after run, on every machine."""
    import hashlib

    parts: list[Any] = [row.file, issue.code, row.content]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
