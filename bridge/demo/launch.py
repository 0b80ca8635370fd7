"""Starting the editor that was found, which may be no program at all."""

from __future__ import annotations

import asyncio
import errno
import os
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from typing import IO

from bridge.core.errors import UserError
from bridge.demo import texts
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
        why, hint = _why(command[0], error, reader), reader.told(texts.HEADLESS)
        raise EditorError(reader.told(texts.CANT_RUN, program=command[0], why=why, hint=hint)) from None


def _why(program: str, error: OSError, reader: Reader) -> str:
    """What is wrong, and what to do. The file is looked at, as systems say the same of many things."""
    if os.path.isdir(program):
        return reader.told(texts.IS_FOLDER)
    if isinstance(error, FileNotFoundError):
        # The kernel says it of a script's interpreter and a program's loader, too.
        return reader.told(texts.NO_LOADER if os.path.exists(program) else texts.NOT_THERE)
    if error.errno in _FOREIGN or getattr(error, "winerror", None) == _MACHINE_TYPE_MISMATCH:
        return reader.told(texts.ANOTHER_SYSTEM)
    if os.name == "posix" and os.path.isfile(program) and not os.access(program, os.X_OK):
        return reader.told(texts.NO_PROGRAM)
    return reader.told(texts.REFUSED, reason=error.strerror or error)
