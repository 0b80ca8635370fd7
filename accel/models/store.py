"""The models folder: where each file lies, whether it is the right one, and how it gets there."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from accel.models.manifest import File, Model, Shipped

State = Literal["shipped", "pulled", "not pulled", "broken"]

CHUNK = 1 << 20
"""Bytes read at once."""


class ModelError(Exception):
    """A model can't be had; a sentence for people, without a full stop."""


class ModelStore:
    """A folder of models: `NAME/VERSION/FILE`. Files are complete or not there, and are read-only data."""

    def __init__(self, folder: Path) -> None:
        """`folder` need not exist."""
        self.folder = folder

    def path(self, model: Model, file: File) -> Path:
        """Where the file lies, or would."""
        for source in file.sources:
            if isinstance(source, Shipped):
                spec = importlib.util.find_spec(source.module)
                assert spec is not None and spec.origin is not None
                return Path(spec.origin).with_name(source.paths[0])
        return self.folder / model.name / model.version / file.name

    def right(self, model: Model, file: File) -> bool:
        """Whether the file is there with the digest that its record says."""
        path = self.path(model, file)
        try:
            return path.stat().st_size == file.size and digest(path) == file.sha256
        except OSError:
            return False

    def state(self, model: Model) -> State:
        """What there is of the model; every digest is checked."""
        if all(self.right(model, file) for file in model.files):
            return "shipped" if model.shipped else "pulled"
        there = any(self.path(model, file).exists() for file in model.files)
        return "broken" if there or model.shipped else "not pulled"

    def read(self, model: Model, file: File) -> bytes:
        """The file's contents, its digest checked. Raises ModelError, which says what to run."""
        path = self.path(model, file)
        try:
            contents = path.read_bytes()
        except FileNotFoundError:
            raise ModelError(_not_pulled(model)) from None
        except OSError as error:
            raise ModelError(f"{path} can't be read ({error.strerror or error})") from None
        if hashlib.sha256(contents).hexdigest() != file.sha256:
            raise ModelError(_broken(model, file))
        return contents

    @contextlib.contextmanager
    def locked(self, model: Model) -> Iterator[None]:
        """Holds the model for who changes it; another process waits meanwhile. Raises ModelError."""
        from filelock import FileLock

        lock = FileLock(self.folder / f"{model.name}.lock")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise ModelError(f"{self.folder} can't be written ({error.strerror or error})") from None
        try:
            yield
        finally:
            lock.release()

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
                raise ModelError(f"{file.name} isn't the file that was declared (its SHA-256 is another)")
            os.replace(part, path)
        except OSError as error:
            raise ModelError(f"{path} can't be written ({error.strerror or error})") from None
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def remove(self, model: Model) -> bool:
        """Removes all versions of a model; gives whether there was one. Raises ModelError."""
        with self.locked(model):
            folder = self.folder / model.name
            if not folder.exists():
                return False
            try:
                shutil.rmtree(folder)
            except OSError as error:
                reason = f"{error.filename or folder} can't be removed ({error.strerror or error})"
                raise ModelError(f"{reason}; a program may have it open") from None
            return True


def digest(path: Path) -> str:
    """The SHA-256 of a file, hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _not_pulled(model: Model) -> str:
    return f"the model {model.name} isn't on this machine: run `popbridge models pull {model.name}`"


def _broken(model: Model, file: File) -> str:
    again = "install popbridge" if model.shipped else f"run `popbridge models pull {model.name}`"
    return f"{file.name} of the model {model.name} is damaged: {again} again"
