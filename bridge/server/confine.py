"""Which file a path in a request means: one below its project's root, or none.

What holds is decided when it is asked. Whoever may write into the project can put a link in the file's place
before a worker opens it; but they could as well have copied there what the link leads to, and what a worker
opens it opens with the rights of the same user.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bridge.core import errors
from bridge.core.errors import RequestError
from bridge.server import winpaths


def confine(path: str, root: Path | None) -> Path:
    """The file, symlinks resolved, if it lies below the project's root; nothing is opened for it.

    Raises RequestError: `forbidden` for what lies elsewhere, whether it exists or not, `not_found`, and
    `bad_input` for what isn't a file.
    """
    if root is None:
        reason = "paths are taken only from an editor on this machine, with a project root"
        raise RequestError(errors.FORBIDDEN, name=path, reason=reason)
    if "\0" in path:
        shown = path.replace("\0", "\\0")
        raise RequestError(errors.BAD_INPUT, name=shown, reason="no path has a NUL in it")
    if os.name == "nt":
        path = winpaths.joined(path, str(root))
    try:
        found = (root / path).resolve()
        inside = found.is_relative_to(root.resolve())
    # A loop of links, a name that is too long, or text that no name can be.
    except (OSError, ValueError, RuntimeError):
        raise RequestError(errors.NOT_FOUND, name=path) from None
    # Before it is looked at: who asks needn't learn what exists elsewhere.
    if not inside:
        raise RequestError(errors.FORBIDDEN, name=path, reason="it lies outside the project")
    try:
        mode = found.stat().st_mode
    except OSError:
        raise RequestError(errors.NOT_FOUND, name=path) from None
    # Opening a FIFO waits for its other end, and a device does whatever it does.
    if not stat.S_ISREG(mode):
        raise RequestError(errors.BAD_INPUT, name=path, reason="it isn't a file")
    return found
