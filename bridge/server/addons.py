"""Whether an editor's side is the one that this installation puts into projects: it stays there as it is."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
from packaging.version import InvalidVersion, Version

from accel.text import AnyText, text
from bridge.api import Adapter, Addon
from bridge.core.messages import Identify
from bridge.core.reverting import OLD_ADDON, OLD_EDITOR
from bridge.paths import typed

log = logging.getLogger(__name__)

# What is installed is looked at once: a daemon that has been upgraded since knows its former addon alone.


def other_addon(identify: Identify, adapter: Adapter) -> AnyText:
    """What to do where the editor has another addon than `adapter` installs; empty where it has that."""
    addon, client = _addon(adapter), identify.client
    if addon is None or client.name != addon.name or client.version == addon.version:
        return ""
    theirs, ours = _release(client.version), _release(addon.version)
    if _is_newer(theirs, ours):
        return text(
            "The PopBridge addon in this project is that of PopBridge {theirs}, and PopBridge "
            "{ours} is running: update PopBridge, or restart it if you have.",
            theirs=theirs,
            ours=ours,
        )
    return text(
        "The PopBridge addon in this project isn't the one of PopBridge {ours}: run "
        "`{install}`, then open the project anew. If you have done that, restart PopBridge.",
        ours=ours,
        install=_install(identify, adapter),
    )


def too_old(identify: Identify, adapter: Adapter | None) -> AnyText:
    """Why an editor that doesn't know the command put nothing back, and what to do; empty where its addon is
    the one that is installed, which isn't too old for anything."""
    addon, client = _addon(adapter) if adapter else None, identify.client
    if adapter is None or addon is None or client.name != addon.name:
        return OLD_EDITOR
    return "" if client.version == addon.version else OLD_ADDON.fill(install=_install(identify, adapter))


def _install(identify: Identify, adapter: Adapter) -> str:
    """What to type for the addon."""
    root = identify.project.root if identify.project else None
    return f"popbridge install {adapter.engine} {typed(Path(root)) if root else 'PROJECT'}"


def _addon(adapter: Adapter) -> Addon | None:
    """None, too, for what is no addon: an adapter is a plugin, and its trouble keeps no editor out."""
    try:
        addon = adapter.addon
        # Of instances of its own types msgspec looks at no field.
        return None if addon is None else msgspec.convert(msgspec.structs.asdict(addon), Addon)
    # Whatever a plugin's property raises.
    except (Exception, SystemExit) as error:
        log.warning("%s can't tell which addon it installs: %r", adapter.name, error)
        return None


def _release(version: str) -> str:
    return version.partition("+")[0]


def _is_newer(theirs: str, ours: str) -> bool:
    try:
        return Version(theirs) > Version(ours)
    except InvalidVersion:
        return False
