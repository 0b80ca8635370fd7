r"""Confine a path to its project root.

Decided from the text alone, on every system: nothing is opened, as only naming `\\server\share` makes
Windows log in there with the user's name.

What holds is decided when it is asked. Whoever may write into the project can put a link in the file's place
before a worker opens it; but they could as well have copied there what the link leads to, and what a worker
opens it opens with the rights of the same user.
"""

from __future__ import annotations

import contextlib
import ntpath
import os
import re
import stat
from pathlib import Path, PureWindowsPath

from accel.text import text
from bridge.core import errors
from bridge.core.errors import RequestError

_DEVICE = re.compile(r"^[\\/]{2}[?.][\\/]|^[\\/]\?\?[\\/]")
"""`\\\\?\\` switches the rules below off, `\\\\.\\` names devices, and `\\??\\` is what both become."""

_RESERVED = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9\u00b9\u00b2\u00b3]) *(\.|$)", re.IGNORECASE
)
"""Devices in every folder, whatever extension follows: `NUL.png` is NUL."""

_FORBIDDEN = re.compile(r'[\x00-\x1f<>"|?*]')
"""No name can have these; a colon is looked at by itself."""

_SHORT = re.compile(r"~[0-9]")
"""In the 8.3 form of a name: the same file has a long one, that only the file system knows."""


def join_windows_path(path: str, root: str) -> str:
    """`path`, absolute or from `root`, in normal form and below `root` by its text.

    Where either has an 8.3 name, which is another spelling, the file system still has to say so. Raises
    RequestError: `forbidden` for what lies elsewhere or is no file on a disk, `bad_input` for what no file is
    called.
    """
    _refuse_places(path, root)
    rest = ntpath.splitdrive(path)[1]
    for name in re.split(r"[\\/]", rest):
        _refuse_name(path, name)
    whole = ntpath.normpath(ntpath.join(root, path))
    inside = PureWindowsPath(whole).is_relative_to(PureWindowsPath(ntpath.normpath(root)))
    if not inside and not (_SHORT.search(whole) or _SHORT.search(root)):
        raise RequestError(errors.FORBIDDEN, name=path, reason=text("it lies outside the project"))
    return whole


def is_name(name: str) -> bool:
    """Whether a file can be called so on Windows."""
    try:
        _refuse_name(name, name)
    except RequestError:
        return False
    return name not in ("", ".", "..") and "/" not in name and "\\" not in name


def _refuse_places(path: str, root: str) -> None:
    drive, rest = ntpath.splitdrive(path)
    if _DEVICE.match(path):
        raise RequestError(errors.FORBIDDEN, name=path, reason=text("device paths aren't taken"))
    if drive.lower().replace("/", "\\") not in ("", ntpath.splitdrive(root)[0].lower().replace("/", "\\")):
        raise RequestError(errors.FORBIDDEN, name=path, reason=text("it lies outside the project"))
    # `C:x` is x in whatever folder some process last was in on drive C.
    if drive and not rest.startswith(("\\", "/")):
        reason = text("it begins in a drive's current folder, which nobody knows; give it whole")
        raise RequestError(errors.FORBIDDEN, name=path, reason=reason)


def _refuse_name(path: str, name: str) -> None:
    if name in (".", ".."):
        return
    if ":" in name:
        # `a.png:x` is another stream of the file, that no folder lists.
        raise RequestError(errors.FORBIDDEN, name=path, reason=text("a colon names an alternate data stream"))
    if _RESERVED.match(name):
        raise RequestError(
            errors.FORBIDDEN, name=path, reason=text("{name} is a device, not a file", name=name)
        )
    if name.endswith((".", " ")):
        reason = text(
            "Windows drops the dots and spaces at the end of {name}: give the file's own name",
            name=repr(name),
        )
        raise RequestError(errors.BAD_INPUT, name=path, reason=reason)
    if _FORBIDDEN.search(name):
        reason = text("it has a character that no file's name can have")
        raise RequestError(errors.BAD_INPUT, name=path.replace("\0", "\\0"), reason=reason)


STRICT = os.name != "nt"
"""Whether what a path leads to is looked at once more: what comes after a circle of links wasn't, and may be
a link that leads out. Windows can't tell of every drive, a RAM disk for example, where what is on it lies;
and there `winpaths` has left no `..` behind a circle."""


def confine(path: str, root: Path | None) -> str:
    """The file, symlinks resolved, if it lies below the project's root; nothing is opened for it.

    Raises RequestError: `forbidden` for what lies elsewhere, whether it exists or not, `not_found`, and
    `bad_input` for what isn't a file.
    """
    if root is None:
        reason = text("paths are taken only from an editor on this machine, with a project root")
        raise RequestError(errors.FORBIDDEN, name=path, reason=reason)
    if "\0" in path:
        shown = path.replace("\0", "\\0")
        raise RequestError(errors.BAD_INPUT, name=shown, reason=text("no path has a NUL in it"))
    if os.name == "nt":
        path = join_windows_path(path, str(root))
    try:
        if (plain := _resolve_plain(path, root)) is not None:
            return plain
        found = _resolve(path, root, strict=STRICT)
        mode = os.stat(found).st_mode
    # A loop of links, a name that is too long, or text that no name can be.
    except (OSError, ValueError):
        raise _missing(path, root) from None
    # Opening a FIFO waits for its other end, and a device does whatever it does.
    if not stat.S_ISREG(mode):
        raise RequestError(errors.BAD_INPUT, name=path, reason=text("it isn't a file"))
    return found


def _resolve_plain(path: str, root: Path) -> str | None:
    """Where `path` lies, in a quarter of the time, if it is a file with nothing to resolve on the way; None
    otherwise. Raises OSError or ValueError where it isn't there."""
    # What Windows calls a junction is no link to `lstat`.
    if os.name == "nt":
        return None
    here, mode = "", 0
    first, *names = f"{root}/{path}".split("/")
    if first or not {"", ".", ".."}.isdisjoint(names):
        return None
    for name in names:
        here = f"{here}/{name}"
        if stat.S_ISLNK(mode := os.lstat(here).st_mode):
            return None
    return here if stat.S_ISREG(mode) else None


def _resolve(path: str, root: Path, *, strict: bool) -> str:
    """Where `path` lies. Raises RequestError `forbidden`, and OSError or ValueError where nobody can tell."""
    home = os.path.realpath(root)
    found = _require_below(home, os.path.realpath(os.path.join(home, path)), path)
    # Not at once: versions of Python differ in what is strict, and what is left out by `..` needn't be there.
    return _require_below(home, os.path.realpath(found, strict=True), path) if strict else found


def _require_below(home: str, found: str, path: str) -> str:
    """`found`, if it lies in `home`. Raises RequestError `forbidden`."""
    within, whole = os.path.join(os.path.normcase(home), ""), os.path.normcase(found)
    if not os.path.join(whole, "").startswith(within):
        raise RequestError(errors.FORBIDDEN, name=path, reason=text("it lies outside the project"))
    return found


def _missing(path: str, root: Path) -> RequestError:
    """What is said of a path that leads nowhere: who asks needn't learn what exists elsewhere."""
    with contextlib.suppress(OSError, ValueError):
        try:
            _resolve(path, root, strict=False)
        except RequestError as error:
            return error
    return RequestError(errors.NOT_FOUND, name=path)
