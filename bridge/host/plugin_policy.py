"""Which plugins may be loaded, by the settings `plugins.allow` and `plugins.block`, and which are new."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, Self

import msgspec
from msgspec import Struct
from packaging.utils import canonicalize_name

from accel.text import AnyText, text
from bridge.core.errors import UserError
from bridge.core.settings import SETTINGS, resolve
from bridge.paths import Paths, write_private
from bridge.project.config import ESCAPES

ALLOW, BLOCK = "plugins.allow", "plugins.block"

News = Literal["", "new", "changed"]


class PluginPolicy(Struct, frozen=True):
    """The two settings, and the plugins that the last daemon found.

    Names are compared as pip does: `Acme_Tools` is `acme-tools`.
    """

    allow: frozenset[str] = frozenset()
    """Distributions; empty allows all."""
    block: frozenset[str] = frozenset()
    """Distributions and entry points."""
    known: Mapping[str, str] | None = None
    """Versions of the last daemon's plugins, by `distribution/entry point`; None if nothing is new."""

    @classmethod
    def find(cls, flags: Mapping[str, object] | None = None, paths: Paths | None = None) -> Self:
        """Reads the settings from flags, the environment and the settings file. Raises UserError."""
        paths = paths or Paths.find()
        own = [setting for setting in SETTINGS if setting.name in (ALLOW, BLOCK)]
        names = {setting.name for setting in own}
        file = {
            name: value for name, value in read_settings_file(paths.settings_file).items() if name in names
        }
        found = resolve(own, flags, os.environ, file, str(paths.settings_file))
        allow, block = (frozenset(map(canonicalize_name, found[name])) for name in (ALLOW, BLOCK))
        return cls(allow, block, read_known(paths.plugins_file))

    def refusal(self, name: str, distribution: str, *, is_own: bool) -> AnyText:
        """Returns why a plugin must not be loaded; empty if it may. Our own need not be in `allow`."""
        distribution = canonicalize_name(distribution)
        if {canonicalize_name(name), distribution} & self.block:
            return text("the setting {setting} names it", setting=BLOCK)
        if self.allow and not is_own and distribution not in self.allow:
            return text("the setting {setting} doesn't name its distribution", setting=ALLOW)
        return ""

    def news(self, name: str, distribution: str, version: str, *, is_own: bool) -> News:
        """Whether a plugin is new, or has another version, since a daemon last started."""
        if is_own or self.known is None:
            return ""
        before = self.known.get(_key(name, distribution))
        return "new" if before is None else "" if before == version else "changed"


def read_known(file: Path) -> dict[str, str]:
    """Returns the plugins that the last daemon found; empty if there was none or the file is damaged."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, str])
    except (OSError, ValueError):
        return {}


def write_known(file: Path, plugins: Iterable[tuple[str, str, str]]) -> None:
    """Stores plugins, by name, distribution and version, for the next daemon. Raises OSError."""
    known = {_key(name, distribution): version for name, distribution, version in plugins}
    write_private(file, msgspec.json.format(msgspec.json.encode(known)))


def _key(name: str, distribution: str) -> str:
    return f"{canonicalize_name(distribution)}/{name}"


def read_settings_file(path: Path) -> dict[str, object]:
    """Settings by name from a TOML file, in tables or with dotted names; empty without a file.

    Raises UserError.
    """
    try:
        # Windows' editors and shells write a byte order mark.
        return dict(_flat(tomllib.loads(path.read_bytes().decode("utf-8-sig"))))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise UserError(
            text(
                "Can't read the settings file {path} ({reason}). Fix it or delete it.",
                path=path,
                reason=_reason(error),
            )
        ) from None


def _reason(error: OSError | ValueError) -> AnyText:
    if isinstance(error, UnicodeDecodeError):
        return text("it isn't UTF-8")
    reason, _, line = str(error).partition(" (at line ")
    if reason in ESCAPES:
        return text(
            "line {line}: a backslash in double quotes begins an escape; use / instead",
            line=line.partition(",")[0],
        )
    return getattr(error, "strerror", None) or str(error)


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
