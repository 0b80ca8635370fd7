"""`popbridge tune`: measures anew what is worth a batch on this machine, and what a GPU."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from accel.text import text, without_double_end
from bridge.commands import options
from bridge.commands.listing import as_json
from bridge.commands.options import read_settings, say_json
from bridge.commands.terminal import say, table
from bridge.core.errors import UserError

if TYPE_CHECKING:
    from accel.ai.sessions import Engine
    from accel.execution.batch_tuning import BatchPolicy, BatchTuning
    from accel.execution.cost_model import Cost
    from accel.execution.device_router import DeviceQueue, DeviceRouter
    from accel.workload import Workload
    from bridge.host.host import Registry


ENGINES = (
    text("model"),
    text("shape"),
    text("TensorRT's engine"),
)
COSTS = (
    text("workload"),
    text("device"),
    text("any job"),
    text("and for each million pixels or texts"),
)
BATCHES = (
    text("workload"),
    text("device"),
    text("rows of a batch"),
    text("rows a second, by rows of a batch"),
    text("against one by one"),
)


ENGINES_S = 3600.0
"""How long all of TensorRT's engines may take."""

MOST_KEPT = 1 << 16
"""Bytes that what is measured takes at most: a full disk has room for an empty file."""


class Batches(Struct, frozen=True):
    """What was measured of a workload's batches."""

    workload: str
    device: str
    max_rows: int
    rates: dict[int, float]


class Costs(Struct, frozen=True):
    """What was measured of a workload on one of several devices."""

    workload: str
    device: str
    fixed_ms: float
    mpx_ms: float


@click.command()
@click.argument("names", nargs=-1, metavar="[WORKLOAD...]", shell_complete=options.workloads)
@as_json
def tune(names: tuple[str, ...], as_json: bool) -> None:
    """Measures how many jobs of a workload are worth a batch, and keeps it for the daemon.

    Where there is a GPU that works, also what jobs cost on it and on the CPU, by which the daemon chooses. A
    daemon measures by itself when a workload is first used; this does it anew, for instance after a change of
    hardware. Without names, all that can run in batches or on a GPU are measured, and every shape that came
    again on the GPU is tried anew: with TensorRT too where that works, whose engines are built now, for
    seconds to minutes each.
    """
    from bridge.host import host
    from bridge.paths import Paths

    registry = host.load()
    chosen = _chosen(registry.workloads.values(), names)
    batches, costs, engines, failed = asyncio.run(_measure(chosen, registry, bool(names)))
    if failed and not (batches or costs or engines):
        raise UserError(
            text("Nothing could be measured ({failed}): the reasons are above.", failed=", ".join(failed))
        )
    if as_json:
        for row in (*batches, *costs, *engines):
            say_json(row)
    elif batches or costs or engines:
        _show(batches, costs, engines)
    else:
        click.echo(
            say(
                text(
                    "{names}: no batches, and there is no GPU that works (`popbridge devices` says why).",
                    names=", ".join(names),
                )
            )
            if names
            else say(
                text(
                    "No workload here runs in batches, and there is no GPU that works (`popbridge "
                    "devices` says why)."
                )
            )
        )
    if (batches or costs) and Paths.find().connection_file.exists():
        click.echo(say(text("A daemon that runs goes by this after its next start.")), err=True)


def _show(batches: Sequence[Batches], costs: Sequence[Costs], engines: Sequence[Engine]) -> None:
    if batches:
        rows = [(b.workload, b.device, str(b.max_rows), _rates(b), _gain(b)) for b in batches]
        table(rows, tuple(map(say, BATCHES)))
    if costs:
        click.echo()
        table(
            [(c.workload, c.device, _ms(c.fixed_ms), _ms(c.mpx_ms)) for c in costs],
            tuple(map(say, COSTS)),
        )
    if engines:
        click.echo()
        table(
            [(e.model, e.shape, _came(e)) for e in engines],
            tuple(map(say, ENGINES)),
        )


def _chosen(workloads: Iterable[Workload], names: Sequence[str]) -> list[Workload]:
    from accel.execution.batch_tuning import SAMPLES

    known = {one.name: one for one in workloads if one.batching is not None or one.name in SAMPLES}
    if unknown := [name for name in names if name not in known]:
        said = say(
            text(
                "No workload {name} runs in batches or on a GPU; {there}.",
                name=repr(unknown[0]),
                there=_there(unknown[0], known),
            )
        )
        raise UserError(without_double_end(said))
    return [known[name] for name in (names or sorted(known))]


def _there(name: str, known: Collection[str]) -> str:
    """What may be meant, or what there is."""
    alike = [each for each in sorted(known) if each.rpartition(".")[2] == name]
    if close := alike or difflib.get_close_matches(name, known, 1, 0.8):
        return say(text("did you mean {close}?", close=close[0]))
    return (
        say(text("there are {names}", names=", ".join(sorted(known))))
        if known
        else say(text("there is none"))
    )


