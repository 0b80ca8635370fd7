"""What plugins claim for themselves alone, and which of them has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from accel.text import AnyText, text
from accel.workload import Workload
from bridge.api import Adapter, Advisor
from bridge.core import versions
from bridge.core.errors import UserError
from bridge.core.settings import SETTINGS, Setting
from bridge.failures import claim_text

OWN = text("PopBridge itself")
"""What messages call whoever has a name that came with PopBridge."""

RECEIPTS, RECEIPTS_ASKS = "receipts", ("receipts.list", "receipts.revert")
"""The name and the asks of the daemon's own advisor, which no plugin brings."""


class Contribution(Struct, frozen=True):
    """What one plugin gave."""

    adapters: Sequence[Adapter] = ()
    workloads: Sequence[Workload] = ()
    advisors: Sequence[Advisor] = ()
    settings: Sequence[Setting] = ()

    def names(self) -> tuple[str, ...]:
        """Every contribution as its kind and name."""
        return (
            *(f"adapter {adapter.name}" for adapter in self.adapters),
            *(f"workload {workload.name}" for workload in self.workloads),
            *(f"advisor {advisor.name}" for advisor in self.advisors),
            *(f"setting {setting.name}" for setting in self.settings),
        )

    def claims(self) -> Iterator[str]:
        """The names that nobody else may use. Clients ask for workloads and advisors by the same field."""
        yield from (f"adapter {adapter.name!r}" for adapter in self.adapters)
        yield from (f"advisor {advisor.name!r}" for advisor in self.advisors)
        yield from (f"setting {setting.name!r}" for setting in self.settings)
        yield from (f"workload {workload.name!r}" for workload in self.workloads)
        yield from (f"workload {ask!r}" for advisor in self.advisors for ask in advisor.asks)


class Claims:
    """What those plugins have that hold; whoever comes later may claim nothing of it."""

    def __init__(self) -> None:
        own = Contribution(settings=SETTINGS).claims()
        daemons = (f"advisor {RECEIPTS!r}", *(f"workload {ask!r}" for ask in RECEIPTS_ASKS))
        self._holders: dict[str, AnyText] = dict.fromkeys((*own, *daemons), OWN)
        self._adapters: list[tuple[AnyText, Adapter]] = []
        self._settings: list[tuple[AnyText, Setting]] = []

    def take(self, given: Contribution, holder: AnyText) -> None:
        """`given` is the `holder`'s from now on, all of it or, where anything is another's, nothing.

        Raises UserError, which reads well after the plugin's name: what is whose, and what to do.
        """
        for claim in given.claims():
            if claim in self._holders:
                raise _refused(text("it gives {claim}", claim=claim_text(claim)), self._holders[claim])
        for setting in given.settings:
            for other, present in self._settings:
                _refuse_entangled(setting, other, present)
        for adapter in given.adapters:
            for other, serving in self._adapters:
                _refuse_overlap(adapter, other, serving)
        self._holders.update((claim, holder) for claim in given.claims())
        self._settings += ((holder, setting) for setting in given.settings)
        self._adapters += ((holder, adapter) for adapter in given.adapters)


def _refused(said: AnyText, holder: AnyText) -> UserError:
    if holder == OWN:
        return UserError(text("{said}, as {holder} does: uninstall this plugin", said=said, holder=holder))
    return UserError(
        text(
            "{said}, as {holder} does, which goes first by its name: uninstall one of them",
            said=said,
            holder=holder,
        )
    )


def _refuse_entangled(setting: Setting, holder: AnyText, present: Setting) -> None:
    """What can't both be set in the environment, or in a file."""
    if setting.environment == present.environment:
        said = text(
            "its setting '{name}' uses the variable {variable}",
            name=setting.name,
            variable=setting.environment,
        )
        raise _refused(said, holder)
    if setting.name.startswith(f"{present.name}.") or present.name.startswith(f"{setting.name}."):
        raise UserError(
            text(
                "its setting '{one}' and '{other}' of {holder}, which goes first by its name, lie in one "
                "another: uninstall one of them",
                one=setting.name,
                other=present.name,
                holder=holder,
            )
        )


def _refuse_overlap(adapter: Adapter, holder: AnyText, present: Adapter) -> None:
    if adapter.engine != present.engine:
        return
    shared = versions.overlap(adapter.versions, present.versions)
    if shared is not None:
        said = text(
            "its adapter {one}, beside {other}, serves {engine}",
            one=f"{adapter.name} ({adapter.versions})",
            other=f"{present.name} ({present.versions})",
            engine=f"{adapter.engine} {shared}",
        )
        raise _refused(said, holder)
