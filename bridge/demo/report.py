"""The page that a demo leaves: what was found and what each setting was before and after."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from msgspec import Struct

from accel.text import text
from bridge.demo.reader import ENGLISH, Reader

HEADS = (
    text("Picture"),
    text("File"),
    text("Before"),
    text("After"),
)


class Change(Struct, frozen=True):
    """One file's settings before and after."""

    file: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]


STYLE = """
:root { color-scheme: light dark; --line: #8884; --bad: #c33; --good: #284; }
@media (prefers-color-scheme: dark) { :root { --bad: #f77; --good: #7d9; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; }
pre { border-left: 3px solid var(--line); padding-left: 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .5rem; border-top: 1px solid var(--line);
  overflow-wrap: anywhere; }
img { width: 96px; height: 96px; object-fit: contain; background: #8882; image-rendering: auto; }
code { font-size: 13px; } .bad { color: var(--bad); } .good { color: var(--good); }
@media (max-width: 40rem) { img { width: 32px; height: 32px; } td, th { padding: .25rem; } }
"""


def page(
    editor: str,
    popups: Iterable[str],
    changes: Iterable[Change],
    untouched: Iterable[str],
    root: Path,
    reader: Reader = ENGLISH,
) -> str:
    """A self-contained HTML page; textures lie below `root`."""
    translate = reader.translate
    said = "".join(f"<pre>{_marked_up(popup)}</pre>" for popup in popups)
    rows = "".join(_row(change, root, reader) for change in changes)
    left = translate(text("right already: nothing said"))
    untouched_rows = "".join(
        f'<tr><td>{_picture(root / file)}</td><td>{escape(file)}</td><td colspan="2">{left}</td></tr>'
        for file in untouched
    )
    heads = "".join(f'<th scope="col">{translate(head)}</th>' for head in HEADS)
    title = translate(text("PopBridge demo"))
    of_editor = escape(translate(text("Editor: {name}", name=editor)))
    shown, settings = (
        translate(text("What the popups said")),
        translate(text("Import settings, before and after")),
    )
    return (
        f'<!doctype html><html lang="{reader.tag}"><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}</style><h1>{title}</h1>"
        f"<p>{of_editor}</p>"
        f"<h2>{shown}</h2>{said}<h2>{settings}</h2>"
        f"<table><tr>{heads}</tr>{rows}{untouched_rows}</table></html>\n"
    )


def _row(change: Change, root: Path, reader: Reader) -> str:
    return (
        f"<tr><td>{_picture(root / change.file)}</td><td>{escape(change.file)}</td>"
        f'<td class="bad">{_options(change.before, reader)}</td>'
        f'<td class="good">{_options(change.after, reader)}</td></tr>'
    )


def _marked_up(text: str) -> str:
    """A popup's plain text, its code spans as such."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))


def _options(options: Mapping[str, Any], reader: Reader) -> str:
    lines = (reader.setting(name, value) for name, value in options.items())
    return "<br>".join(f"<code>{escape(line)}</code>" for line in lines)


def _picture(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="" src="data:image/png;base64,{data}">'
