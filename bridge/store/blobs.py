"""Blobs: files named by the SHA-256 of what is in them."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.core import errors
from bridge.core.errors import RequestError

NAME = re.compile(r"[0-9a-f]{64}")


class BlobStore:
    """A folder of blobs; what is in it under a name is whole and was verified."""

    def __init__(self, folder: Path, max_size: int) -> None:
        self.folder = folder
        self.max_size = max_size
        folder.mkdir(parents=True, exist_ok=True)
        for draft in folder.glob(".*.part"):  # of a daemon that was killed
            draft.unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Where the blob lies. Raises RequestError: `not_found`, or `bad_input` for what is no name."""
        if not NAME.fullmatch(name):
            reason = "a blob's name is its SHA-256, 64 lower-case hex digits"
            raise RequestError(errors.BAD_INPUT, name=name[:80], reason=reason)
        path = self.folder / name
        if not path.is_file():
            raise RequestError(errors.NOT_FOUND, name=f"Blob {name}")
        return path

    def put(self, data: bytes) -> str:
        """Keeps `data`; gives its name."""
        name = hashlib.sha256(data).hexdigest()
        if not (self.folder / name).is_file():
            with self.receive(name) as upload:
                upload.write(data)
                upload.commit()
        return name

    def receive(self, name: str) -> Upload:
        """Takes a blob in pieces. Raises RequestError where `name` is none."""
        if not NAME.fullmatch(name):
            reason = "a blob's name is its SHA-256, 64 lower-case hex digits"
            raise RequestError(errors.BAD_INPUT, name=name[:80], reason=reason)
        return Upload(self, name)

    def refuse_size(self, name: str, size: int) -> None:
        """Raises RequestError where `size` is more than is taken."""
        if size > self.max_size:
            raise RequestError(
                errors.TOO_LARGE,
                name=name,
                size=f"{size} bytes",
                limit=f"{self.max_size} bytes",
                setting="blobs.max_size",
            )


class Upload:
    """One blob on its way in; a file appears under its name only by `commit`."""

    def __init__(self, store: BlobStore, name: str) -> None:
        self._store = store
        self._name = name
        self._size = 0
        self._hash = hashlib.sha256()
        self._draft = store.folder / f".{uuid.uuid4().hex}.part"
        self._file = self._draft.open("xb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._draft.unlink(missing_ok=True)

    def write(self, piece: bytes) -> None:
        """Raises RequestError `too_large`."""
        self._size += len(piece)
        self._store.refuse_size(f"Blob {self._name}", self._size)
        self._hash.update(piece)
        self._file.write(piece)

    def commit(self) -> None:
        """The blob is there. Raises RequestError `bad_input` where the bytes aren't those of the name."""
        if self._hash.hexdigest() != self._name:
            reason = f"the bytes have SHA-256 {self._hash.hexdigest()}; send them again"
            raise RequestError(errors.BAD_INPUT, name=f"Blob {self._name}", reason=reason)
        self._file.close()
        place = self._store.folder / self._name
        if not place.is_file():  # Windows replaces no file that a worker has open
            os.replace(self._draft, place)
