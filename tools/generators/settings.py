"""docs/reference/settings.md: every setting of PopBridge and of its first-party plugins."""

from __future__ import annotations

from pathlib import Path

from msgspec import inspect

from bridge.core.settings import SETTINGS, Setting
from bridge.paths import Paths
from tools.generators import _first_party, _markdown

TARGET = Path("docs/reference/settings.md")
TEXT = """\
{notice}

# Settings

A flag of `popbridge serve` goes before the environment, that before the settings file, and that before the
default. `popbridge config` shows what is in force and where it comes from. Lists are given by comma in flags
and in the environment. A plugin's setting has no flag of its own:
`popbridge serve --set NAME=VALUE`, repeated for several.

{settings}

## Where things lie

{folders}

The data folder holds the settings file, the database with sessions, popups, receipts and rules
(`popbridge.db`), and the uploaded and made files (`blobs`, by their SHA-256, and in `blobs/uploads` what has
come of others). Of these those are removed that nothing names, as `blobs.keep_s` and `blobs.quota` say: what
an open request or popup, a receipt or a message that waits for its client names stays, and so does whatever
was used in the last 5 minutes. Files of kept results (`cache.max_size`) and of answers that keys find
(`journal.keep_s`) stay while there is room, and are made anew where they are wanted later. The quota counts
what workloads make too, once it is there: those at work when it is reached may go beyond it, and further
ones fail with `storage_full` until there is room. The runtime folder holds
`connection.json` and the lock of the daemon that runs now. What is in the cache can be made again.
`XDG_DATA_HOME` and `XDG_CACHE_HOME` move data and cache on systems other than Windows and macOS.

`POPBRIDGE_HOME` is no setting: it names one folder for all of these, so that several daemons (or tests)
don't meet.

## The settings file

`settings.toml` in the data folder; it need not exist. It is [TOML](https://toml.io), in tables or with dotted
names:

```toml
port = 7800
hosts = ["studio.example"]
blobs.max_size = 2147483648

[textures]
max_size = 2048
```

A name that is no setting is an error.
"""

SYSTEMS = {
    "Windows": ("win32", {"LOCALAPPDATA": "%LOCALAPPDATA%"}),
    "macOS": ("darwin", {"HOME": "~"}),
    "elsewhere, with `XDG_RUNTIME_DIR`": ("linux", {"HOME": "~", "XDG_RUNTIME_DIR": "/$XDG_RUNTIME_DIR"}),
    "elsewhere, without": ("linux", {"HOME": "~"}),
    "`POPBRIDGE_HOME` is set": ("linux", {"POPBRIDGE_HOME": "$POPBRIDGE_HOME"}),
}
"""An environment of each system in which a folder's name is the variable's."""


def files() -> dict[Path, str]:
    head = ("setting", "flag", "environment", "type", "default", "what it does")
    rows = map(_row, _first_party.registry().settings)
    notice = _markdown.NOTICE.format(source="bridge/core/settings.py")
    return {TARGET: TEXT.format(notice=notice, settings=_markdown.table(head, rows), folders=_folders())}


def _folders() -> str:
    rows = []
    for system, (platform, environment) in SYSTEMS.items():
        found = Paths.find(environment, platform)
        folders = (found.data, found.settings_file, found.cache, found.runtime)
        rows.append((system, *(f"`{_text(folder, platform)}`" for folder in folders)))
    return _markdown.table(("where", "data", "settings file", "cache", "runtime"), rows)


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
