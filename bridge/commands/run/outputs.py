"""Where outputs go: their names, and files that are there whole or as they were before."""

from __future__ import annotations

import errno
import functools
import itertools
import os
import shutil
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from accel.image.suffixes import ALIASES, IMAGES, suffix_of
from accel.replacing import replace_file
from accel.text import text
from bridge.commands.run.jobs import UNFIT, Job
from bridge.commands.run.made import Made
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from accel.frames import ResultFile

ITS_OWN = frozenset(
    (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOENT)
)
"""What is wrong with one path alone: its name is too long or none on this disk (Windows says that there is no
such path), or something is in the way of its file or folder."""


class Outputs:
    """The folder of all outputs."""

    def __init__(self, folder: Path, inputs: Collection[str], made: Made, *, force: bool) -> None:
        """`inputs` are all files that are worked on: none of them is ever overwritten."""
        self._folder = folder
        self._inputs = {_key(file) for file in inputs}
        self._made = made
        self._force = force
        self._taken: set[str] = set()

    def place(self, job: Job) -> str:
        """The folder for a job's outputs."""
        return os.path.normpath(os.path.join(self._folder, job.folder))

    def reserve(self, paths: Sequence[str]) -> None:
        """Keeps the names of files that an earlier run made for a job that is skipped."""
        self._taken.update(map(_key, paths))

    def keep(self, job: Job, key: bytes, files: Sequence[ResultFile]) -> list[str]:
        """Moves the files of the job `key` to where they belong; gives their paths.

        Raises WorkloadError `forbidden` where something is in the way, or one of them can have no such name,
        and UserError where nothing can be written at all.
        """
        folder = self.place(job)
        paths = [os.path.join(folder, name) for name in self._names(folder, job, files)]
        for path in paths:
            self._refuse_foreign(path)
        left = Counter(file.path for file in files)
        for file, path in zip(files, paths, strict=True):
            assert file.path is not None
            left[file.path] -= 1
            self._move(file.path, path, last=not left[file.path])
            self._made.add(path, key)
        return paths

    def _names(self, folder: str, job: Job, files: Sequence[ResultFile]) -> list[str]:
        alone = len(files) == 1 and files[0].media_type.startswith("image/")
        return [self._free(folder, job, file, alone) for file in files]

    def _free(self, folder: str, job: Job, file: ResultFile, alone: bool) -> str:
        """A name that neither an input nor another output of this run has."""
        from accel.workload import WorkloadError

        stem = job.stem
        own, suffix = UNFIT.sub("_", file.name), suffix_of(file.media_type)
        if not suffix:
            # Of a type that only its workload knows: it may have named the suffix.
            own, suffix = os.path.splitext(own)
            # But what ends in .png is taken for a PNG by whoever opens it.
            suffix = "" if suffix.lower() in IMAGES else suffix
        whole = f"{stem}.{own}" if stem else own
        numbered = (f"{whole}-{number}" for number in itertools.count(2))
        bare = stem[: -len(job.suffix)] if suffix and suffix == ALIASES.get(job.suffix, job.suffix) else ""
        short = [bare, f"{bare}.{own}"] if bare else [stem]
        for name in itertools.chain(short if alone and stem else [], [whole], numbered):
            key = _key(os.path.join(folder, name + suffix))
            if key not in self._inputs and key not in self._taken:
                self._taken.add(key)
                return name + suffix
            if job.exact:
                reason = text(
                    "{folder} is an input, or another output of this run",
                    folder=os.path.join(folder, name + suffix),
                )
                raise WorkloadError(
                    "forbidden", text("{reason}; give the outputs another name with --name", reason=reason)
                )
        raise AssertionError

    def _refuse_foreign(self, path: str) -> None:
        from accel.workload import WorkloadError

        if self._force or not os.path.lexists(path) or self._made.is_ours(path):
            return
        reason = text(
            "{path} is there already and wasn't made by an earlier run; --force replaces it", path=path
        )
        raise WorkloadError("forbidden", reason)

    def _move(self, source: str, path: str, *, last: bool) -> None:
        from accel.workload import WorkloadError

        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if not last:
                # Two outputs of equal content are one file as yet.
                source = shutil.copyfile(source, f"{source}.copy")
            replace_file(source, path)
        except PermissionError as error:
            # Windows replaces no file that another program has open, and goes on having.
            raise WorkloadError(
                "forbidden", text("{path} can't be replaced ({strerror})", path=path, strerror=error.strerror)
            ) from None
        except OSError as error:
            if error.errno not in ITS_OWN:
                raise UserError(
                    text("{path} can't be written ({reason}).", path=path, reason=error.strerror)
                ) from None
            said = text("{path} can't be written ({strerror})", path=path, strerror=error.strerror)
            reason = text("{said}; call the input otherwise, or choose another --out", said=said)
            raise WorkloadError("forbidden", reason) from None


def _key(path: str) -> str:
    folder, name = os.path.split(os.path.abspath(path))
    # Without case everywhere: Windows and macOS take names for equal that differ in nothing else.
    return os.path.join(_real(folder), name).casefold()


@functools.lru_cache(1024)
def _real(folder: str) -> str:
    try:
        return os.path.realpath(folder)
    except OSError:
        # Windows can't tell where a device lies, for which it takes some names.
        return folder
