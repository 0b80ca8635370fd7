"""Files that a workload made: named by their SHA-256, in a reply or in a folder."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

from accel.frames import ResultFile
from accel.workload import OutputFile, WorkloadError


def named(file: OutputFile) -> ResultFile:
    """`file` with its digest, its bytes in memory."""
    digest = hashlib.sha256(file.data).hexdigest()
    return ResultFile(file.name, file.media_type, len(file.data), digest, data=file.data)


def stored(file: OutputFile, folder: Path) -> ResultFile:
    """`file` with its digest, its bytes in `folder` under that name. Raises WorkloadError `internal` where it
    can't be written, as on a full disk."""
    digest = hashlib.sha256(file.data).hexdigest()
    path = folder / digest
    try:
        if not path.is_file():
            _write(path, file.data)
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        raise WorkloadError("internal", f"the file {file.name} can't be written ({said})") from None
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
