r"""Confines paths to a project's root.

Windows paths are first checked as text, because merely opening `\\server\share` would send the user's name
to that server.

A link may replace a file between this check and a worker's access: `accel.confinement` checks it there again.
"""

from __future__ import annotations

import contextlib
import ntpath
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

from accel.text import text
from bridge.core import errors
from bridge.core.errors import RequestError

_DEVICE = re.compile(r"^[\\/]{2}[?.][\\/]|^[\\/]\?\?[\\/]")
"""`\\\\?\\` disables the rules below, `\\\\.\\` is for devices, and `\\??\\` is the internal form of both."""

_RESERVED = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9\u00b9\u00b2\u00b3]) *(\.|$)", re.IGNORECASE
)
"""Device names, which apply in every folder and with any extension: `NUL.png` is NUL."""

_FORBIDDEN = re.compile(r'[\x00-\x1f<>"|?*]')
"""Characters that no file name can contain; colons are checked separately."""

_SHORT = re.compile(r"~[0-9]")
"""Part of an 8.3 name, whose long form only the file system knows."""


def join_windows_path(path: str, root: str) -> str:
    """Joins `path` to `root`, normalises it and checks, as text, that it is below `root`.

    If either has an 8.3 name, only the file system can decide. Raises RequestError: `forbidden` for a path
    elsewhere or a device, `bad_input` for an invalid file name.
    """
    _refuse_places(path, root)
    rest = ntpath.splitdrive(path)[1]
    for name in re.split(r"[\\/]", rest):
        _refuse_name(path, name)
    whole = ntpath.normpath(ntpath.join(root, path))
    inside = PureWindowsPath(whole).is_relative_to(PureWindowsPath(ntpath.normpath(root)))
    if not inside and not (_SHORT.search(whole) or _SHORT.search(root)):
        raise RequestError(errors.FORBIDDEN, name=path, reason=text("it is outside the project"))
    return whole


def is_name(name: str) -> bool:
    """Whether a file can have this name on Windows."""
    try:
        _refuse_name(name, name)
    except RequestError:
        return False
    return name not in ("", ".", "..") and "/" not in name and "\\" not in name


def _refuse_places(path: str, root: str) -> None:
    drive, rest = ntpath.splitdrive(path)
    if _DEVICE.match(path):
        raise RequestError(errors.FORBIDDEN, name=path, reason=text("device paths are not allowed"))
    if drive.lower().replace("/", "\\") not in ("", ntpath.splitdrive(root)[0].lower().replace("/", "\\")):
        raise RequestError(errors.FORBIDDEN, name=path, reason=text("it is outside the project"))
    # `C:x` is relative to the current folder of drive C.
    if drive and not rest.startswith(("\\", "/")):
        reason = text("it is relative to a drive's current folder; use an absolute path")
        raise RequestError(errors.FORBIDDEN, name=path, reason=reason)


def _refuse_name(path: str, name: str) -> None:
    if name in (".", ".."):
        return
    if ":" in name:
        # `a.png:x` is an alternate data stream, which isn't listed in any folder.
        raise RequestError(
            errors.FORBIDDEN, name=path, reason=text("a colon would select an alternate data stream")
        )
    if _RESERVED.match(name):
        raise RequestError(
            errors.FORBIDDEN, name=path, reason=text("{name} is a device, not a file", name=name)
        )
    if name.endswith((".", " ")):
        reason = text(
            "Windows ignores dots and spaces at the end of {name}; use the file's exact name",
            name=repr(name),
        )
        raise RequestError(errors.BAD_INPUT, name=path, reason=reason)
    if _FORBIDDEN.search(name):
        reason = text("it has a character that file names can't have")
        raise RequestError(errors.BAD_INPUT, name=path.replace("\0", "\\0"), reason=reason)


STRICT = os.name != "nt"
"""Whether to resolve a resolved path again strictly: the part after a cycle of links is unresolved and may
lead elsewhere. Windows can't resolve paths on every drive, such as a RAM disk; there `join_windows_path`
leaves no `..` after a cycle."""


