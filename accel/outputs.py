"""Files that a workload made: named by their SHA-256, in a reply or in a folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import uuid
from pathlib import Path

from accel.frames import ResultFile
from accel.replacing import replace_file
from accel.text import text
from accel.workload import OutputFile, WorkloadError

NO_ROOM = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT") if hasattr(errno, name))
"""How systems say that a disk is full."""


def named(file: OutputFile) -> ResultFile:
    """`file` with its digest, its bytes in memory."""
    digest = hashlib.sha256(file.data).hexdigest()
    return ResultFile(file.name, file.media_type, len(file.data), digest, data=file.data)


def stored(file: OutputFile, folder: str | Path) -> ResultFile:
    """`file` with its digest, its bytes in `folder` under that name; one that is there is dated anew.

    Raises WorkloadError where it can't be written: `storage_full` on a full disk, else `internal`.
    """
    digest = hashlib.sha256(file.data).hexdigest()
    # As text: whoever asked waits, and for a file that is there `Path` takes longer than the system.
    path = os.path.join(folder, digest)
    try:
        if is_new := not _renewed(path, len(file.data)):
            _write(Path(path), file.data)
    except OSError as error:
        code = "storage_full" if error.errno in NO_ROOM else "internal"
        said = (error.strerror or str(error)).lower()
        raise WorkloadError(
            code, text("the file {file} can't be written ({said})", file=file.name, said=said)
        ) from None
    return ResultFile(file.name, file.media_type, len(file.data), digest, path=path, fresh=is_new)


def _renewed(path: str, size: int) -> bool:
    """Whether the file is there already; if so its time is now, as it might be about to go for its age."""
    try:
        # A machine that lost its power may have left the name and nothing in it.
        if os.stat(path).st_size != size:
            return False
        os.utime(path)
    except FileNotFoundError:
        return False
    except PermissionError:
        # What can't be dated anew can't be removed either.
        return True
    return True


def _write(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        draft.write_bytes(data)
        # Where it can't be replaced, another worker may have made it in between, and it is being read.
        replace_file(draft, path, done=path.is_file)
    finally:
        # What can't be removed now goes as the folder is swept.
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
