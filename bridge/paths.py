"""Runtime, data and cache folders (platformdirs); connection.json."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from accel.atomic_file import replace_file
from accel.text import text
from bridge.core.errors import UserError

APP = "popbridge"


class Paths(Struct, frozen=True):
    """The folders; none of them need exist.

    `home` is POPBRIDGE_HOME where that is set, and moves all the others into it.
    """

    home: Path | None
    runtime: Path
    """`connection.json` and the lock: only of a daemon that runs now."""
    data: Path
    """What must not be lost: the database and the blobs."""
    cache: Path
    """What can be made again."""

    @classmethod
    def find(cls, env: Mapping[str, str] | None = None, platform: str = sys.platform) -> Self:
        """The folders for an environment and a platform (as `sys.platform` names it); touches no file. Raises
        UserError."""
        env = os.environ if env is None else env
        if home := env.get("POPBRIDGE_HOME"):
            if platform == "win32":
                _check_typed(home)
            folder = Path(home)
            return cls(folder, folder, folder, folder / "cache")
        if platform == "win32":
            return cls(None, *_windows(env))
        if platform == "darwin":
            return cls(None, *_macos(env))
        return cls(None, *_xdg(env))

    @property
    def connection_file(self) -> Path:
        """How local clients find the daemon."""
        return self.runtime / "connection.json"

    @property
    def lock_file(self) -> Path:
        """Held by the one daemon."""
        return self.runtime / "popbridge.lock"

    @property
    def devices_file(self) -> Path:
        """What models can run on here, as it was last tried."""
        return self.cache / "devices.json"

    @property
    def troubles_file(self) -> Path:
        """Which devices failed the daemon that runs, and rest."""
        return self.cache / "device-troubles.json"

    @property
    def database(self) -> Path:
        return self.data / "popbridge.db"

    @property
    def blobs(self) -> Path:
        return self.data / "blobs"

    @property
    def batching_file(self) -> Path:
        """What was measured of batches on this machine."""
        return self.cache / "batching.json"

    @property
    def routing_file(self) -> Path:
        """What was measured of the CPU beside a GPU on this machine."""
        return self.cache / "routing.json"

    @property
    def responses_file(self) -> Path:
        """Results of workloads that may be given again."""
        return self.cache / "responses.db"

    @property
    def settings_file(self) -> Path:
        """TOML; need not exist."""
        return self.data / "settings.toml"

    def models(self, chosen: str) -> Path:
        """Where pulled models lie; `chosen` is the setting `models.folder`."""
        return Path(chosen).expanduser() if chosen else self.data / "models"


def _check_typed(home: str) -> None:
    """Raises UserError for what `cmd` makes of `set POPBRIDGE_HOME="C:\\x"`, or of a space behind it."""
    if (meant := home.strip(' "')) != home:
        raise UserError(
            text(
                "POPBRIDGE_HOME is `{home}`, and Windows gives no folder such a name: in cmd, type "
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
    # The XDG Base Directory specification: a variable that is empty or relative counts as not set.
    given = {name: Path(value) for name, value in env.items() if name.startswith("XDG_") and value[:1] == "/"}
    data = given.get("XDG_DATA_HOME", _user(env) / ".local" / "share") / APP
    cache = given.get("XDG_CACHE_HOME", _user(env) / ".cache") / APP
    # Editors look below ~/.local/share whatever XDG_DATA_HOME says: docs/reference/editor-contract.md.
    fallback = _user(env) / ".local" / "share" / APP / "run"
    runtime = given["XDG_RUNTIME_DIR"] / APP if "XDG_RUNTIME_DIR" in given else fallback
    return runtime, data, cache


def _user(env: Mapping[str, str]) -> Path:
    home = env.get("HOME") or env.get("USERPROFILE")
    return Path(home) if home else Path.home()


def quoted(path: Path) -> str:
    """`path` quoted for the shell, for commands in messages."""
    if os.name == "nt":
        import subprocess

        return subprocess.list2cmdline([str(path)])
    import shlex

    return shlex.quote(str(path))


class ConnectionFile(Struct):
    """`connection.json`: where the daemon listens, and the local token."""

    ws: str
    http: str
    token: str
    pid: int
    protocol: int
    fingerprint: str | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises UserError where no daemon has written it."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, ValueError) as error:
            if (blocked := _no_folder(path)) is not None:
                said = text(
                    "{blocked} is no folder: let POPBRIDGE_HOME name one, or make room for one.",
                    blocked=blocked,
                )
            elif isinstance(error, FileNotFoundError):
                said = text("PopBridge isn't running: start it with `popbridge serve`.")
            else:
                reason = getattr(error, "strerror", None) or error
                said = text(
                    "{path} can't be read ({reason}): restart `popbridge serve`.", path=path, reason=reason
                )
            raise UserError(said) from None

    def write(self, path: Path) -> None:
        """Readable by its owner alone, and in one step, so that no client reads half of it."""
        draft = path.with_suffix(".tmp")
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_bytes(json.dumps(msgspec.to_builtins(self), indent=1).encode())
        # Clients that wait for a daemon look at it again and again.
        replace_file(draft, path)


def _no_folder(path: Path) -> Path | None:
    """What stands in the place of a folder above `path`: Windows says only that nothing is there."""
    return next((one for one in path.parents if os.path.exists(one) and not os.path.isdir(one)), None)
