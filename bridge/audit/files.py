"""Writes reports: a file is there whole or as it was before."""

from __future__ import annotations

import errno
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

import click

from bridge.core.errors import UserError

STDOUT = "-"


def write(file: str, pieces: Iterable[str]) -> None:
    """Writes text in UTF-8; what is none is escaped. Raises UserError."""
    if file == STDOUT:
        for piece in pieces:
            click.echo(piece, nl=False)
        return
    try:
        path = Path(file).resolve()
        if path.exists() and not path.is_file():
            # A device or a pipe can't be put in the place of anything.
            _fill(path, "w", pieces)
        else:
            _replace(path, pieces)
    except OSError as error:
        raise UserError(f"{file} can't be written ({error.strerror or error}).") from None


def _replace(path: Path, pieces: Iterable[str]) -> None:
    if path.exists() and not path.stat().st_mode & 0o222:
        # A folder's rights alone would let it be replaced.
        raise PermissionError(errno.EACCES, "it is read-only", str(path))
    # A name of its own: that of the file may be as long as names can be.
    draft = path.with_name(f".{uuid.uuid4().hex}.popbridge-new")
    try:
        _fill(draft, "x", pieces)
        if path.exists():
            shutil.copymode(path, draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _fill(path: Path, mode: str, pieces: Iterable[str]) -> None:
    with path.open(mode, encoding="utf-8", errors="backslashreplace", newline="\n") as out:
        out.writelines(pieces)
