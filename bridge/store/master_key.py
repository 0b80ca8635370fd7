"""Where the master key is: an environment variable, a file, or the system's keyring."""

from __future__ import annotations

import base64
import binascii
import contextlib
import importlib
import logging
import os
import sys
import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from filelock import FileLock
from msgspec import Struct

from accel.atomic_file import make_private_folder, replace_file, sync_folder
from accel.text import AnyText, text
from bridge.core.errors import UserError
from bridge.store.encryption import KEY_BYTES, key_id, new_key

log = logging.getLogger(__name__)

Value = TypeVar("Value")

VARIABLE = "POPBRIDGE_MASTER_KEY"
FILE = "master.key"
"""In the data folder: the keys, or a line that says where they are."""
SERVICE = "PopBridge"
"""Name of the entry in the keyring; its user is the data folder."""
KEYRING_TIMEOUT_S = 2.0
"""Seconds to wait for the keyring. A locked one asks for a password, which may take for ever."""
BACKENDS = frozenset(
    {
        ("keyring.backends.Windows", "WinVaultKeyring"),
        ("keyring.backends.macOS", "Keyring"),
        ("keyring.backends.SecretService", "Keyring"),
        ("keyring.backends.libsecret", "Keyring"),
        ("keyring.backends.kwallet", "DBusKeyring"),
        ("keyring.backends.kwallet", "DBusKeyringKWallet4"),
    }
)
"""The backends that encrypt. Others, such as those of `keyrings.alt`, may store plain text."""
HEAD = "# PopBridge's master key. Whoever reads it can read the database: keep it secret, and keep a copy.\n"
IN_KEYRING = "keyring"
IN_FILE = "file "
IN_VARIABLE = "environment"
_IN_ENVIRONMENT = text("the environment variable {variable}", variable=VARIABLE)

Kind = Literal["environment", "file", "keyring"]


class KeyRing(Struct, frozen=True):
    """Master keys and the place of the current one."""

    keys: tuple[bytes, ...]
    """The current key, then earlier ones that some rows may still need; empty if there is none."""
    kind: Kind
    place: AnyText
    """The place of the current key, or where it was expected, for people."""


