"""Envelope encryption: each value has a data key of its own, wrapped by the master key."""

from __future__ import annotations

import functools
import hmac
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from accel.text import AnyText, text
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
"""AES-256."""
VERSION = 1
"""Version of the envelope and of the contexts."""
# No msgpack value begins with 0xC1 (https://github.com/msgpack/msgpack/blob/master/spec.md), so values
# from before encryption are told from envelopes.
MAGIC = b"\xc1PB" + bytes([VERSION])
ID_BYTES = 4
HEADER_BYTES = len(MAGIC) + ID_BYTES
NONCE_BYTES = 12
"""NIST SP 800-38D, section 5.2.1.1."""
TAG_BYTES = 16
_WRAPPED = slice(HEADER_BYTES + NONCE_BYTES, HEADER_BYTES + NONCE_BYTES + KEY_BYTES + TAG_BYTES)
OVERHEAD = _WRAPPED.stop + TAG_BYTES
"""Bytes that an envelope adds to its value."""
_DATA_NONCE = bytes(NONCE_BYTES)
"""The nonce of the value. It may be constant, because a data key encrypts one value only."""


class SealError(Exception):
    """An envelope that can't be opened because it was changed, truncated or moved."""


class MissingKeyError(SealError):
    """An envelope of a master key that the vault doesn't have."""


@functools.lru_cache(64)
def derive(key: bytes, purpose: str) -> bytes:
    """Derives 32 bytes from a uniformly random `key` by HKDF-Expand with SHA-256 (RFC 5869, section 2.3)."""
    return hmac.digest(key, f"popbridge {purpose}".encode() + b"\x01", "sha256")


def key_id(key: bytes) -> str:
    """Returns a master key's public id: 8 hex digits."""
    return derive(key, "key id")[:ID_BYTES].hex()


def is_sealed(value: object) -> bool:
    """Whether a stored value is an envelope."""
    return isinstance(value, bytes) and value.startswith(MAGIC)


def sealing_key(value: bytes) -> str:
    """Returns the id of the master key that sealed an envelope."""
    return value[len(MAGIC) : HEADER_BYTES].hex()