async def _measure(
    workloads: Sequence[Workload], registry: Registry, named: bool
) -> tuple[list[Batches], list[Costs], list[Engine], list[str]]:
    """What was measured, and what couldn't be, which is told. Raises UserError where that was named."""
    from accel.execution.batch_tuning import SAMPLES
    from accel.workload import WorkloadError

    batches: list[Batches] = []
    costs: list[Costs] = []
    engines: list[Engine] = []
    failed: list[str] = []
    async with _devices(registry) as (routed, policies):
        for workload in workloads:
            _tell(say(text("Measuring {name}...", name=workload.name)))
            try:
                if workload.batching is not None:
                    batches += [
                        _batches(workload, device, await each.measure(workload))
                        for device, each in policies.items()
                    ]
                if len(routed.queues) > 1 and workload.name in SAMPLES:
                    costs += _costs(workload, routed, await routed.measure(workload))
            except WorkloadError as error:
                reason = say(error.reason)
                said = without_double_end(
                    say(text("{name} can't be measured: {reason}.", name=workload.name, reason=reason))
                )
                if named:
                    raise UserError(said) from None
                click.echo(said, err=True)
                failed.append(workload.name)
        if not named and len(routed.queues) > 1:
            _tell(say(text("Trying anew what came again on the GPU...")))
            try:
                engines = await _engines(routed.queues[-1])
            except WorkloadError as error:
                reason = say(error.reason)
                click.echo(
                    without_double_end(
                        say(text("TensorRT's engines can't be built: {reason}.", reason=reason))
                    ),
                    err=True,
                )
                failed.append(say(text("TensorRT's engines")))
    return batches, costs, engines, failed


def _tell(what: str) -> None:
    """To who sits at a terminal, as it takes from seconds to minutes."""
    if sys.stderr.isatty():
        click.echo(what, err=True)


async def _engines(queue: DeviceQueue) -> list[Engine]:
    """Those that the GPU's worker builds. Raises WorkloadError."""
    import msgspec

    from accel.ai.sessions import Engine, build_engines
    from accel.execution.executor import Job

    done = await queue.executor.run(Job.parse(build_engines.workload, {}, deadline_s=ENGINES_S))
    return msgspec.convert(done.value, list[Engine])


@contextlib.asynccontextmanager
async def _devices(registry: Registry) -> AsyncIterator[tuple[DeviceRouter, dict[str, BatchTuning]]]:
    """The CPU and the GPU, as the daemon has them, with one worker each; what measures batches on them."""
    from accel.execution import device_router
    from accel.execution.batch_tuning import SAMPLES, BatchTuning
    from accel.execution.cost_model import Device
    from accel.execution.device_router import DeviceQueue, DeviceRouter
    from accel.execution.executor import LocalExecutor
    from accel.execution.protocol import DEVICE
    from accel.workload import Limits
    from bridge.paths import Paths

    paths = Paths.find()
    settings = read_settings(
        registry.settings, paths.settings_file, os.environ, plugins_disabled=registry.lacks
    )
    _check_written(paths.batching_file.parent)
    models = str(paths.models(settings["models.folder"]))
    limits = Limits(settings["images.max_pixels"], models, registry.operations)
    worker = LocalExecutor(1, limits, settings["worker.memory_mib"])
    routed = DeviceRouter(DeviceQueue(Device("cpu", DEVICE), worker), paths.routing_file, SAMPLES)
    policies = {DEVICE: BatchTuning(paths.batching_file, worker)}
    try:
        await routed.start()
        found = (
            await asyncio.to_thread(device_router.find_gpu, paths.devices_file) if settings["gpu"] else None
        )
        if found is not None:
            queue = device_router.gpu_queue(*found, limits, paths.batching_file, paths.cache)
            await routed.add(queue)
            assert isinstance(queue.executor, device_router.GpuExecutor)
            policies[queue.device.label] = queue.executor.policies
        yield routed, policies
    finally:
        await routed.close()


def _check_written(folder: Path) -> None:
    """Raises UserError where nothing can be kept: a daemon does without, but this is for nothing else."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(MOST_KEPT))
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            text(
                "{folder} can't be written ({reason}): what is measured would be lost.",
                folder=folder,
                reason=reason,
            )
        ) from None


def _batches(workload: Workload, device: str, policy: BatchPolicy) -> Batches:
    return Batches(workload.name, device, policy.max_rows, dict(policy.rates))


def _costs(workload: Workload, routed: DeviceRouter, found: Mapping[str, Cost]) -> list[Costs]:
    return [
        Costs(workload.name, form.label, found[form.name].fixed_ms, found[form.name].mpx_ms)
        for form in (queue.device for queue in routed.queues)
    ]


def _rates(batches: Batches) -> str:
    return "  ".join(f"{rows}: {rate:,.0f}" for rows, rate in sorted(batches.rates.items()))


def _gain(batches: Batches) -> str:
    return say(text("{gain} times", gain=f"{(batches.rates[batches.max_rows] / batches.rates[1]):.2f}"))


def _ms(ms: float) -> str:
    return say(text("{ms} ms", ms=f"{ms:.1f}"))


def _came(engine: Engine) -> str:
    """What came of building it."""
    if engine.failed:
        return say(engine.failed)
    return say(text("built in {seconds} s", seconds=f"{engine.seconds:.1f}"))
