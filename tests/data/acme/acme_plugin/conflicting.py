"""What an older plugin of the same engine would claim: it must be refused beside the good one."""

from __future__ import annotations

from acme_plugin.good import AcmeAdapter, size
from bridge.api import Adapter, Setting, Workload, hookimpl


class OverlappingRange:
    @hookimpl
    def popbridge_adapters(self) -> list[Adapter]:
        return [AcmeAdapter("acme-old", ">=1.5,<2.1")]


class SameWorkload:
    @hookimpl
    def popbridge_workloads(self) -> list[Workload]:
        return [size.workload]  # type: ignore[attr-defined]


class SameSetting:
    @hookimpl
    def popbridge_settings(self) -> list[Setting]:
        return [Setting(name="textures.max_size", type=int, default=1, help="PopBridge has it already.")]


class BadDefault:
    @hookimpl
    def popbridge_settings(self) -> list[Setting]:
        return [Setting(name="acme.count", type=int, default="many", help="A count.")]
