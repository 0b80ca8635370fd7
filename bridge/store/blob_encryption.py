"""Encrypted blobs: files with a data key of their own, and their plain copies while they are in use."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from accel.atomic_file import replace_file
from bridge.store.encryption import (
    KEY_BYTES,
    OVERHEAD,
    TAG_BYTES,
    SealError,
    Vault,
    aes,
    decrypt,
    new_key,
    sealing_key,
)

MAGIC = b"\xc1PopBridge-blob\x01"
"""Start of an encrypted blob's file; its last byte is the version."""
CHUNK_BYTES = 64 << 10
"""Bytes of the value encrypted at once."""
_KEY = slice(len(MAGIC), len(MAGIC) + KEY_BYTES + OVERHEAD)
_SEALED_CHUNK = CHUNK_BYTES + TAG_BYTES
MEMORY = Path("/dev/shm")  # Only private folders are made there. # nosec B108
"""Linux's file system in memory."""


def seal_file(source: BinaryIO, target: BinaryIO, vault: Vault, name: str) -> None:
    """Writes the blob `name`, read from `source`, to `target`.

    The file is the magic bytes, the data key in an envelope, and the chunks. Each chunk's nonce is its number
    and whether it is the last, so that none can be moved, repeated or cut off (STREAM: Hoang, Reyhanitabar,
    Rogaway, Vizár, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015).
    """
    key = new_key()
    target.write(MAGIC + vault.seal(key, _context(name)))
    cipher, number, chunk = aes(key), 0, source.read(CHUNK_BYTES)
    while True:
        following = source.read(CHUNK_BYTES) if len(chunk) == CHUNK_BYTES else b""
        target.write(cipher.encrypt(_nonce(number, last=not following), chunk, MAGIC))
        if not following:
            return
        number, chunk = number + 1, following


def open_file(source: BinaryIO, vault: Vault, name: str) -> Iterator[bytes]:
    """Yields the chunks of an encrypted blob. Raises SealError."""
    cipher = aes(vault.open(_read_head(source)[_KEY], _context(name)))
    number, chunk = 0, source.read(_SEALED_CHUNK)
    while True:
        following = source.read(_SEALED_CHUNK)
        yield decrypt(cipher, _nonce(number, last=not following), chunk, MAGIC)
        if not following:
            return
        number, chunk = number + 1, following


def is_encrypted(path: str | Path) -> bool:
    """Whether a file is an encrypted blob. A missing one isn't."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def plain_size(size: int) -> int:
    """Returns the size of a blob from that of its encrypted file."""
    body = size - _KEY.stop
    return body - TAG_BYTES * -(-body // _SEALED_CHUNK)


def convert_file(path: Path, vault: Vault) -> bool:
    """Wraps the data key of an encrypted blob with the vault's current key, or decrypts the blob if the vault
    doesn't seal. Returns whether the file was changed; its time of last use stays.

    Raises SealError and OSError.
    """
    if not is_encrypted(path):
        return False
    with path.open("r+b", buffering=0) as file:
        used = os.fstat(file.fileno())
        sealed = _read_head(file)[_KEY]
        if vault.form and sealing_key(sealed) == vault.form:
            return False
        if vault.form:
            wrapped = vault.convert(sealed, _context(path.name))
            assert wrapped is not None
            # Disks write a sector of 512 bytes or none of it.
            file.seek(_KEY.start)
            file.write(wrapped)
            os.fsync(file.fileno())
    if not vault.form:
        replace(path, lambda source, target: target.writelines(open_file(source, vault, path.name)))
    os.utime(path, ns=(used.st_atime_ns, used.st_mtime_ns))
    return True


def seal_in_place(path: Path, vault: Vault, name: str) -> None:
    """Encrypts the blob `name`, whose file is at `path`. Raises OSError."""
    replace(path, lambda source, target: seal_file(source, target, vault, name))


def replace(path: Path, change: Callable[[BinaryIO, BinaryIO], None]) -> None:
    """Replaces a file by what `change` writes from it. Raises OSError, and what `change` raises."""
    draft = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with path.open("rb") as source, draft.open("xb") as target:
            change(source, target)
            target.flush()
            os.fsync(target.fileno())
        replace_file(draft, path)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


class PlainCopies:
    """Plain copies of encrypted blobs, in memory where the system has such files, for readers that need a
    file."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        """`folder` is that of the blobs. Deletes the copies of an earlier daemon. Raises OSError."""
        self._vault = vault
        self.folder = _memory_folder(folder) or folder / "copies"
        self.expire(float("inf"))

    def copy(self, path: Path) -> Path:
        """Returns the plain copy of the encrypted blob at `path`, and records a use of it. Raises SealError
        and OSError."""
        self._make_folder()
        place = self.folder / path.name
        try:
            os.utime(place)
        except FileNotFoundError:
            draft = self.folder / f".{uuid.uuid4().hex}.part"
            try:
                with path.open("rb") as source, draft.open("xb") as target:
                    target.writelines(open_file(source, self._vault, path.name))
                replace_file(draft, place)
            finally:
                draft.unlink(missing_ok=True)
        return place

    def _make_folder(self) -> None:
        with contextlib.suppress(FileExistsError):
            self.folder.mkdir(mode=0o700)
            return
        if not self._is_own():
            raise PermissionError(errno.EPERM, "not a folder of this user alone", str(self.folder))

    def _is_own(self) -> bool:
        """Whether the folder is this user's alone: everyone may create names, and links, beside it in memory.

        Raises OSError if there is none.
        """
        if sys.platform == "win32":
            return True
        found = self.folder.lstat()
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077

    def expire(self, before: float) -> None:
        """Deletes the copies that weren't used since `before`. Raises OSError."""
        try:
            entries = list(self.folder.iterdir()) if self._is_own() else []
        except FileNotFoundError:
            return
        for entry in entries:
            with contextlib.suppress(OSError):
                if entry.stat().st_mtime < before:
                    entry.unlink()

    def close(self) -> None:
        """Deletes all copies."""
        with contextlib.suppress(OSError):
            self.expire(float("inf"))
            self.folder.rmdir()


def _memory_folder(blobs: Path) -> Path | None:
    """Returns a folder of this user in memory, or None if there is none."""
    if sys.platform != "linux" or not os.access(MEMORY, os.W_OK):
        return None
    name = hashlib.sha256(os.fsencode(blobs.resolve())).hexdigest()[:16]
    return MEMORY / f"popbridge-{os.getuid()}-{name}"


def _read_head(file: BinaryIO) -> bytes:
    head = file.read(_KEY.stop)
    if len(head) < _KEY.stop or not head.startswith(MAGIC):
        raise SealError("it is cut off")
    return head


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _context(name: str) -> str:
    return f"blobs/{name}/key"
