"""The plugin's entry point, in the group `popbridge`."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.api import Adapter, hookimpl
from bridge_godot.adapter import Godot3, Godot4


@hookimpl
def popbridge_adapters() -> Sequence[Adapter]:
    return [Godot3(), Godot4()]