class Vault:
    """Seals and opens values with the master keys: the first one seals, all of them open. Thread-safe.

    An envelope is the header (magic bytes, version, id of the master key), a nonce, the wrapped data key and
    the encrypted value, both with AES-256-GCM. The value's context, such as `popups/12/message`, is
    authenticated with both, so that an envelope can't be moved to another row, column or table.
    """

    def __init__(self, keys: Sequence[bytes] = (), *, seals: bool = True, place: AnyText = "") -> None:
        """Without `seals`, or without keys, new values are stored as they are. `place` says where the current
        key is, or was expected."""
        self.place = place
        self._seals = seals
        self.hash_key = b""
        """The database's key that `hmac_key` derives others from."""
        self._wraps: dict[str, _WrappingKey] = {}
        self.form = ""
        """Id of the key that new values are sealed with; empty if they are stored as they are."""
        self.use(keys)

    def use(self, keys: Sequence[bytes]) -> None:
        """Replaces the master keys. The first one is the current one."""
        wraps = {key_id(key): _WrappingKey(key) for key in keys}
        # A thread that seals meanwhile finds either key.
        self._wraps = {**self._wraps, **wraps}
        self.form = next(iter(wraps), "") if self._seals else ""
        self._wraps = wraps

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the master keys, the current one first."""
        return tuple(self._wraps)

    def seal(self, data: bytes, context: str) -> bytes:
        """Returns the envelope of `data`."""
        form = self.form
        if not form:
            return data
        fresh = os.urandom(KEY_BYTES + NONCE_BYTES)
        key, nonce = fresh[:KEY_BYTES], fresh[KEY_BYTES:]
        place, header = _context(context), MAGIC + bytes.fromhex(form)
        wrapped = self._wrap(form).encrypt(nonce, key, header + place)
        return b"".join((header, nonce, wrapped, aes(key).encrypt(_DATA_NONCE, data, place)))

    def open(self, value: bytes, context: str) -> bytes:
        """Returns the data of an envelope; values that aren't sealed are returned as they are.

        Raises SealError.
        """
        if not value.startswith(MAGIC):
            return value
        place = _context(context)
        return decrypt(aes(self._data_key(value, place)), _DATA_NONCE, value[_WRAPPED.stop :], place)

    def convert(self, value: bytes, context: str) -> bytes | None:
        """Returns `value` as `seal` would store it now, or None if it already is.

        An envelope of an earlier master key gets its data key wrapped by the current one. Raises SealError.
        """
        form = self.form
        if not is_sealed(value):
            return self.seal(value, context) if form else None
        if not form:
            return self.open(value, context)
        if sealing_key(value) == form:
            return None
        place, nonce, header = _context(context), os.urandom(NONCE_BYTES), MAGIC + bytes.fromhex(form)
        key = self._data_key(value, place)
        wrapped = self._wrap(form).encrypt(nonce, key, header + place)
        return b"".join((header, nonce, wrapped, value[_WRAPPED.stop :]))

    def hmac_key(self, purpose: str) -> bytes:
        """Returns the key of digests with this purpose, which survives a rotation of the master key.

        Without it, a digest in a file would let anyone test guesses of what was digested.
        """
        return derive(self.hash_key, purpose)

    def sibling(self) -> Vault:
        """Returns a vault with the same master keys for another database."""
        other = Vault(seals=self._seals, place=self.place)
        other._wraps, other.form = self._wraps, self.form
        return other

    def _data_key(self, value: bytes, place: bytes) -> bytes:
        header = value[:HEADER_BYTES]
        nonce = value[HEADER_BYTES : _WRAPPED.start]
        wrap = self._wrap(sealing_key(value))
        return decrypt(wrap, nonce, value[_WRAPPED], header + place)

    def _wrap(self, name: str) -> AESGCM:
        """Returns the cipher that wraps data keys. Raises MissingKeyError."""
        found = self._wraps.get(name)
        if found is None:
            raise MissingKeyError(f"the master key {name} is missing")
        return found.cipher


class _WrappingKey:
    """Wraps data keys with a key derived from a master key."""

    def __init__(self, master: bytes) -> None:
        self._key = derive(master, "wrapping key")

    @functools.cached_property
    def cipher(self) -> AESGCM:
        return aes(self._key)


def new_key() -> bytes:
    """Returns a new master key."""
    return os.urandom(KEY_BYTES)


def missing_key_error(what: object, key: str, place: AnyText) -> UserError:
    """Returns the error for content that was sealed with a key that isn't there."""
    return UserError(
        text(
            "{what} is encrypted with the master key {key}, which is missing; it was expected in {place}. "
            "Restore it there, or import a copy with `popbridge keys import FILE`. To start without the old "
            "content, run `popbridge db reset`, which keeps the old file.",
            what=str(what),
            key=key,
            place=place,
        )
    )


def keyed_digest(key: bytes, digest: bytes) -> bytes:
    """Returns the HMAC-SHA-256 of a digest."""
    return hmac.digest(key, digest, "sha256")


def aes(key: bytes) -> AESGCM:
    """Returns the cipher of a key."""
    return _cryptography()[0](key)


@functools.cache
def _cryptography() -> tuple[type[AESGCM], type[Exception]]:
    """Returns the cipher, and its error for changed data. Imported with the first value, because short
    commands don't need them."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM, InvalidTag


def decrypt(cipher: AESGCM, nonce: bytes, data: bytes, place: bytes) -> bytes:
    """Decrypts data whose `place` was authenticated. Raises SealError."""
    try:
        return cipher.decrypt(nonce, data, place)
    # ValueError: a truncated nonce.
    except (_cryptography()[1], ValueError):
        raise SealError("its encryption doesn't match: it was changed or moved") from None


def _context(context: str) -> bytes:
    return f"{context}/{VERSION}".encode()
