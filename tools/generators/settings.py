"""docs/reference/settings.md: every setting of PopBridge and its first-party plugins."""

from __future__ import annotations

from pathlib import Path

from msgspec import inspect

from bridge.core.settings import SETTINGS, Setting
from bridge.paths import Paths
from tools.generators import _first_party, _markdown

TARGET = Path("docs/reference/settings.md")

SYSTEMS = {
    "Windows": ("win32", {"LOCALAPPDATA": "%LOCALAPPDATA%"}),
    "macOS": ("darwin", {"HOME": "~"}),
    "Linux and others, with `XDG_RUNTIME_DIR`": (
        "linux",
        {"HOME": "~", "XDG_RUNTIME_DIR": "/$XDG_RUNTIME_DIR"},
    ),
    "Linux and others, without it": ("linux", {"HOME": "~"}),
    "any, with `POPBRIDGE_HOME`": ("linux", {"POPBRIDGE_HOME": "$POPBRIDGE_HOME"}),
}
"""An environment of each system in which a folder's name is the variable's."""


def files() -> dict[Path, str]:
    head = ("setting", "flag", "environment", "type", "default", "meaning")
    rows = map(_row, _first_party.registry().settings)
    notice = _markdown.NOTICE.format(source="bridge/core/settings.py")
    values = {"notice": notice, "settings": _markdown.table(head, rows), "folders": _folders()}
    return {TARGET: _markdown.fill("settings.md", values)}


def _folders() -> str:
    rows = []
    for system, (platform, environment) in SYSTEMS.items():
        found = Paths.find(environment, platform)
        folders = (found.data, found.settings_file, found.cache, found.runtime)
        rows.append((system, *(f"`{_text(folder, platform)}`" for folder in folders)))
    return _markdown.table(("system", "data", "settings file", "cache", "runtime"), rows)


def _text(folder: Path, platform: str) -> str:
    text = folder.as_posix().removeprefix("/") if "$XDG" in str(folder) else folder.as_posix()
    return text.replace("/", "\\") if platform == "win32" else text


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
