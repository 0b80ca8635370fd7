"""Finds the daemon: see "Finding the daemon" in PopBridge's editor contract."""

import json
import os
import sys
from typing import Any, Optional


class ConnectionFile(object):
    """`connection.json`: where the daemon listens, and the token that only this user can read."""

    def __init__(self, ws, http, token, fingerprint):
        # type: (str, str, str, str) -> None
        self.ws = ws
        self.http = http
        self.token = token
        self.fingerprint = fingerprint

    @property
    def token_id(self):
        # type: () -> str
        """The public part of the token."""
        return self.token.partition(".")[0]


def read():
    # type: () -> Optional[ConnectionFile]
    """Returns the file's content; None if no daemon has written one that can be used."""
    try:
        with open(os.path.join(runtime_folder(), "connection.json"), encoding="utf-8") as file:
            found = json.load(file)  # type: Any
        texts = [found[name] for name in ("ws", "http", "token")]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not all(isinstance(each, str) for each in texts):
        return None
    fingerprint = found.get("fingerprint")
    return ConnectionFile(texts[0], texts[1], texts[2], fingerprint if isinstance(fingerprint, str) else "")


def runtime_folder():
    # type: () -> str
    """Returns the folder of `connection.json`."""
    if os.environ.get("POPBRIDGE_HOME"):
        return os.environ["POPBRIDGE_HOME"]
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        return os.path.join(os.environ.get("LOCALAPPDATA", home), "popbridge", "run")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Application Support", "popbridge", "run")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        return os.path.join(runtime, "popbridge")
    return os.path.join(home, ".local", "share", "popbridge", "run")
