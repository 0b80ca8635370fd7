"""The runtime, data and cache folders of each platform, as platformdirs names them; `connection.json`."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from accel.atomic_file import make_private_folder, replace_file
from accel.text import text
from bridge.core.errors import UserError

APP = "popbridge"
MAX_SOCKET_PATH = 103
"""Most bytes of the path of a Unix socket: `sun_path` has 104 on macOS and 108 on Linux, with its NUL."""
START = "start.json"


class Paths(Struct, frozen=True):
    """PopBridge's folders and files, which need not exist."""

    home: Path | None
    """POPBRIDGE_HOME, which contains the other folders; None if it isn't set."""
    runtime: Path
    """Files of a running daemon: `connection.json` and the lock."""
    data: Path
    """Persistent data: the database and the blobs."""
    cache: Path
    """Files that can be recreated."""
    start_file: Path
    """The command that starts the daemon, for the Start button of editors.

    In a folder that outlives the login, which XDG_RUNTIME_DIR doesn't, and that editors know: they ignore
    XDG_DATA_HOME.
    """

    @classmethod
    def find(cls, env: Mapping[str, str] | None = None, platform: str = sys.platform) -> Self:
        """Returns the folders for an environment and a platform, a value of `sys.platform`.

        Accesses no files. Raises UserError.
        """
        env = os.environ if env is None else env
        if home := env.get("POPBRIDGE_HOME"):
            if platform == "win32":
                _check_typed(home)
            folder = Path(home)
            return cls(folder, folder, folder, folder / "cache", folder / START)
        if platform == "win32":
            runtime, data, cache = _windows(env)
        elif platform == "darwin":
            runtime, data, cache = _macos(env)
        else:
            runtime, data, cache = _xdg(env)
            return cls(None, runtime, data, cache, _xdg_fallback(env) / START)
        return cls(None, runtime, data, cache, runtime / START)

    @property
    def own_folders(self) -> tuple[Path, ...]:
        """The folders that are PopBridge's alone, where no project may be."""
        return self.data, self.runtime, self.cache

    @property
    def socket_file(self) -> Path:
        """The daemon's Unix socket."""
        return self.runtime / "popbridge.sock"

    @property
    def connection_file(self) -> Path:
        """Tells local clients the daemon's address."""
        return self.runtime / "connection.json"

    @property
    def ca_file(self) -> Path:
        """The certificate to trust, for programs that want a file; beside `connection.json`."""
        return self.runtime / "ca.pem"

    @property
    def certificates(self) -> Path:
        """The local certificate authority, and the daemon's certificate and key."""
        return self.data / "certs"

    @property
    def lock_file(self) -> Path:
        """Locked by the running daemon."""
        return self.runtime / "popbridge.lock"

    @property
    def devices_file(self) -> Path:
        """The devices that models can run on, from the last test."""
        return self.cache / "devices.json"

    @property
    def troubles_file(self) -> Path:
        """Devices that the running daemon has paused after failures."""
        return self.cache / "device-troubles.json"

    @property
    def database(self) -> Path:
        return self.data / "popbridge.db"

    @property
    def audit_log(self) -> Path:
        """Who did what; beside it are its key, its lock and its rotated files."""
        return self.data / "audit.log"

    @property
    def blobs(self) -> Path:
        return self.data / "blobs"

    @property
    def workers(self) -> Path:
        """Folders of running worker processes, on the disk of the blobs."""
        return self.data / "workers"

    @property
    def batching_file(self) -> Path:
        """Measured speeds of batches on this machine."""
        return self.cache / "batching.json"

    @property
    def routing_file(self) -> Path:
        """Measured speeds of CPU and GPU on this machine."""
        return self.cache / "routing.json"

    @property
    def responses_file(self) -> Path:
        """Cached results of workloads."""
        return self.cache / "responses.db"

    @property
    def settings_file(self) -> Path:
        """Settings, as TOML."""
        return self.data / "settings.toml"

    @property
    def plugins_file(self) -> Path:
        """The plugins that the last daemon found."""
        return self.data / "plugins.json"

    def models(self, folder: str) -> Path:
        """Returns the folder of downloaded models; `folder` is the setting `models.folder`."""
        return Path(folder).expanduser() if folder else self.data / "models"


def _check_typed(home: str) -> None:
    """Raises UserError for quotes or spaces around it, as from `set POPBRIDGE_HOME="C:\\x"` in `cmd`."""
    if (meant := home.strip(' "')) != home:
        raise UserError(
            text(
                "POPBRIDGE_HOME is `{home}`, which isn't a valid folder name. In cmd, type "
                'set "POPBRIDGE_HOME={meant}".',
                home=home,
                meant=meant,
            )
        )


def _windows(env: Mapping[str, str]) -> tuple[Path, Path, Path]:
    local = env.get("LOCALAPPDATA")
    app = (Path(local) if local else _user(env) / "AppData" / "Local") / APP
    return app / "run", app, app / "Cache"


def _macos(env: Mapping[str, str]) -> tuple[Path, Path, Path]:
    library = _user(env) / "Library"
    app = library / "Application Support" / APP
    return app / "run", app, library / "Caches" / APP


