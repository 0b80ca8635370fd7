"""docs/reference/engines.md: the adapters, their versions and the settings that they translate."""

from __future__ import annotations

from pathlib import Path

from bridge.api import Adapter
from tools.generators import _first_party, _markdown

TARGET = Path("docs/reference/engines.md")


def files() -> dict[Path, str]:
    adapters = sorted(_first_party.registry().adapters, key=lambda a: (a.engine, a.name))
    values = {
        "notice": _markdown.NOTICE.format(source="the adapters below plugins/"),
        "adapters": _markdown.table(
            ("engine", "versions", "adapter", "popups", "audit and fix", "settings"), map(_row, adapters)
        ),
    }
    return {TARGET: _markdown.fill("engines.md", values)}


def _row(adapter: Adapter) -> tuple[str, ...]:
    versions = adapter.versions.replace("<", "\\<").replace(">", "\\>")
    fields = ", ".join(sorted(adapter.texture_fields))
    popups, audits = ("yes" if part else "no" for part in (adapter.installer, adapter.project))
    return adapter.engine.capitalize(), versions, adapter.name, popups, audits, fields
