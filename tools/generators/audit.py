"""The table of findings in docs/reference/audit.md, from what explains them; the rest is written by hand."""

from __future__ import annotations

from pathlib import Path

from bridge.audit.texts import HELP
from tools.generators import _markdown

TARGET = Path("docs/reference/audit.md")


def files() -> dict[Path, str]:
    rows = ((f"`{code}`", str(text)) for code, text in HELP.items())
    table = _markdown.table(("code", "what it is about"), rows)
    return {TARGET: _markdown.marked(TARGET, "findings", "bridge/audit/texts.py", table)}
