"""Which file a path in a request means: one below its project's root, or none.

What holds is decided when it is asked. Whoever may write into the project can put a link in the file's place
before a worker opens it; but they could as well have copied there what the link leads to, and what a worker
opens it opens with the rights of the same user.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from accel.text import text
from bridge.core import errors
from bridge.core.errors import RequestError
from bridge.server import winpaths

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
        path = winpaths.joined(path, str(root))
    try:
        if (plain := _plain(path, root)) is not None:
            return plain
        found = _inside(path, root, strict=STRICT)
        mode = os.stat(found).st_mode
    # A loop of links, a name that is too long, or text that no name can be.
    except (OSError, ValueError):
        raise _missing(path, root) from None
    # Opening a FIFO waits for its other end, and a device does whatever it does.
    if not stat.S_ISREG(mode):
        raise RequestError(errors.BAD_INPUT, name=path, reason=text("it isn't a file"))
    return found


def _plain(path: str, root: Path) -> str | None:
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


def _inside(path: str, root: Path, *, strict: bool) -> str:
    """Where `path` lies. Raises RequestError `forbidden`, and OSError or ValueError where nobody can tell."""
    home = os.path.realpath(root)
    found = _below(home, os.path.realpath(os.path.join(home, path)), path)
    # Not at once: versions of Python differ in what is strict, and what is left out by `..` needn't be there.
    return _below(home, os.path.realpath(found, strict=True), path) if strict else found


def _below(home: str, found: str, path: str) -> str:
    """`found`, if it lies in `home`. Raises RequestError `forbidden`."""
    within, whole = os.path.join(os.path.normcase(home), ""), os.path.normcase(found)
    if not os.path.join(whole, "").startswith(within):
        raise RequestError(errors.FORBIDDEN, name=path, reason=text("it lies outside the project"))
    return found


def _missing(path: str, root: Path) -> RequestError:
    """What is said of a path that leads nowhere: who asks needn't learn what exists elsewhere."""
    with contextlib.suppress(OSError, ValueError):
        try:
            _inside(path, root, strict=False)
        except RequestError as error:
            return error
    return RequestError(errors.NOT_FOUND, name=path)
