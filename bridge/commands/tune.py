"""`popbridge tune`: benchmarks batch sizes and devices."""

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
import msgspec
from msgspec import Struct

from accel.execution import batch_tuning, device_router
from accel.execution.batch_tuning import BatchPolicy, BatchTuning
from accel.execution.cost_model import Cost, Device
from accel.execution.device_router import DeviceQueue, DeviceRouter
from accel.execution.executor import Job, LocalExecutor
from accel.execution.protocol import DEVICE
from accel.execution.sandbox import Sandbox
from accel.text import AnyText, Text, text, without_double_end
from accel.workload import Limits, Workload, WorkloadError
from bridge.commands import options
from bridge.commands.options import as_json, print_json, read_settings
from bridge.commands.terminal import say, table
from bridge.core.errors import UserError
from bridge.host import host
from bridge.host.host import Registry
from bridge.paths import Paths

if TYPE_CHECKING:
    from accel.ai.sessions import Engine


ENGINE_HEADS = (
    text("model"),
    text("shape"),
    text("TensorRT's engine"),
)
COST_HEADS = (
    text("workload"),
    text("device"),
    text("per job"),
    text("plus, per million pixels or texts"),
)
BATCH_HEADS = (
    text("workload"),
    text("device"),
    text("batch size"),
    text("rows per second, by batch size"),
    text("speedup"),
)


ENGINES_S = 3600.0
"""Time limit for building all TensorRT engines."""

RESULT_BYTES = 1 << 16
"""Upper bound of the stored results. A full disk still takes an empty file."""


class Batches(Struct, frozen=True):
    """The measured batch sizes of a workload on one device."""

    workload: str
    device: str
    max_rows: int
    rates: dict[int, float]


class Costs(Struct, frozen=True):
    """The measured costs of a workload on one of several devices."""

    workload: str
    device: str
    fixed_ms: float
    mpx_ms: float


@click.command()
@click.argument("names", nargs=-1, metavar="[WORKLOAD...]", shell_complete=options.workloads)
@as_json
def tune(names: tuple[str, ...], as_json: bool) -> None:
    """Benchmark batches and devices.

    Finds the best batch size of each WORKLOAD, and with a working GPU its costs on GPU and CPU. The daemon
    uses the results. It also measures a workload on first use; run this after a change of hardware.

    Without names, all workloads that run in batches or on a GPU are measured. Recurring shapes are tried
    again on the GPU, and TensorRT engines are built, which takes seconds to minutes each.
    """
    registry = host.load()
    chosen = _chosen(registry.workloads.values(), names)
    batches, costs, engines, failed = asyncio.run(_measure(chosen, registry, bool(names)))
    if failed and not (batches or costs or engines):
        raise UserError(text("Nothing could be measured ({failed}). The reasons are above.", failed=failed))
    if as_json:
        for row in (*batches, *costs, *engines):
            print_json(row)
    elif batches or costs or engines:
        _show(batches, costs, engines)
    else:
        click.echo(
            say(
                text("{names}: no batches and no working GPU. `popbridge devices` shows why.", names=[*names])
            )
            if names
            else say(text("No workload with batches and no working GPU. `popbridge devices` shows why."))
        )
    if (batches or costs) and Paths.find().connection_file.exists():
        click.echo(say(text("Restart the daemon to use the results.")), err=True)


def _show(batches: Sequence[Batches], costs: Sequence[Costs], engines: Sequence[Engine]) -> None:
    if batches:
        rows = [(b.workload, b.device, str(b.max_rows), _rates(b), _gain(b)) for b in batches]
        table(rows, tuple(map(say, BATCH_HEADS)))
    if costs:
        click.echo()
        table(
            [(c.workload, c.device, _ms(c.fixed_ms), _ms(c.mpx_ms)) for c in costs],
            tuple(map(say, COST_HEADS)),
        )
    if engines:
        click.echo()
        table(
            [(e.model, e.shape, _engine_text(e)) for e in engines],
            tuple(map(say, ENGINE_HEADS)),
        )


def _chosen(workloads: Iterable[Workload], names: Sequence[str]) -> list[Workload]:
    known = {
        one.name: one for one in workloads if one.batching is not None or one.name in batch_tuning.SAMPLES
    }
    for name in names:
        if name not in known:
            raise UserError(_unknown_workload(name, known))
    return [known[name] for name in (names or sorted(known))]


