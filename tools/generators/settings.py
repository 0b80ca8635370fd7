"""docs/settings.md: every setting of PopBridge and of its first-party plugins."""

from __future__ import annotations

from pathlib import Path

from msgspec import inspect

from bridge.core.settings import SETTINGS, Setting
from tools.generators import _first_party, _markdown

TARGET = Path("docs/settings.md")
TEXT = """\
{notice}

# Settings

A flag of `popbridge serve` goes before the environment, that before the settings file, and that before the
default. `popbridge config` shows what is in force and where it comes from. Lists are given by comma in flags
and in the environment.

{settings}

`POPBRIDGE_HOME` is no setting: it names one folder for data, cache and `connection.json`, so that several
daemons (or tests) don't meet.
"""


def files() -> dict[Path, str]:
    head = ("setting", "flag", "environment", "type", "default", "what it does")
    rows = map(_row, _first_party.registry().settings)
    notice = _markdown.NOTICE.format(source="bridge/core/settings.py")
    return {TARGET: TEXT.format(notice=notice, settings=_markdown.table(head, rows))}


def _row(setting: Setting) -> tuple[str, ...]:
    default = f"`{_markdown.plain(setting.default)}`"
    return (
        f"`{setting.name}`",
        f"`{flag(setting)}`",
        f"`{setting.environment}`",
        _markdown.kind(inspect.type_info(setting.type)),
        default,
        setting.help,
    )


def flag(setting: Setting) -> str:
    """`blobs.max_size` is `--blobs-max-size`; a plugin's setting has no flag of its own."""
    if setting not in SETTINGS:
        return f"--set {setting.name}=VALUE"
    return "--" + setting.name.replace(".", "-").replace("_", "-")
