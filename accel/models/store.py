"""The models folder: paths, verification by digest, locking, installation and removal."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from filelock import BaseFileLock, FileLock, Timeout

from accel.atomic_file import replace_file
from accel.models.manifest import File, Model, Part, Shipped
from accel.text import AnyText, TextError, text

State = Literal["shipped", "pulled", "not pulled", "broken"]

CHUNK = 1 << 20
"""Bytes read at a time."""

MISSING = text("is missing")
UNREADABLE = text("can't be read ({strerror})")
MISSING_ERRORS = (FileNotFoundError, NotADirectoryError)


class ModelError(TextError):
    """A model can't be used or installed. The message is a sentence for people, without a full stop."""


class Unwritable(ModelError):
    """A file or folder of models can't be written, whatever the source."""

    def __init__(self, path: Path | str, error: OSError) -> None:
        super().__init__(
            text(
                "{path} can't be written ({strerror}): free some space, check the permissions, or set "
                "models.folder to another folder",
                path=path,
                strerror=error.strerror or error,
            )
        )


class ModelStore:
    """A folder of models, `NAME/VERSION/FILE`. Files appear when complete and never change."""

    def __init__(self, folder: Path, on_wait: Callable[[Model], None] = lambda model: None) -> None:
        """`folder` need not exist. `on_wait` is called before waiting for another process's lock."""
        self.folder = folder
        self._on_wait = on_wait

    def path(self, model: Model, file: File) -> Path:
        """Returns the file's path, whether or not it exists."""
        for source in file.sources:
            if isinstance(source, Shipped):
                spec = importlib.util.find_spec(source.module)
                assert spec is not None and spec.origin is not None
                return Path(spec.origin).with_name(source.paths[0])
        return self.folder / model.name / model.version / file.name

    def problem(self, model: Model, file: File) -> AnyText:
        """Returns why the file isn't usable, to follow its name; empty if it is."""
        path = self.path(model, file)
        try:
            intact = path.stat().st_size == file.size and digest(path) == file.sha256
        except MISSING_ERRORS:
            return MISSING
        except OSError as error:
            return UNREADABLE.fill(strerror=error.strerror or error)
        return "" if intact else text("is damaged")

    def is_intact(self, model: Model, file: File) -> bool:
        """Whether the file exists with the digest of its record."""
        return not self.problem(model, file)

    def state(self, model: Model) -> State:
        """Returns the model's state after verifying every digest."""
        problems = {self.problem(model, file) for file in model.files}
        if problems == {""}:
            return "shipped" if model.shipped else "pulled"
        return "not pulled" if problems == {MISSING} and not model.shipped else "broken"

    def read(self, model: Model, file: File) -> bytes:
        """Returns the file's verified contents. Raises ModelError with the command to run."""
        path = self.path(model, file)
        try:
            contents = path.read_bytes()
        except FileNotFoundError:
            reason = text(
                "model {model} isn't installed: run `popbridge models pull {model}`", model=model.name
            )
            raise ModelError(reason) from None
        except OSError as error:
            raise ModelError(
                text("{path} can't be read ({strerror})", path=path, strerror=error.strerror or error)
            ) from None
        if hashlib.sha256(contents).hexdigest() != file.sha256:
            raise ModelError(
                text(
                    "{file} of model {model} is damaged: {command} again",
                    file=file.name,
                    model=model.name,
                    command=retry_command(model),
                )
            )
        return contents

    @contextlib.contextmanager
    def lock(self, model: Model) -> Iterator[None]:
        """Locks the model against other processes. Raises Unwritable."""
        lock = FileLock(self.folder / f"{model.name}.lock")
        if not self._acquire(lock, 0):
            # Outside `_acquire`, whose errors concern the folder.
            self._on_wait(model)
            self._acquire(lock, -1)
        try:
            yield
        finally:
            lock.release()

    def _acquire(self, lock: BaseFileLock, timeout_s: float) -> bool:
        """Returns whether the lock was acquired within the time; -1 waits forever. Raises Unwritable."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=timeout_s)
        except Timeout:
            return False
        except OSError as error:
            raise Unwritable(self.folder, error) from None
        return True

    def put(self, model: Model, file: File, contents: Path | bytes) -> None:
        """Installs a file atomically. The caller must hold the lock.

        Raises ModelError if its digest differs from the record's or it can't be written.
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
                raise ModelError(text("{file} isn't the declared file (SHA-256 differs)", file=file.name))
            replace_file(part, path)
        except OSError as error:
            raise Unwritable(path, error) from None
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    @property
    def downloads(self) -> Path:
        """The folder for incomplete files."""
        return self.folder / "downloads"

    def resumable(self, part: Part) -> Path:
        """Returns the path of a part while it is being downloaded."""
        return self.downloads / f"{part.sha256}.part"

    def remove(self, model: Model) -> bool:
        """Removes all versions of a model and the files of interrupted downloads.

        Returns whether there was anything to remove. Raises ModelError.
        """
        parts = [self.resumable(part) for file in model.files for part in file.source_parts]
        paths = [self.folder / model.name, self.downloads / model.name, *parts]
        if not any(map(_may_exist, paths)):
            # Don't create a lock file: the folder may be shared and read-only.
            return False
        with self.lock(model):
            for path in paths:
                _remove(path)
        return True


def _may_exist(path: Path) -> bool:
    try:
        path.lstat()
    except MISSING_ERRORS:
        return False
    except OSError:
        return True
    return True


def _remove(path: Path) -> None:
    """Removes a file or folder if it exists. Raises ModelError."""
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
    """Returns the SHA-256 of a file in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def retry_command(model: Model) -> AnyText:
    """Returns what to run to replace a model, to precede "again"."""
    if model.shipped:
        return text("install popbridge")
    accept = " --accept-unclear-licence" if model.opt_in else ""
    return text("run `popbridge models pull {model}{accept}`", model=model.name, accept=accept)
