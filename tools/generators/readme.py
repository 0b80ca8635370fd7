"""The table of engines in both READMEs, from the adapters; the rest of the page is written by hand."""

from __future__ import annotations

from pathlib import Path

from bridge.api import Adapter
from tools.generators import _first_party, _markdown

HEADS = {
    Path("README.md"): (
        "engine",
        "versions",
        "adapter",
        "settings that it decides",
    ),
    Path("README.zh-CN.md"): ("引擎", "版本", "适配器", "由导入设置决定的内容"),
}


def files() -> dict[Path, str]:
    return {path: _page(path, heads) for path, heads in HEADS.items()}


def _page(path: Path, heads: tuple[str, ...]) -> str:
    adapters = sorted(_first_party.registry().adapters, key=lambda a: (a.engine, a.name))
    return _markdown.marked(path, "engines", "the adapters", _markdown.table(heads, map(_row, adapters)))


def _row(adapter: Adapter) -> tuple[str, ...]:
    versions = adapter.versions.replace("<", "\\<").replace(">", "\\>")
    fields = ", ".join(sorted(adapter.texture_fields))
    return adapter.engine.capitalize(), versions, adapter.name, fields
