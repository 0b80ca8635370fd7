"""The hooks that a plugin may implement; each is called once, when the daemon starts.

A plugin is a module (or object) that the entry-point group `popbridge` names. Each hook returns a
list of records; a hook that raises disables its plugin alone.
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
    """Adapters, each for a range of one engine's versions; ranges of one engine must not overlap."""


@hookspec
def popbridge_workloads() -> Sequence[Workload]:  # type: ignore[empty-body]
    """Workloads, by names that no other plugin uses."""


@hookspec
def popbridge_advisors() -> Sequence[Advisor]:  # type: ignore[empty-body]
    """Advisors, which watch editors' events, show popups and turn answers into commands."""


@hookspec
def popbridge_settings() -> Sequence[Setting]:  # type: ignore[empty-body]
    """Settings, named `PLUGIN.NAME`; they get an environment name and a line in `popbridge config`."""
