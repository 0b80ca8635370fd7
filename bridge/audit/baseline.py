"""Baselines: files that list findings to ignore, by file, code and content."""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from accel.text import text
from bridge.audit.judge import measure_memory
from bridge.audit.project import Project, options_for
from bridge.audit.results import NOT_APPLIED, Issue, Report, Row
from bridge.core.errors import UserError

VERSION = 1
"""Increased when entries change their meaning."""
DIGITS = 16
"""Digits of a file's SHA-256 in an entry."""
MARKED = 4096
"""A baseline has its marker in the first so many bytes, also with conflict markers."""
_REMEDY = text("Fix it, or delete it and rerun with `--update-baseline` on the whole project.")


class Entry(Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """One ignored finding; it applies until the file's content changes."""

    file: str
    code: str
    content: str


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    popbridge_baseline: int
    accepted: list[Entry]


def read(path: Path) -> set[Entry]:
    """Reads a baseline. Raises UserError."""
    try:
        # The standard library's json preserves names that aren't Unicode.
        file = msgspec.convert(json.loads(path.read_text(encoding="utf-8-sig")), _File)
    except FileNotFoundError:
        raise UserError(
            text("Baseline `{path}` not found. Create it with `--update-baseline`.", path=path)
        ) from None
    except OSError as error:
        raise UserError(
            text("Can't read the baseline `{path}`: {reason}.", path=path, reason=error.strerror)
        ) from None
    except json.JSONDecodeError as error:
        raise UserError(
            text(
                "`{path}` is not a valid baseline (line {line}: {reason}). {remedy}",
                path=path,
                line=error.lineno,
                reason=error.msg,
                remedy=_REMEDY,
            )
        ) from None
    except UnicodeDecodeError:
        raise UserError(
            text("`{path}` is not a valid baseline: it isn't UTF-8. {remedy}", path=path, remedy=_REMEDY)
        ) from None
    except (ValueError, RecursionError) as error:
        raise UserError(
            text(
                "`{path}` is not a valid baseline: {reason}. {remedy}",
                path=path,
                reason=error,
                remedy=_REMEDY,
            )
        ) from None
    if file.popbridge_baseline != VERSION:
        raise UserError(
            text(
                "`{path}` is a baseline of another PopBridge version. Rerun with `--update-baseline` on the "
                "whole project.",
                path=path,
            )
        )
    return set(file.accepted)


def read_others(path: Path, project: Project) -> set[Entry]:
    """Reads the entries for other parts of the project, which stay when this part's are updated.

    Raises UserError if they can't be read: no entry must be lost.
    """
    if not project.part or not path.exists() or _is_blank(path):
        return set()
    return {entry for entry in read(path) if not _is_in_part(project, entry)}


def check_replaceable(path: Path) -> None:
    """Raises UserError if `path` is another file than a baseline, which a typo would overwrite."""
    try:
        begin = _begin(path)
    except OSError:
        # Writing it reports the error.
        return
    if begin.strip() and "popbridge_baseline" not in begin:
        raise UserError(
            text("`{path}` exists and is not a baseline. Name another file, or delete it.", path=path)
        )


def _is_blank(path: Path) -> bool:
    """Whether the file is empty, as if created for a later update."""
    try:
        return path.stat().st_size <= MARKED and not _begin(path).strip()
    except OSError:
        return False


def _begin(path: Path) -> str:
    """Reads the first `MARKED` bytes as text. Raises OSError."""
    with path.open("rb") as file:
        return _decoded(file.read(MARKED))


def _decoded(begin: bytes) -> str:
    # `>` in Windows PowerShell writes UTF-16.
    wide = begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return begin.decode("utf-16" if wide else "utf-8-sig", "replace")


def baseline_text(rows: Iterable[Row], others: Iterable[Entry] = ()) -> str:
    """Returns a baseline that ignores everything in `rows`, and `others`; one line each, for reviews."""
    accepted = sorted(entries(rows).union(others))
    lines = ",\n".join(f"    {json.dumps(msgspec.to_builtins(entry))}" for entry in accepted)
    body = f"\n{lines}\n  " if lines else ""
    return f'{{\n  "popbridge_baseline": {VERSION},\n  "accepted": [{body}]\n}}\n'


def accept(report: Report, accepted: set[Entry], project: Project) -> None:
    """Removes ignored findings from the report and counts them; only the audited part's entries count."""
    accepted = {entry for entry in accepted if _is_in_part(project, entry)}
    if not accepted:
        return
    known = set(map(_fold_case, accepted))
    matched: set[Entry] = set()
    for row in report.rows:
        remaining = [issue for issue in row.issues if _fold_case(entry_of(row, issue)) not in known]
        matched |= set(map(_fold_case, entries([row]))) & known
        report.accepted += len(row.issues) - len(remaining)
        if len(remaining) < len(row.issues):
            report.ignored += [(row.file, issue) for issue in row.issues if issue not in remaining]
            row.issues = remaining
            # Fixed textures have their options already.
            if not row.mended:
                row.options = options_for(project, row.settings, remaining)
                measure_memory(project, row)
    report.rows = sorted(
        (row for row in report.rows if row.issues or row.mended), key=lambda row: (-row.rank, row.file)
    )
    report.stale = len(known - matched)


def _is_in_part(project: Project, entry: Entry) -> bool:
    part, file = replace(project, part=project.part.casefold()), entry.file.casefold()
    return part.reports(file) if entry.code == "unlisted" else part.covers(file)


def entries(rows: Iterable[Row]) -> set[Entry]:
    """Returns the entries of all findings except those that --fix failed at: the next run tries again."""
    return {
        entry_of(row, issue)
        for row in rows
        for issue in row.issues
        if not (row.refused and (issue.fixable or issue.code == NOT_APPLIED))
    }


def entry_of(row: Row, issue: Issue) -> Entry:
    return Entry(row.file, issue.code, row.content[:DIGITS])


def _fold_case(entry: Entry) -> Entry:
    # Checkouts on Windows and macOS may differ in the case of a folder's name.
    return replace(entry, file=entry.file.casefold())


def fingerprint(row: Row, issue: Issue) -> str:
    """Identifies a finding across runs and machines."""
    parts = [row.file, issue.code, row.content]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
