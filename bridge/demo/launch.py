"""Starting the editor that was found, which may be no program at all."""

from __future__ import annotations

import asyncio
import errno
import os
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from typing import IO

from accel.text import text
from bridge.core.errors import UserError
from bridge.demo.reader import ENGLISH, Reader

_FOREIGN = frozenset({errno.ENOEXEC, getattr(errno, "EBADARCH", errno.ENOEXEC)})
_MACHINE_TYPE_MISMATCH = 216
"""Windows' ERROR_EXE_MACHINE_TYPE_MISMATCH, which has no number of C."""


class EditorError(UserError):
    """The editor's file can't be run, so that it has said nothing anywhere."""


async def launched(
    command: Sequence[str], env: Mapping[str, str], log: IO[bytes], reader: Reader = ENGLISH
) -> Process:
    """The process of a command, whose output goes to `log`. Raises EditorError."""
    try:
        return await asyncio.create_subprocess_exec(*command, env=dict(env), stdout=log, stderr=log)
    except OSError as error:
        why, hint = (
            _why(command[0], error, reader),
            reader.translate(text("`popbridge demo --headless` needs no real editor.")),
        )
        raise EditorError(
            reader.translate(
                text(
                    "The editor can't be run: {program} {why}. {hint}", program=command[0], why=why, hint=hint
                )
            )
        ) from None


def _why(program: str, error: OSError, reader: Reader) -> str:
    """What is wrong, and what to do. The file is looked at, as systems say the same of many things."""
    if os.path.isdir(program):
        return reader.translate(text("is a folder; name the program in it"))
    if isinstance(error, FileNotFoundError):
        # The kernel says it of a script's interpreter and a program's loader, too.
        return reader.translate(
            text("needs another program that isn't there") if os.path.exists(program) else text("isn't there")
        )
    if error.errno in _FOREIGN or getattr(error, "winerror", None) == _MACHINE_TYPE_MISMATCH:
        return reader.translate(
            text("is no program for this computer; take one for its system and processor")
        )
    if os.name == "posix" and os.path.isfile(program) and not os.access(program, os.X_OK):
        return reader.translate(text("isn't marked as a program (`chmod +x` does it)"))
    return reader.translate(
        text("was refused ({reason}); check that you may run it", reason=error.strerror or error)
    )
