"""Where SARIF says that something lies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote


def above(root: str) -> str:
    """Where the project lies below the folder that is under version control; empty where that is itself."""
    place = Path(root).resolve()
    for folder in (place, *place.parents):
        if os.path.exists(folder / ".git"):
            return "" if folder == place else f"{place.relative_to(folder).as_posix()}/"
    return ""


def location(file: str) -> dict[str, Any]:
    """The place of a file, named from that folder."""
    # Code review wants a line even where there are none.
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(file), "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": 1},
        }
    }


def _uri(file: str) -> str:
    """A relative path as a relative URI (RFC 3986): the file's own bytes, percent-encoded."""
    return quote(os.fsencode(file))
