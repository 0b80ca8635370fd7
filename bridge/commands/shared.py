"""What several commands need: the settings of this machine, and lines of JSON."""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from bridge.audit.plain import plain_lines
from bridge.commands.language import told
from bridge.commands.texts import settings as texts
from bridge.core.errors import UserError
from bridge.core.settings import Setting, Settings, resolve

FOLDED = 36
"""Columns that a long cell needs at least, so that it can be read when it is folded."""

_WIDE = re.compile(r"[\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]")
"""A letter of Chinese, Japanese or Korean, or a sign that goes with them."""
_PIECES = re.compile(
    rf"\s*[（《“]*(?:{_WIDE.pattern}|(?:(?!{_WIDE.pattern})[^\s“”])+)[，。：；、）》”！？]*\s*|\s+"
)
"""What lines aren't broken in: signs that close stand behind something, those that open before it."""


def read_settings(
    declared: Iterable[Setting],
    file: Path,
    environment: Mapping[str, str],
    flags: Mapping[str, object] | None = None,
) -> Settings:
    """Every declared setting's value and where it comes from. Raises UserError."""
    return resolve(declared, flags, environment, read_settings_file(file), str(file))


def read_settings_file(path: Path) -> dict[str, object]:
    """Settings by name from TOML, in tables or with dotted names; none where there is no file."""
    try:
        with path.open("rb") as file:
            return dict(_flat(tomllib.load(file)))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise UserError(told(texts.UNREADABLE, path=path, error=error)) from None


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


def screen_width() -> int:
    """Columns of the terminal; what goes into a file is as wide as it is."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 400


def table(rows: Sequence[tuple[str, ...]], heads: tuple[str, ...], less: Sequence[str] = ()) -> None:
    """Columns on stdout, folded to the screen; those of `less` are left out, in turn, where it is narrow."""
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = screen_width()
    cells = {head: [row[at] for row in rows] for at, head in enumerate(heads)}
    needs = {
        head: min(
            FOLDED, max(cell_len(line) for text in (head, *column) for line in text.splitlines() or [""])
        )
        for head, column in cells.items()
    }
    for head in less:
        if sum(needs[kept] + 2 for kept in cells) - 2 > width:
            del cells[head]
    shown = Table(*cells, box=None, pad_edge=False, highlight=False)
    for row in zip(*cells.values(), strict=True):
        shown.add_row(*(Text(plain_lines(text), overflow="fold") for text in row))
    Console(file=sys.stdout, width=width).print(shown)


def wrapped(text: str, indent: int) -> str:
    """One line of text, folded to the screen; `indent` spaces before what follows the first."""
    if _WIDE.search(text):
        return folded(text, indent, screen_width())
    return textwrap.fill(text, screen_width(), subsequent_indent=" " * indent, break_on_hyphens=False)


def folded(text: str, indent: int, width: int) -> str:
    """Lines of a script whose letters take two columns each, and which has no spaces to fold at."""
    from rich.cells import cell_len

    lines = [""]
    for piece in _PIECES.findall(text):
        if cell_len(lines[-1]) + cell_len(piece.rstrip()) > width and lines[-1].strip():
            lines.append(" " * indent)
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def flag_text(setting: Setting, about: str) -> str:
    """A setting's flag in help: what it is, its variable and its default."""
    return f"{about} [{setting.environment}; {as_json_text(setting.default)}]"


def size_text(count: int) -> str:
    """Bytes, in the largest unit of which there is one."""
    for unit, bytes_ in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= bytes_:
            return f"{count / bytes_:.1f} {unit}"
    return f"{count} bytes"
