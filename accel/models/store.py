"""The models folder: where each file lies, whether it is the right one, and how it gets there."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from accel.atomic_file import replace_file
from accel.models.manifest import File, Model, Part, Shipped
from accel.text import AnyText, TextError, text

if TYPE_CHECKING:
    from filelock import BaseFileLock


State = Literal["shipped", "pulled", "not pulled", "broken"]

Held = Callable[[Model], None]

CHUNK = 1 << 20
"""Bytes read at once."""

MISSING = text("is missing")
UNREADABLE = text("can't be read ({strerror})")
NOT_THERE = (FileNotFoundError, NotADirectoryError)


class ModelError(TextError):
    """A model can't be had; a sentence for people, without a full stop."""


class Unwritable(ModelError):
    """A file or folder of models can't be written: no other source helps."""

    def __init__(self, path: Path | str, error: OSError) -> None:
        super().__init__(
            text(
                "{path} can't be written ({strerror}): make room or get the right to, or name "
                "another folder by the setting models.folder",
                path=path,
                strerror=error.strerror or error,
            )
        )


class ModelStore:
    """A folder of models: `NAME/VERSION/FILE`. Files are complete or not there, and are read-only data."""

    def __init__(self, folder: Path, held: Held = lambda model: None) -> None:
        """`folder` need not exist. `held` hears of a model for which another program is waited for."""
        self.folder = folder
        self._held = held

    def path(self, model: Model, file: File) -> Path:
        """Where the file lies, or would."""
        for source in file.sources:
            if isinstance(source, Shipped):
                spec = importlib.util.find_spec(source.module)
                assert spec is not None and spec.origin is not None
                return Path(spec.origin).with_name(source.paths[0])
        return self.folder / model.name / model.version / file.name

    def problem(self, model: Model, file: File) -> AnyText:
        """Why the file isn't as its record says, to be put behind its name; empty where it is."""
        path = self.path(model, file)
        try:
            right = path.stat().st_size == file.size and digest(path) == file.sha256
        except OSError as error:
            return (
                MISSING if isinstance(error, NOT_THERE) else UNREADABLE.fill(strerror=error.strerror or error)
            )
        return "" if right else text("is damaged")

    def right(self, model: Model, file: File) -> bool:
        """Whether the file is there with the digest that its record says."""
        return not self.problem(model, file)

    def state(self, model: Model) -> State:
        """What there is of the model; every digest is checked."""
        problems = {self.problem(model, file) for file in model.files}
        if problems == {""}:
            return "shipped" if model.shipped else "pulled"
        return "not pulled" if problems == {MISSING} and not model.shipped else "broken"

    def read(self, model: Model, file: File) -> bytes:
        """The file's contents, its digest checked. Raises ModelError, which says what to run."""
        path = self.path(model, file)
        try:
            contents = path.read_bytes()
        except FileNotFoundError:
            raise ModelError(_not_pulled(model)) from None
        except OSError as error:
            raise ModelError(
                text("{path} can't be read ({strerror})", path=path, strerror=error.strerror or error)
            ) from None
        if hashlib.sha256(contents).hexdigest() != file.sha256:
            raise ModelError(_broken(model, file))
        return contents

    @contextlib.contextmanager
    def locked(self, model: Model) -> Iterator[None]:
        """Holds the model for who changes it; another process waits meanwhile. Raises Unwritable."""
        from filelock import FileLock

        lock = FileLock(self.folder / f"{model.name}.lock")
        if not self._got(lock, 0):
            # What goes wrong in it, such as a closed terminal, is none of the folder's faults.
            self._held(model)
            self._got(lock, -1)
        try:
            yield
        finally:
            lock.release()

    def _got(self, lock: BaseFileLock, timeout_s: float) -> bool:
        """Whether a lock was free within that time; -1 waits for ever. Raises Unwritable."""
        from filelock import Timeout

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=timeout_s)
        except Timeout:
            return False
        except OSError as error:
            raise Unwritable(self.folder, error) from None
        return True

    def put(self, model: Model, file: File, contents: Path | bytes) -> None:
        """Copies a file to its place, where it appears in one step; whoever calls holds the lock.

        Raises ModelError where it isn't what the record says, or can't be written.
        """
        path = self.path(model, file)
        part = path.with_name(f"{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(contents, bytes):
                part.write_bytes(contents)
            else:
                shutil.copyfile(contents, part)
            if digest(part) != file.sha256:
                raise ModelError(
                    text("{file} isn't the file that was declared (its SHA-256 is another)", file=file.name)
                )
            replace_file(part, path)
        except OSError as error:
            raise Unwritable(path, error) from None
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    @property
    def downloads(self) -> Path:
        """Where files lie while they come."""
        return self.folder / "downloads"

    def resumable(self, part: Part) -> Path:
        """Where a part lies until all of it has come."""
        return self.downloads / f"{part.sha256}.part"

    def remove(self, model: Model) -> bool:
        """Removes all versions of a model, and what came of an interrupted pull; gives whether there was
        anything. Raises ModelError."""
        parts = [self.resumable(part) for file in model.files for part in file.wanted]
        belongings = [self.folder / model.name, self.downloads / model.name, *parts]
        if not any(map(_there, belongings)):
            # Nothing is written: the folder may be one that others share and only read.
            return False
        with self.locked(model):
            for path in belongings:
                _removed(path)
        return True


def _there(path: Path) -> bool:
    """Whether there may be something."""
    try:
        path.lstat()
    except OSError as error:
        return not isinstance(error, NOT_THERE)
    return True


def _removed(path: Path) -> None:
    """Removes a file or folder, if it is there. Raises ModelError."""
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        reason = text(
            "{filename} can't be removed ({strerror})",
            filename=error.filename or path,
            strerror=error.strerror or error,
        )
        raise ModelError(text("{reason}; a program may have it open", reason=reason)) from None


def digest(path: Path) -> str:
    """The SHA-256 of a file, hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _not_pulled(model: Model) -> AnyText:
    return text(
        "the model {model} isn't on this machine: run `popbridge models pull {model}`", model=model.name
    )


def _broken(model: Model, file: File) -> str:
    return f"{file.name} of the model {model.name} is damaged: {retry_command(model)} again"


def retry_command(model: Model) -> AnyText:
    """What gets a model anew, before "again"."""
    if model.shipped:
        return "install popbridge"
    accept = " --accept-unclear-licence" if model.opt_in else ""
    return text("run `popbridge models pull {model}{accept}`", model=model.name, accept=accept)