def confine(path: str, root: Path | None, private: Sequence[str] = (), *, fixed: bool = False) -> str:
    """Returns the resolved path of a file below the project's root, without opening it.

    `private` are folders, from `folder_prefix`, whose files belong to no project. With `fixed`, the root had
    no links when it was registered, and must still have none. Raises RequestError: `forbidden` for a path
    elsewhere, existing or not; `not_found`; `bad_input` if it isn't a regular file.
    """
    if root is None:
        reason = text(
            "paths are only allowed from an editor on this machine, with a project root that the user has "
            "allowed (`popbridge roots`)"
        )
        raise RequestError(errors.FORBIDDEN, name=path, reason=reason)
    if "\0" in path:
        shown = path.replace("\0", "\\0")
        raise RequestError(errors.BAD_INPUT, name=shown, reason=text("a path can't contain NUL"))
    if os.name == "nt":
        path = join_windows_path(path, str(root))
    try:
        if (plain := _resolve_plain(path, root)) is not None:
            return _require_public(plain, private, path)
        if fixed and STRICT and os.path.realpath(root) != os.fspath(root):
            reason = text("the project's folder was replaced by a link")
            raise RequestError(errors.FORBIDDEN, name=path, reason=reason)
        found = _require_public(_resolve(path, root, strict=STRICT), private, path)
        mode = os.stat(found).st_mode
    # A cycle of links or an invalid name.
    except (OSError, ValueError):
        raise _missing(path, root) from None
    # Opening a FIFO would wait for its other end, and opening a device can do anything.
    if not stat.S_ISREG(mode):
        raise RequestError(errors.BAD_INPUT, name=path, reason=text("it is not a regular file"))
    return found


def folder_prefix(folder: Path) -> str:
    """Returns what the paths of all files in a folder begin with, as `confine` compares them."""
    return os.path.join(os.path.normcase(os.path.realpath(folder)), "")


def _require_public(found: str, private: Sequence[str], path: str) -> str:
    """Returns `found`. Raises RequestError `forbidden` if it is in one of the `private` folders."""
    if private and os.path.normcase(found).startswith(tuple(private)):
        raise RequestError(errors.FORBIDDEN, name=path, reason=text("it is PopBridge's own"))
    return found


def _resolve_plain(path: str, root: Path) -> str | None:
    """Returns the path of a regular file without links, four times as fast as `_resolve`; otherwise None.

    Raises OSError or ValueError if it doesn't exist.
    """
    # `lstat` doesn't report junctions on Windows as links.
    if os.name == "nt":
        return None
    prefix, mode = "", 0
    first, *names = f"{root}/{path}".split("/")
    if first or not {"", ".", ".."}.isdisjoint(names):
        return None
    for name in names:
        prefix = f"{prefix}/{name}"
        if stat.S_ISLNK(mode := os.lstat(prefix).st_mode):
            return None
    return prefix if stat.S_ISREG(mode) else None


def _resolve(path: str, root: Path, *, strict: bool) -> str:
    """Resolves `path` below `root`. Raises RequestError `forbidden`, OSError, ValueError."""
    home = os.path.realpath(root)
    found = _require_below(home, os.path.realpath(os.path.join(home, path)), path)
    # Two steps, because Python versions differ in strictness, and parts removed by `..` needn't exist.
    return _require_below(home, os.path.realpath(found, strict=True), path) if strict else found


def _require_below(home: str, found: str, path: str) -> str:
    """Returns `found`. Raises RequestError `forbidden` if it isn't in `home`."""
    within, whole = os.path.join(os.path.normcase(home), ""), os.path.normcase(found)
    if not os.path.join(whole, "").startswith(within):
        raise RequestError(errors.FORBIDDEN, name=path, reason=text("it is outside the project"))
    return found


def _missing(path: str, root: Path) -> RequestError:
    """Returns the error for a missing file: `forbidden` outside the project, so as not to reveal what exists
    there."""
    with contextlib.suppress(OSError, ValueError):
        try:
            _resolve(path, root, strict=False)
        except RequestError as error:
            return error
    return RequestError(errors.NOT_FOUND, name=path)
