"""Writes reports: a file is there whole or as it was before."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

import click

from accel.replacing import replace_file
from accel.text import text
from bridge.core.errors import UserError

STDOUT = "-"
LOOP = "it is a link that leads to itself"


def write(file: str, pieces: Iterable[str]) -> None:
    """Writes text in UTF-8; what is none is escaped. Raises UserError."""
    if file == STDOUT:
        for piece in pieces:
            click.echo(piece, nl=False)
        return
    try:
        path = Path(file).resolve()
        if path.is_symlink():
            # Python 3.13 and later give the link itself.
            raise OSError(errno.ELOOP, LOOP, file)
        if not path.name or (path.exists() and not path.is_file()):
            # A device or a pipe can't be put in the place of anything; Windows' NUL lies in no folder.
            _fill(Path(file), "w", pieces)
        else:
            _replace(path, pieces)
    except OSError as error:
        raise UserError(
            text("{file} can't be written ({strerror}).", file=file, strerror=error.strerror or error)
        ) from None
    except RuntimeError:
        # Earlier ones raise this.
        raise UserError(
            text("{file} can't be written (it is a link that leads to itself).", file=file)
        ) from None


def check_writable(file: str) -> None:
    """Raises UserError for what `write` would refuse, as far as that shows beforehand."""
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
        # Whatever else is the matter is told when it is written.
        return
    if shut:
        raise UserError(
            text(
                "{file} can't be written: there is no right to write in {parent}.",
                file=file,
                parent=path.parent,
            )
        )
    if readonly:
        raise UserError(text("{file} can't be written: it is read-only.", file=file))


def _check_folder(file: str, path: Path) -> None:
    if not path.parent.is_dir():
        raise UserError(
            text("{file} can't be written: there is no folder {parent}.", file=file, parent=path.parent)
        )


def _is_readonly(path: Path) -> bool:
    return path.exists() and not path.stat().st_mode & 0o222


def _replace(path: Path, pieces: Iterable[str]) -> None:
    if _is_readonly(path):
        # A folder's rights alone would let it be replaced.
        raise PermissionError(errno.EACCES, "it is read-only", str(path))
    # A name of its own: that of the file may be as long as names can be.
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
