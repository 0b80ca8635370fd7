"""Files that a workload made: named by their SHA-256, in a reply or in a folder."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

from accel.frames import ResultFile
from accel.workload import OutputFile


def named(file: OutputFile) -> ResultFile:
    """`file` with its digest, its bytes in memory."""
    digest = hashlib.sha256(file.data).hexdigest()
    return ResultFile(file.name, file.media_type, len(file.data), digest, data=file.data)


def stored(file: OutputFile, folder: Path) -> ResultFile:
    """`file` with its digest, its bytes in `folder` under that name. Raises OSError."""
    digest = hashlib.sha256(file.data).hexdigest()
    path = folder / digest
    if not path.is_file():
        _write(path, file.data)
    return ResultFile(file.name, file.media_type, len(file.data), digest, path=str(path))


def _write(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        draft.write_bytes(data)
        os.replace(draft, path)
    except PermissionError:
        # Windows replaces no file that is open: another worker made it in between, and it is being read.
        if not path.is_file():
            raise
    finally:
        draft.unlink(missing_ok=True)
