"""`connection.json`: how local clients find the daemon and its token."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from accel.replacing import replace_file
from accel.text import text
from bridge.core.errors import UserError


class ConnectionFile(Struct):
    """`connection.json`: where the daemon listens, and the local token."""

    ws: str
    http: str
    token: str
    pid: int
    protocol: int
    fingerprint: str | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises UserError where no daemon has written it."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, ValueError) as error:
            if (blocked := _no_folder(path)) is not None:
                said = text(
                    "{blocked} is no folder: let POPBRIDGE_HOME name one, or make room for one.",
                    blocked=blocked,
                )
            elif isinstance(error, FileNotFoundError):
                said = text("PopBridge isn't running: start it with `popbridge serve`.")
            else:
                reason = getattr(error, "strerror", None) or error
                said = text(
                    "{path} can't be read ({reason}): restart `popbridge serve`.", path=path, reason=reason
                )
            raise UserError(said) from None

    def write(self, path: Path) -> None:
        """Readable by its owner alone, and in one step, so that no client reads half of it."""
        draft = path.with_suffix(".tmp")
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_bytes(json.dumps(msgspec.to_builtins(self), indent=1).encode())
        # Clients that wait for a daemon look at it again and again.
        replace_file(draft, path)


def _no_folder(path: Path) -> Path | None:
    """What stands in the place of a folder above `path`: Windows says only that nothing is there."""
    return next((one for one in path.parents if os.path.exists(one) and not os.path.isdir(one)), None)
