"""The parts that all pages share: colours, components, icons, and how a page becomes one file.

Modules are ES modules, which a server can deliver as they are; `bundle` joins them for pages in one file.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent
STYLES = ("tokens.css", "components.css")
MODULES = ("dom.js", "components.js", "windowed.js", "treemap.js")
"""In the order of their imports."""

_IMPORT = re.compile(r"^import\b[^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=function|class|const|async)", re.MULTILINE)


@functools.cache
def environment(*folders: Path) -> Environment:
    """Returns the environment for the templates in `folders` and of all pages; every value is escaped."""
    # Slow to import, and most runs make no page.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader([*folders, FOLDER]),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@functools.cache
def styles(*own: Path) -> str:
    """Returns the style sheets of all pages and a page's own, joined."""
    return _joined([*(FOLDER / name for name in STYLES), *own])


@functools.cache
def bundle(*own: Path) -> str:
    """Returns the modules of all pages and a page's own as one script."""
    source = _joined([*(FOLDER / name for name in MODULES), *own])
    return f'(() => {{\n"use strict";\n{_EXPORT.sub("", _IMPORT.sub("", source))}}})();\n'


def _joined(files: Iterable[Path]) -> str:
    return "".join(file.read_text(encoding="utf-8") for file in files)


def icons() -> str:
    return (FOLDER / "icons.svg").read_text(encoding="utf-8")


def content_security_policy(script: str, style: str) -> str:
    """Returns a policy that allows these two and pictures in the page itself, and no connections."""
    return (
        f"default-src 'none'; img-src data:; script-src {_source(script)}; style-src {_source(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_UNSAFE = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def script_json(value: Any) -> str:
    """Returns `value` as JSON that can't end the script element it is in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_UNSAFE)
