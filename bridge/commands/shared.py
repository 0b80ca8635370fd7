"""What several commands need: the settings of this machine, and lines of JSON."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from bridge.commands.language import told
from bridge.commands.texts import settings as texts
from bridge.commands.texts.measures import BYTES
from bridge.core.errors import UserError
from bridge.core.settings import Setting, Settings, resolve
from bridge.core.texts import Text
from bridge.projectfile import ESCAPES


def read_settings(
    declared: Iterable[Setting],
    file: Path,
    environment: Mapping[str, str],
    flags: Mapping[str, object] | None = None,
    *,
    lacking: bool = False,
) -> Settings:
    """Every declared setting's value and where it comes from; `lacking` as in `resolve`, and what is passed
    over is told. Raises UserError."""
    found = resolve(declared, flags, environment, read_settings_file(file), str(file), lacking=lacking)
    for name in found.passed_over:
        remark(texts.PASSED_OVER, name=name, source=file)
    return found


def remark(text: Text, **values: object) -> None:
    """Something to know beside what was asked for, on stderr."""
    click.echo(f"popbridge: {told(text, **values)}", err=True)


def read_settings_file(path: Path) -> dict[str, object]:
    """Settings by name from TOML, in tables or with dotted names; none where there is no file."""
    try:
        # Windows' editors and shells put a mark in front.
        return dict(_flat(tomllib.loads(path.read_bytes().decode("utf-8-sig"))))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise UserError(told(texts.UNREADABLE, path=path, reason=_reason(error))) from None


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return told(texts.NO_UTF8)
    reason, _, line = str(error).partition(" (at line ")
    if reason in ESCAPES:
        return told(texts.BACKSLASH, line=line.partition(",")[0])
    return getattr(error, "strerror", None) or str(error)


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def assignments(pairs: Iterable[str], what: str) -> dict[str, str]:
    """`NAME=VALUE` pairs. Raises UserError for one without a name."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UserError(told(texts.NO_PAIR, what=what, pair=pair))
        found[name] = value
    return found


def say_json(value: Any) -> None:
    """One line of JSON; a file name's byte that is no UTF-8 comes out as Python's escape for it."""
    try:
        click.echo(msgspec.json.encode(value, enc_hook=str).decode())
    except UnicodeEncodeError:
        click.echo(json.dumps(msgspec.to_builtins(value, enc_hook=str)))


def as_json_text(value: object) -> str:
    """`value` as JSON; what JSON doesn't know by its own words."""
    return msgspec.json.encode(value, enc_hook=str).decode()


def flag_text(setting: Setting, about: str) -> str:
    """A setting's flag in help: what it is, its variable and its default."""
    return f"{about} [{setting.environment}; {setting_text(setting, setting.default)}]"


def setting_text(setting: Setting, value: object) -> str:
    """A setting's value as it may be set, and of many bytes how much that is."""
    text = as_json_text(value)
    if setting.unit == "bytes" and isinstance(value, int) and value >= 1 << 10:
        return f"{text} ({size_text(value)})"
    return text


def size_text(count: int) -> str:
    """Bytes, in the largest unit of which there is one, in the reader's language."""
    for unit, bytes_ in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= bytes_:
            return f"{count / bytes_:.1f} {unit}"
    return told(BYTES, count=count)
