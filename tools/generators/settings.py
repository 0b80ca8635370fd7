"""docs/reference/settings.md: every setting of PopBridge and its first-party plugins."""

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

A value comes from the first of these that has one: a flag of `popbridge serve`, the environment, the settings file,
the default. [`popbridge config`](commands.md#popbridge-config) shows each value and its source. Flags and
environment variables take lists separated by commas. A plugin's setting has no flag of its own: use
`popbridge serve --set NAME=VALUE`, once per setting.

{settings}

## The settings file

`settings.toml` in the data folder is optional. It is [TOML](https://toml.io), with tables or dotted names. An
unknown name is an error.

```toml
port = 7800
hosts = ["studio.example"]
blobs.max_size = 2147483648

[textures]
max_size = 2048
```

## Limits on open requests

`session.inflight` limits the open requests of one session, `requests.inflight` those of all sessions. The last part
of each limit is reserved for more urgent requests: [When the daemon is busy](../guides/operations.md#when-the-daemon-is-busy)
has the shares. A request above the limit fails with `overloaded`, which says when to retry.

## Deadlines

`deadline_ms` limits a request that names no deadline:

| request | what `deadline_ms` limits |
| --- | --- |
| ordinary | the time from arrival to answer, waiting included |
| [durable](protocol.md#durable-requests) | one run; waiting for a worker is unlimited |
| a texture in `popbridge audit` | its examination; a slower texture is reported as `unsupported` |
| `popbridge run --daemon` | one job, but never less than an hour; `--timeout` overrides it |

## How long blobs are kept

The daemon deletes an unreferenced blob `blobs.keep_s` after its last use. When the blobs reach `blobs.quota` it
deletes unreferenced blobs sooner, least recently used first. Open requests, open popups, receipts and
unacknowledged messages are references. A blob used in the last 5 minutes always stays.

Files of cached results (`cache.max_size`) and of answers that keys can find (`journal.keep_s`) stay while there is
room, and are computed again when they are needed. The quota counts outputs when they are written: jobs that run when
the quota is reached may exceed it, and later ones fail with `storage_full`.

## Folders

{folders}

`XDG_DATA_HOME` and `XDG_CACHE_HOME` move the data and cache folders on systems other than Windows and macOS.
`POPBRIDGE_HOME` isn't a setting: it names one folder for everything, so that several daemons can run side by side.
[Files and folders](../guides/operations.md#files-and-folders) says what each folder holds.
"""

SYSTEMS = {
    "Windows": ("win32", {"LOCALAPPDATA": "%LOCALAPPDATA%"}),
    "macOS": ("darwin", {"HOME": "~"}),
    "Linux and others, with `XDG_RUNTIME_DIR`": ("linux", {"HOME": "~", "XDG_RUNTIME_DIR": "/$XDG_RUNTIME_DIR"}),
    "Linux and others, without it": ("linux", {"HOME": "~"}),
    "any, with `POPBRIDGE_HOME`": ("linux", {"POPBRIDGE_HOME": "$POPBRIDGE_HOME"}),
}
"""An environment of each system in which a folder's name is the variable's."""


def files() -> dict[Path, str]:
    head = ("setting", "flag", "environment", "type", "default", "meaning")
    rows = map(_row, _first_party.registry().settings)
    notice = _markdown.NOTICE.format(source="bridge/core/settings.py")
    return {TARGET: TEXT.format(notice=notice, settings=_markdown.table(head, rows), folders=_folders())}


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
