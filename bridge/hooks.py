"""Hooks that a plugin can implement; each is called once, when the daemon starts.

A plugin is a module or object registered in the entry-point group `popbridge`. Each hook returns a list of
records. If a hook raises, only its plugin is disabled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accel.workload import Workload
    from bridge.api import Adapter, Advisor
    from bridge.core.settings import Setting


PROJECT = "popbridge"
"""The entry-point group, and pluggy's project name."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def popbridge_adapters() -> Sequence[Adapter]:  # type: ignore[empty-body]
    """Returns adapters, one per range of an engine's versions. Ranges of one engine must not overlap."""


@hookspec
def popbridge_workloads() -> Sequence[Workload]:  # type: ignore[empty-body]
    """Returns workloads. Their names must be unique among all plugins."""


@hookspec
def popbridge_advisors() -> Sequence[Advisor]:  # type: ignore[empty-body]
    """Returns advisors, which react to editor events, show popups and turn answers into commands."""


@hookspec
def popbridge_settings() -> Sequence[Setting]:  # type: ignore[empty-body]
    """Returns settings named `PLUGIN.NAME`. Each has an environment variable; `popbridge config` lists it."""
