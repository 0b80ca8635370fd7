"""Which editors have one project open."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from bridge.core.messages import Identify
from bridge.store.records import unpack

if TYPE_CHECKING:
    from bridge.server.live import LiveSession


def workspace(identify: Identify) -> str:
    """Equal for editors that have the same project open on this machine by the same engine, in versions that
    begin with the same number; empty where nobody shares it."""
    project, engine = identify.project, identify.engine
    if identify.client.kind != "editor" or not project or not project.root or not engine:
        return ""
    # A project that was brought to the next generation has other settings than those that were asked about.
    generation = engine.version.partition(".")[0]
    root = os.path.normcase(os.path.normpath(project.root))
    return "\n".join((project.id, root, engine.name, generation))


def workspace_of(packed: bytes) -> str:
    """That of a kept `identify`; empty, too, where that can't be read any more."""
    try:
        return workspace(unpack(packed, Identify))
    # In a damaged file it may be of any type.
    except (msgspec.DecodeError, AttributeError, TypeError):
        return ""


def mates(live: LiveSession, sessions: Iterable[LiveSession]) -> list[LiveSession]:
    """Of `sessions` the others whose editors have the same project open as `live`, or had a moment ago."""
    shared = live.workspace
    return [one for one in sessions if one.workspace == shared and one is not live] if shared else []
