"""The report as JSON, and writing reports atomically."""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from msgspec import structs, to_builtins
from msgspec.structs import replace

from accel.atomic_file import replace_file
from accel.text import Text, text
from bridge.advisors.explanation import plain
from bridge.api import EditorTexture
from bridge.audit import judge
from bridge.audit.results import Group, Issue, Report, Row
from bridge.audit.texts import OptionTexts, notices, sentence
from bridge.core.errors import UserError
from bridge.core.text import join_sentences

VERSION = 2
"""Increased when a field changes its meaning or is removed."""


def pieces(report: Report, locale: str) -> Iterator[str]:
    """Yields one JSON object in pieces, as a project may have 100,000 textures.

    Bytes of names that aren't UTF-8 are escaped surrogates.
    """
    head = {
        "popbridge_audit": VERSION,
        "project": report.name,
        "part": report.part or None,
        "engine": report.engine or None,
        "adapter": to_builtins(report.adapter),
        "notice": join_sentences(notices(report, locale)) or None,
        "textures": report.textures,
        "cached": report.cached,
        "unjudged": report.unjudged,
        "failed": judge.is_unjudged(report),
        "kinds": dict(sorted(report.kinds.items())),
        "errors": report.count("error"),
        "warnings": report.count("warning"),
        "notes": report.count("note"),
        "memory": report.memory or None,
        "accepted": report.accepted,
        "receipt": report.receipt,
        "editor": {"version": report.editor.version, "platform": report.editor.platform or None}
        if report.editor
        else None,
        "seconds": round(report.seconds, 3),
    }
    yield json.dumps(head, indent=1)[:-2]
    options = OptionTexts(report.labels, locale)
    yield from array("files", (_row(row, options, locale) for row in _rows(report)))
    yield from array("duplicates", map(_group, report.groups))
    yield "\n}\n"


def array(name: str, values: Iterable[Any]) -> Iterator[str]:
    """Yields another member of the object, an array with one line per element."""
    yield f',\n "{name}": ['
    for at, value in enumerate(values):
        yield f"{',' if at else ''}\n  {json.dumps(value, default=str)}"
    yield "\n ]"


def _rows(report: Report) -> Iterator[Row]:
    """Yields the listed rows, then, without their findings, the other rows that have an explanation."""
    yield from report.listed
    listed = {row.file for row in report.listed}
    for row in report.explained:
        if row.file not in listed:
            yield replace(row, issues=[], options={}, memory_after=row.memory)


def _group(group: Group) -> dict[str, Any]:
    return {
        "how": group.how,
        "disk": group.disk,
        "memory": group.memory or None,
        "files": list(group.files),
    }


def _row(row: Row, options: OptionTexts, locale: str) -> dict[str, Any]:
    return {
        "file": row.file,
        "path": row.path,
        "sha256": row.content or None,
        "format": row.format or None,
        "width": row.width,
        "height": row.height,
        "size": row.size,
        "memory": row.memory or None,
        "memory_after": row.memory_after or None,
        "kind": row.kind,
        "sure": row.sure,
        "probability": round(row.probability, 4),
        "evidence": [{"source": one.source, "detail": one.detail, "kind": one.kind} for one in row.evidence],
        "findings": [_issue(issue, locale) for issue in row.issues],
        "mended": [_issue(issue, locale) for issue in row.mended],
        "present": row.present,
        "options": row.options,
        "changes": [options.change(name, row.settings or {}, row.options) for name in row.options],
        **({"editor": editor_values(row.editor)} if row.editor is not None else {}),
        **({"explanation": plain(row.explanation, locale)} if row.explanation is not None else {}),
    }


def editor_values(found: EditorTexture) -> dict[str, Any]:
    """Returns what the engine's editor knows of a texture and its files don't tell."""
    return {
        "format": found.format or None,
        "width": found.width or None,
        "height": found.height or None,
        "memory": found.memory or None,
        "used_as": [structs.asdict(each) for each in found.used_as],
        "options": found.options is not None,
        "pixels": bool(found.picture),
    }


def _issue(issue: Issue, locale: str) -> dict[str, Any]:
    return {
        "code": issue.code,
        "severity": issue.severity,
        "message": sentence(issue, locale),
        "values": {name: str(one) if isinstance(one, Text) else one for name, one in issue.values.items()},
        "fixable": issue.fixable,
    }


STDOUT = "-"


def write(file: str, pieces: Iterable[str]) -> None:
    """Writes text as UTF-8; other bytes are escaped. Raises UserError."""
    if file == STDOUT:
        for piece in pieces:
            click.echo(piece, nl=False)
        return
    try:
        path = Path(file).resolve()
        if path.is_symlink():
            # Python before 3.13 raises this itself; later versions return the link.
            raise RuntimeError("symlink loop")
        if not path.name or (path.exists() and not path.is_file()):
            # A device or a pipe can't be replaced; Windows' NUL is in no folder.
            _fill(Path(file), "w", pieces)
        else:
            _replace(path, pieces)
    except OSError as error:
        raise UserError(
            text("Can't write `{file}`: {reason}.", file=file, reason=error.strerror or error)
        ) from None
    except RuntimeError:
        raise UserError(text("Can't write `{file}`: it is a link to itself.", file=file)) from None


def check_writable(file: str) -> None:
    """Raises UserError if `write` would, as far as that is known beforehand."""
    _check_folder(file, Path(file).absolute())
    try:
        path = Path(file).resolve()
        if not path.name:
            return
        _check_folder(file, path)
        # A device's folder needn't be writable.
        report = not path.exists() or path.is_file()
        shut = report and not os.access(path.parent, os.W_OK)
        readonly = report and _is_readonly(path)
    except (OSError, RuntimeError):
        # Writing it reports any other error.
        return
    if shut:
        raise UserError(
            text("Can't write `{file}`: no permission to write in `{folder}`.", file=file, folder=path.parent)
        )
    if readonly:
        raise UserError(text("Can't write `{file}`: it is read-only.", file=file))


def _check_folder(file: str, path: Path) -> None:
    if not path.parent.is_dir():
        raise UserError(
            text("Can't write `{file}`: folder `{folder}` does not exist.", file=file, folder=path.parent)
        )


def _is_readonly(path: Path) -> bool:
    return path.exists() and not path.stat().st_mode & 0o222


def _replace(path: Path, pieces: Iterable[str]) -> None:
    if _is_readonly(path):
        # The folder's permissions would allow replacing it.
        raise PermissionError(errno.EACCES, "it is read-only", str(path))
    # Not derived from the file's name, which may have the maximal length.
    draft = path.with_name(f".{uuid.uuid4().hex}.popbridge-new")
    try:
        _fill(draft, "x", pieces)
        if path.exists():
            shutil.copymode(path, draft)
        replace_file(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _fill(path: Path, mode: str, pieces: Iterable[str]) -> None:
    with path.open(mode, encoding="utf-8", errors="backslashreplace", newline="\n") as out:
        out.writelines(pieces)