class MasterKey:
    """The places of the master keys of a data folder.

    The environment variable comes before the file of the setting `encryption_key_file`, and that before
    `master.key` in the data folder or the keyring that this file names. Keys of later places stay usable, so
    that a key in another place is taken over like a rotated one.
    """

    def __init__(
        self, data: Path, key_file: str = "", *, variable: str | None = None, uses_keyring: bool = False
    ) -> None:
        """`variable` is the environment variable's value. With `uses_keyring`, a new key goes to the system's
        keyring, if it has one."""
        self._data = data
        self._variable = variable
        self._file = data / FILE
        self._key_file = Path(key_file).expanduser() if key_file else None
        self._uses_keyring = uses_keyring
        self._lock = FileLock(data / f"{FILE}.lock", timeout=10)

    @classmethod
    def find(
        cls,
        data: Path,
        key_file: str = "",
        environment: Mapping[str, str] = os.environ,
        *,
        home: bool = False,
    ) -> MasterKey:
        """Returns the places for an environment. With `home`, POPBRIDGE_HOME names the data folder, which
        then has the key as well, so that several daemons don't fill the keyring."""
        return cls(data, key_file, variable=environment.get(VARIABLE), uses_keyring=not home)

    def read(self) -> KeyRing:
        """Returns the keys. Raises UserError if a place can't be read."""
        places = self._places()
        found = [(place, place.read()) for place in places]
        current = next((place for place, keys in found if keys), places[0])
        keys = dict.fromkeys(key for _, keys in found for key in keys)
        return KeyRing(tuple(keys), current.kind, current.place)

    def create(self) -> KeyRing:
        """Makes the first master key. Raises UserError."""
        with self._locked():
            found = self.read()
            if found.keys:
                return found
            key = new_key()
            if self._key_file is not None:
                write_keys(self._key_file, [key])
                self._point(f"{IN_FILE}{self._key_file.absolute()}")
            elif self._uses_keyring and _store_in_keyring(self._data, [key]):
                self._point(IN_KEYRING)
            else:
                write_keys(self._file, [key])
        return self.read()

    def point(self) -> None:
        """Notes in the data folder where the key is, for commands that don't know the daemon's settings.

        Raises UserError.
        """
        if not (said := _read_text(self._file)) or not _words(said):
            if self._variable:
                self._point(IN_VARIABLE)
            elif self._key_file is not None:
                self._point(f"{IN_FILE}{self._key_file.absolute()}")

    def add(self, key: bytes, *, current: bool = True) -> KeyRing:
        """Adds a key, as the new current one or as an earlier one. Raises UserError."""

        def changed(keys: Sequence[bytes]) -> list[bytes]:
            rest = [one for one in keys if one != key]
            return [key, *rest] if current else [*rest, key]

        with self._locked():
            place = next((one for one in self._places() if one.read()), None) or self._places()[0]
            if place.write is None:
                raise UserError(
                    text(
                        "The master key is in {variable}, which PopBridge can't change. Set {variable} to a "
                        "new key and the present one, separated by a space, and restart the daemon. "
                        "`popbridge keys new` prints a new key.",
                        variable=VARIABLE,
                    )
                )
            place.write(changed(place.read()))
        return self.read()

    def retire(self, ids: Collection[str]) -> bool:
        """Deletes keys that nothing needs any more, where they can be deleted. Returns whether any was.

        Raises UserError.
        """
        changed = False
        with self._locked():
            for place in self._places():
                keys = place.read()
                rest = [key for key in keys if key_id(key) not in ids]
                if len(rest) < len(keys) and place.write is not None:
                    place.write(rest)
                    changed = True
        return changed

    def set_aside(self) -> Path | None:
        """Renames `master.key`, so that the next daemon makes a new key. Returns the new name. Raises
        OSError."""
        if not self._file.exists():
            return None
        aside = self._file.with_name(f"{FILE}.old-{uuid.uuid4().hex[:8]}")
        os.replace(self._file, aside)
        return aside

    def stamp(self) -> object:
        """Returns a value that changes when a file with keys does."""
        return [_stamp(path) for path in (self._file, self._key_file) if path is not None]

    def _places(self) -> list[_Place]:
        places = []
        if self._variable:
            keys = parse_keys(self._variable, _IN_ENVIRONMENT)
            places.append(_Place("environment", _IN_ENVIRONMENT, lambda: keys, None))
        if self._key_file is not None:
            places.append(self._file_place(self._key_file))
        said = _read_text(self._file)
        if said is None or not said.startswith((IN_KEYRING, IN_FILE, IN_VARIABLE)):
            return [*places, self._file_place(self._file)]
        if said.startswith(IN_VARIABLE):
            return places or [_Place("environment", _IN_ENVIRONMENT, list, None)]
        if said.startswith(IN_FILE):
            other = Path(said.removeprefix(IN_FILE).strip())
            return [*places, self._file_place(other)] if other != self._key_file else places
        name = text("the system's keyring, entry {service}, user {user}", service=SERVICE, user=self._data)
        return [
            *places,
            _Place(
                "keyring",
                name,
                lambda: _read_from_keyring(self._data, name),
                lambda keys: self._write_keyring(keys),
            ),
        ]

    def _file_place(self, path: Path) -> _Place:
        return _Place(
            "file",
            text("the file {path}", path=path),
            lambda: parse_keys(_read_text(path) or "", path),
            lambda keys: write_keys(path, keys),
        )

    def _write_keyring(self, keys: Sequence[bytes]) -> None:
        if not _store_in_keyring(self._data, keys):
            raise UserError(text("The system's keyring refuses the master key. Unlock it and try again."))
        # A running daemon watches the file.
        self._point(IN_KEYRING)

    def _point(self, line: str) -> None:
        _write_private(self._file, f"{line}\n")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            make_private_folder(self._data)
            with self._lock:
                yield
        except (OSError, TimeoutError) as error:
            raise UserError(
                text("Can't use the folder {folder} ({reason}).", folder=self._data, reason=str(error))
            ) from None


class _Place(Struct, frozen=True):
    """A place for keys, which can be written unless `write` is None."""

    kind: Kind
    place: AnyText
    read: Callable[[], list[bytes]]
    write: Callable[[Sequence[bytes]], None] | None


def format_key(key: bytes) -> str:
    """Returns a key as text: its id, a colon, and 43 characters of base64url (RFC 4648, section 5)."""
    return f"{key_id(key)}:{base64.urlsafe_b64encode(key).decode().rstrip('=')}"


def write_keys(path: Path, keys: Sequence[bytes]) -> None:
    """Writes keys to a file that only its owner may read. Raises UserError."""
    _write_private(path, HEAD + "".join(f"{format_key(key)}\n" for key in keys))