def _xdg(env: Mapping[str, str]) -> tuple[Path, Path, Path]:
    # XDG Base Directory specification: empty and relative paths must be ignored.
    folders = {
        name: Path(value) for name, value in env.items() if name.startswith("XDG_") and value[:1] == "/"
    }
    data = folders.get("XDG_DATA_HOME", _user(env) / ".local" / "share") / APP
    cache = folders.get("XDG_CACHE_HOME", _user(env) / ".cache") / APP
    runtime = folders["XDG_RUNTIME_DIR"] / APP if "XDG_RUNTIME_DIR" in folders else _xdg_fallback(env)
    return runtime, data, cache


def _xdg_fallback(env: Mapping[str, str]) -> Path:
    # Editors ignore XDG_DATA_HOME here: docs/reference/editor-contract.md.
    return _user(env) / ".local" / "share" / APP / "run"


def _user(env: Mapping[str, str]) -> Path:
    home = env.get("HOME") or env.get("USERPROFILE")
    return Path(home) if home else Path.home()


_user_umask: int | None = None
"""The user's umask while `private_umask` has replaced it. A process has one."""


@contextlib.contextmanager
def private_umask() -> Iterator[None]:
    """Makes new files and folders of this process and its children their owner's alone, in the context.

    Windows has no such mode: there, a user's profile folder is closed to other users.
    """
    global _user_umask
    before = os.umask(0o077)
    _user_umask = before
    try:
        yield
    finally:
        _user_umask = None
        os.umask(before)


def shared_mode() -> int | None:
    """Returns the mode of a new file that isn't PopBridge's own, or None if the umask does that."""
    return None if _user_umask is None else 0o666 & ~_user_umask


def quoted(path: Path) -> str:
    """Quotes a path for the shell, for commands in messages."""
    if os.name == "nt":
        import subprocess

        return subprocess.list2cmdline([str(path)])
    import shlex

    return shlex.quote(str(path))


class ConnectionFile(Struct):
    """`connection.json`: the daemon's addresses and the local token."""

    ws: str
    http: str
    token: str
    pid: int
    protocol: int
    fingerprint: str | None = None
    """SHA-256 of the daemon's certificate (DER), in lower-case hex; None without TLS."""
    ca: str | None = None
    """Certificate (PEM) to trust; None without TLS."""
    unix: str | None = None
    """The path of the Unix socket; None on Windows, and where its path would be too long."""
    path: str = ""
    """Where it was read; not part of the file."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads the file. Raises UserError if it is missing or invalid."""
        try:
            file = msgspec.json.decode(_read_own(path), type=cls)
            file.path = str(path)
            return file
        except (OSError, ValueError) as error:
            if (blocked := _blocking_file(path)) is not None:
                message = text(
                    "{blocked} is not a folder. Set POPBRIDGE_HOME to another one, or move the file.",
                    blocked=blocked,
                )
            elif isinstance(error, FileNotFoundError):
                message = text("PopBridge isn't running. Start it with `popbridge serve`.")
            else:
                reason = getattr(error, "strerror", None) or error
                message = text(
                    "Can't read `{path}` ({reason}). Restart `popbridge serve`.", path=path, reason=reason
                )
            raise UserError(message) from None

    @property
    def is_joined(self) -> bool:
        """Whether the daemon runs on another machine, which `popbridge join` has joined."""
        return self.pid == 0

    def write(self, path: Path) -> None:
        """Writes the file atomically, readable by its owner only."""
        fields = msgspec.to_builtins(self)
        del fields["path"]
        write_private(path, json.dumps(fields, indent=1).encode())


def _read_own(path: Path) -> bytes:
    """Reads a file. Raises OSError; UserError for another user's, which may name that user's own program."""
    with path.open("rb") as file:
        # Root works for others. Windows' profile folders are closed to other users.
        if sys.platform != "win32" and os.fstat(file.fileno()).st_uid != os.geteuid() != 0:
            raise UserError(
                text(
                    "`{path}` belongs to another user. Set POPBRIDGE_HOME to a folder of your own, or delete "
                    "the file and restart `popbridge serve`.",
                    path=path,
                )
            )
        return file.read()


def _blocking_file(path: Path) -> Path | None:
    """Returns the file in place of a parent folder, which Windows reports only as a missing path."""
    return next((one for one in path.parents if os.path.exists(one) and not os.path.isdir(one)), None)


def daemon_command() -> list[str]:
    """Returns the command that starts this installation's daemon; updates in place don't change it."""
    python = Path(sys.executable)
    windowless = python.with_name("pythonw.exe")
    program = windowless if sys.platform == "win32" and windowless.exists() else python
    # Without -P, modules in the current directory would shadow libraries.
    return [str(program), "-P", "-m", "bridge.cli", "serve"]


def record_start_command(paths: Paths, command: Sequence[str]) -> None:
    """Writes `start.json`, readable and writable by its owner only. Raises OSError."""
    file = paths.start_file
    make_private_folder(file.parent)
    write_private(file, json.dumps({"command": [*command]}, indent=1).encode())


def write_private(path: Path, content: bytes) -> None:
    """Writes a file atomically, readable and writable by its owner only. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    # Of a process that was killed.
    draft.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(draft, flags, 0o600), "wb") as file:
            file.write(content)
        # Waiting clients poll it and may have it open.
        replace_file(draft, path)
    finally:
        # The first error matters more.
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


FileState = tuple[int, int, int, int]


def file_state(path: Path) -> FileState | None:
    """Returns what changes when a file is replaced or written to; None if there is none."""
    try:
        found = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def create_private(path: Path) -> None:
    """Creates an empty file, readable and writable by its owner only, unless it exists. Raises OSError."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
