"""Which forms of a path Windows would open as something else than the plain file below a root that it names.

Decided from the text alone, on every system: nothing is opened, as only naming `\\\\server\\share` makes
Windows log in there with the user's name.
"""

from __future__ import annotations

import ntpath
import re
from pathlib import PureWindowsPath

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


def joined(path: str, root: str) -> str:
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