def _write_private(path: Path, content: str) -> None:
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        make_private_folder(path.parent)
        opened = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(opened, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        replace_file(draft, path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise UserError(
            text("The master key can't be written to {path} ({reason}).", path=path, reason=error.strerror)
        ) from None


def parse_keys(content: str, place: object) -> list[bytes]:
    """Returns the keys of a text: words as from `format_key`; lines that begin with # are comments.

    Raises UserError for anything else.
    """
    keys = []
    for word in _words(content):
        name, _, secret = word.rpartition(":")
        try:
            key = base64.b64decode(secret + "=" * (-len(secret) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            key = b""
        # Without an id, as other programs make keys.
        if len(key) != KEY_BYTES or name not in ("", key_id(key)):
            raise UserError(
                text(
                    "{place} doesn't contain a valid master key. Restore it from a copy, or run "
                    "`popbridge db reset` to start without the old content.",
                    place=str(place),
                )
            )
        keys.append(key)
    return keys


def _words(content: str) -> list[str]:
    lines = (line for line in content.splitlines() if not line.lstrip().startswith("#"))
    return " ".join(lines).split()


def _read_text(path: Path) -> str | None:
    """Returns the text of a file, or None if there is none. Raises UserError."""
    try:
        if sys.platform != "win32" and path.stat().st_mode & 0o077 and path.stat().st_uid == os.getuid():
            path.chmod(0o600)
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            text("The master key in {path} can't be read ({reason}).", path=path, reason=reason)
        ) from None


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def accepted_backend(backend: Any) -> Any | None:
    """Returns `backend`, or the first one that it combines, if it is a known one that encrypts, else None."""
    kind = type(backend)
    if (kind.__module__, kind.__qualname__) == ("keyring.backends.chainer", "ChainerBackend"):
        return next((one for one in map(accepted_backend, backend.backends) if one is not None), None)
    if (kind.__module__, kind.__qualname__) not in BACKENDS:
        return None
    # A class may claim any name.
    is_real = getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is kind
    return backend if is_real else None


def keyring_backend() -> Any | None:
    """Returns the system's keyring, or None if it has none that encrypts."""
    if sys.platform not in ("win32", "darwin") and not _has_session_bus():
        return None
    # It takes 0.2 s, and most systems without a desktop have returned above.
    keyring = importlib.import_module("keyring")
    return accepted_backend(keyring.get_keyring())


def _has_session_bus() -> bool:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return bool(os.environ.get("DBUS_SESSION_BUS_ADDRESS")) or bool(
        runtime and os.path.exists(os.path.join(runtime, "bus"))
    )


def _store_in_keyring(user: Path, keys: Sequence[bytes]) -> bool:
    """Stores the keys and reads them back. Returns whether that worked."""
    content = " ".join(map(format_key, keys))

    def work() -> bool:
        backend = keyring_backend()
        if backend is None:
            return False
        backend.set_password(SERVICE, str(user), content)
        return bool(backend.get_password(SERVICE, str(user)) == content)

    try:
        return _with_timeout(work)
    # A keyring may raise anything; the file takes its place.
    except Exception as error:
        log.info("the system's keyring can't be used: %s", error)
        return False


def _read_from_keyring(user: Path, place: AnyText) -> list[bytes]:
    """Returns the keys in the keyring; none if it has no entry. Raises UserError if it can't be read."""

    def work() -> str:
        backend = keyring_backend()
        if backend is None:
            raise LookupError(str(text("there is no keyring")))
        return backend.get_password(SERVICE, str(user)) or ""

    try:
        return parse_keys(_with_timeout(work), place)
    except UserError:
        raise
    # A keyring may raise anything.
    except Exception as error:
        raise UserError(
            text(
                "The master key is in {place}, which can't be read ({reason}). Log in to the desktop and "
                "unlock the keyring, then start again. Without it, import a copy of the key with `popbridge "
                "keys import FILE`.",
                place=place,
                reason=str(error) or type(error).__name__,
            )
        ) from None


def _with_timeout(work: Callable[[], Value]) -> Value:
    """Returns the result of `work`, which runs on a thread. Raises TimeoutError, and what `work` raises."""
    found: list[Value] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="keyring", daemon=True)
    thread.start()
    thread.join(KEYRING_TIMEOUT_S)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError(str(text("it is locked or doesn't answer")))
    return found[0]