def _unknown_workload(name: str, known: Collection[str]) -> Text:
    same_name = [each for each in sorted(known) if each.rpartition(".")[2] == name]
    if close := same_name or difflib.get_close_matches(name, known, 1, 0.8):
        return text(
            "No workload {name} runs in batches or on a GPU. Did you mean {close}?",
            name=repr(name),
            close=close[0],
        )
    return text(
        "No workload {name} runs in batches or on a GPU. Workloads that do: {names}.",
        name=repr(name),
        names=sorted(known) or text("none"),
    )


async def _measure(
    workloads: Sequence[Workload], registry: Registry, named: bool
) -> tuple[list[Batches], list[Costs], list[Engine], list[str]]:
    """Returns the results, and the names of what couldn't be measured.

    Prints failures; raises UserError if the failed workload was `named`.
    """
    batches: list[Batches] = []
    costs: list[Costs] = []
    engines: list[Engine] = []
    failed: list[str] = []
    async with _devices(registry) as (routed, policies):
        for workload in workloads:
            _print_progress(text("Measuring {name}...", name=workload.name))
            try:
                if workload.batching is not None:
                    batches += [
                        _batches(workload, device, await each.measure(workload))
                        for device, each in policies.items()
                    ]
                if len(routed.queues) > 1 and workload.name in batch_tuning.SAMPLES:
                    costs += _costs(workload, routed, await routed.measure(workload))
            except WorkloadError as error:
                problem = text("Can't measure {name}: {reason}.", name=workload.name, reason=error.reason)
                if named:
                    raise UserError(problem) from None
                click.echo(without_double_end(say(problem)), err=True)
                failed.append(workload.name)
        if not named and len(routed.queues) > 1:
            _print_progress(text("Trying recurring shapes on the GPU..."))
            try:
                engines = await _engines(routed.queues[-1])
            except WorkloadError as error:
                problem = text("Can't build TensorRT engines: {reason}.", reason=error.reason)
                click.echo(without_double_end(say(problem)), err=True)
                failed.append(say(text("TensorRT engines")))
    return batches, costs, engines, failed


def _print_progress(line: AnyText) -> None:
    """Prints a line if someone sees it: a measurement takes seconds to minutes."""
    if sys.stderr.isatty():
        click.echo(say(line), err=True)


async def _engines(queue: DeviceQueue) -> list[Engine]:
    """Has the GPU's worker build engines. Raises WorkloadError."""
    # It needs numpy, which a tuning without a GPU does without.
    from accel.ai.sessions import Engine, build_engines

    done = await queue.executor.run(Job.parse(build_engines.workload, {}, deadline_s=ENGINES_S))
    return msgspec.convert(done.value, list[Engine])


@contextlib.asynccontextmanager
async def _devices(registry: Registry) -> AsyncIterator[tuple[DeviceRouter, dict[str, BatchTuning]]]:
    """Yields the daemon's devices with one worker each, and the batch tuning of each device."""
    paths = Paths.find()
    settings = read_settings(
        registry.settings, paths.settings_file, os.environ, plugins_disabled=registry.lacks
    )
    _check_writable(paths.batching_file.parent)
    models = str(paths.models(settings["models.folder"]))
    limits = Limits(settings["images.max_pixels"], models, registry.operations)
    sandbox = Sandbox("", settings["worker.writable"]) if settings["worker.sandbox"] else None
    worker = LocalExecutor(1, limits, settings["worker.memory_mib"], sandbox=sandbox)
    routed = DeviceRouter(
        DeviceQueue(Device("cpu", DEVICE), worker), paths.routing_file, batch_tuning.SAMPLES
    )
    policies = {DEVICE: BatchTuning(paths.batching_file, worker)}
    try:
        await routed.start()
        found = (
            await asyncio.to_thread(device_router.find_gpu, paths.devices_file) if settings["gpu"] else None
        )
        if found is not None:
            queue = device_router.gpu_queue(*found, limits, paths.batching_file, paths.cache, sandbox)
            await routed.add(queue)
            assert isinstance(queue.executor, device_router.GpuExecutor)
            policies[queue.device.label] = queue.executor.policies
        yield routed, policies
    finally:
        await routed.close()


def _check_writable(folder: Path) -> None:
    """Raises UserError if results can't be stored there; storing them is all that this command is for."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(RESULT_BYTES))
    except OSError as error:
        raise UserError(
            text(
                "Can't write to {folder} ({reason}): the results would be lost.",
                folder=folder,
                reason=error.strerror or error,
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


def _engine_text(engine: Engine) -> str:
    """Returns the build time, or why the build failed."""
    if engine.failed:
        return say(engine.failed)
    return say(text("built in {seconds} s", seconds=f"{engine.seconds:.1f}"))
