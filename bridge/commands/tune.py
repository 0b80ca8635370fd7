"""`popbridge tune`: measures anew what is worth a batch on this machine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from bridge.commands.listing import as_json
from bridge.commands.shared import read_settings, say_json, table
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from accel.policies import Policy
    from accel.workload import Workload
    from bridge.core.settings import Setting


@click.command()
@click.argument("names", nargs=-1, metavar="[WORKLOAD...]")
@as_json
def tune(names: tuple[str, ...], as_json: bool) -> None:
    """Measures how many jobs of a workload are worth a batch, and keeps it for the daemon.

    A daemon measures by itself when a workload is first used; this does it anew, for instance after a change
    of hardware. Without names, all that can run in batches are measured.
    """
    from bridge import host

    registry = host.load()
    chosen = _chosen(registry.workloads.values(), names)
    measured = asyncio.run(_measure(chosen, registry.settings))
    if as_json:
        for workload, policy in measured:
            say_json({"workload": workload.name, "max_rows": policy.max_rows, "rates": policy.rates})
        return
    if not measured:
        click.echo("No workload here runs in batches.")
        return
    rows = [(w.name, str(p.max_rows), _rates(p), _gain(p)) for w, p in measured]
    table(rows, ("workload", "rows of a batch", "rows a second, by rows of a batch", "against one by one"))


def _chosen(workloads: Iterable[Workload], names: Sequence[str]) -> list[Workload]:
    known = {workload.name: workload for workload in workloads if workload.batching is not None}
    if unknown := [name for name in names if name not in known]:
        there = f"there are {', '.join(sorted(known))}" if known else "there is none"
        raise UserError(f"No workload {unknown[0]!r} runs in batches; {there}.")
    return [known[name] for name in (names or sorted(known))]


async def _measure(
    workloads: Sequence[Workload], declared: Iterable[Setting]
) -> list[tuple[Workload, Policy]]:
    from accel.executor import LocalExecutor
    from accel.policies import Policies
    from accel.workload import Limits, WorkloadError
    from bridge.paths import Paths

    paths = Paths.find()
    settings = read_settings(declared, paths.settings_file, os.environ)
    limits = Limits(settings["images.max_pixels"], str(paths.models(settings["models.folder"])))
    executor = LocalExecutor(1, limits, settings["worker.memory_mib"])
    if not workloads:
        return []
    await executor.start()
    try:
        policies = Policies(paths.batching_file, executor)
        return [(workload, await policies.measure(workload)) for workload in workloads]
    except WorkloadError as error:
        raise UserError(f"It can't be measured: {error.reason}.") from None
    finally:
        await executor.close()


def _rates(policy: Policy) -> str:
    return "  ".join(f"{rows}: {rate:,.0f}" for rows, rate in sorted(policy.rates.items()))


def _gain(policy: Policy) -> str:
    return f"{policy.rates[policy.max_rows] / policy.rates[1]:.2f} times"
