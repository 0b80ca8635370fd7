"""What several commands need: the settings of this machine, and lines of JSON."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from bridge.core.errors import UserError
from bridge.core.settings import Setting, Settings, resolve


def read_settings(
    declared: Iterable[Setting],
    file: Path,
    environment: Mapping[str, str],
    flags: Mapping[str, object] | None = None,
) -> Settings:
    """Every declared setting's value and where it comes from. Raises UserError."""
    return resolve(declared, flags, environment, read_settings_file(file))


def read_settings_file(path: Path) -> dict[str, object]:
    """Settings by name from TOML, in tables or with dotted names; none where there is no file."""
    try:
        with path.open("rb") as file:
            return dict(_flat(tomllib.load(file)))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"The settings file {path} can't be read ({error}): mend or remove it.") from None


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
            raise UserError(f"{what} {pair!r} isn't NAME=VALUE.")
        found[name] = value
    return found


def say_json(value: Any) -> None:
    """One line of JSON; a file name's byte that is no UTF-8 comes out as Python's escape for it."""
    try:
        click.echo(msgspec.json.encode(value, enc_hook=str).decode())
    except UnicodeEncodeError:
        click.echo(json.dumps(msgspec.to_builtins(value, enc_hook=str)))


def table(rows: Iterable[tuple[str, ...]], heads: tuple[str, ...]) -> None:
    """Columns on stdout: as wide as the terminal, or as the text where it goes into a file."""
    import sys

    from rich.console import Console
    from rich.table import Table

    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 400)
    shown = Table(*heads, box=None, pad_edge=False, highlight=False)
    for row in rows:
        shown.add_row(*(text.replace("[", "\\[") for text in row))
    console.print(shown)
