"""What the entry-point group `popbridge` loads of this package."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.api import Adapter, hookimpl
from bridge_unity.adapter import Unity2021, Unity2022


@hookimpl
def popbridge_adapters() -> Sequence[Adapter]:
    return [Unity2021(), Unity2022()]
