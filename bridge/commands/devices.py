"""`popbridge devices`: the devices that can run models, and why others can't."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import click

from accel.devices import current, proof_cache, provider_probe
from accel.devices.driver import Gpu
from accel.devices.proof_cache import ProvenVariants
from accel.devices.providers import BY_NAME, Wish, choose
from accel.devices.report import Devices, Report
from accel.execution import device_router
from accel.execution.device_router import DeviceFailure
from accel.text import text
from bridge.commands.options import as_json, print_json
from bridge.commands.terminal import is_narrow, say, table, wrap
from bridge.paths import Paths

HEADS = (
    text("provider"),
    text("usable"),
    text("why"),
    text("what to do"),
)

MAX_SHAPES = 12
"""Number of listed shapes, the last ones tried."""


@click.command()
@as_json
def devices(as_json: bool) -> None:
    """List the devices that can run models.

    Tests each one in a process of its own. If a device can't be used, it shows why and what to do.
    """
    found, paths = provider_probe.try_providers(), Paths.find()
    current.save(found, paths.devices_file)
    failures = device_router.read(paths.troubles_file)
    shapes = proof_cache.read(paths.cache / proof_cache.FILE, found.machine)
    if as_json:
        for record in (*found.reports, *failures, *shapes):
            print_json(record)
        for warning in found.warnings:
            click.echo(say(warning), err=True)
        return
    _show(found.reports)
    for paragraph in _paragraphs(found, failures, shapes):
        click.echo(f"\n{wrap(paragraph, 2)}")


def _show(reports: Sequence[Report]) -> None:
    """Prints a table; on a narrow screen paragraphs, because columns would break commands apart."""
    rows = [
        (
            BY_NAME[one.name].title,
            say(text("yes") if one.usable else text("no")),
            say(one.reason),
            say(one.remedy),
        )
        for one in reports
    ]
    if not is_narrow():
        table(rows, tuple(map(say, HEADS)))
        return
    for title, usable, reason, remedy in rows:
        click.echo(
            wrap(say(text("{title}: {usable}, {reason}", title=title, usable=usable, reason=reason)), 2)
        )
        if remedy:
            click.echo(wrap(f"  {remedy}", 2))


def _paragraphs(
    found: Devices, failures: Sequence[DeviceFailure], shapes: Sequence[ProvenVariants]
) -> Iterator[str]:
    """Yields the paragraphs below the providers."""
    yield from map(_gpu_text, found.gpus)
    yield from map(_failure_text, failures)
    yield from map(_variant_text, shapes[-MAX_SHAPES:])
    if len(shapes) > MAX_SHAPES:
        yield say(text("--json shows {count} earlier shapes, too.", count=len(shapes) - MAX_SHAPES))
    yield from (say(warning) for warning in found.warnings)
    yield _fastest(found)


def _gpu_text(gpu: Gpu) -> str:
    memory = say(text("{count} MiB", count=gpu.memory_mib)) if gpu.memory_mib else say(text("memory unknown"))
    capability = gpu.capability or say(text("unknown"))
    return say(
        text(
            "{name}: {memory}, compute capability {capability}.",
            name=gpu.name or say(text("An unnamed GPU")),
            memory=memory,
            capability=capability,
        )
    )


def _failure_text(failure: DeviceFailure) -> str:
    """Returns the failure in the daemon, and when the device is retried."""
    return say(
        text(
            "In the daemon, {workload} failed on {device}: {reason}. The CPU runs it until {time}.",
            workload=failure.workload or text("everything"),
            device=failure.device,
            reason=failure.reason,
            time=time.strftime("%H:%M:%S", time.localtime(failure.again)),
        )
    )


def _variant_text(known: ProvenVariants) -> str:
    """Returns how a recurring shape is run, and why."""
    times = (
        say(text(" ({ms} ms, unoptimised {plain} ms)", ms=f"{known.ms:.3g}", plain=f"{known.plain_ms:.3g}"))
        if known.ms
        else ""
    )
    why = say(text(" {why}.", why=say(known.why))) if known.why else ""
    how = (
        text("{model} with {shape} runs unoptimised{times}.{why}")
        if known.way == proof_cache.PLAINLY
        else text("{model} with {shape} runs by {way}{times}.{why}")
    )
    return say(how.fill(model=known.model, shape=known.shape, way=known.way, times=times, why=why))


def _fastest(found: Devices) -> str:
    if not any(one.usable for one in found.reports):
        return say(text("No device can run models."))
    return say(text("Fastest usable device: {title}.", title=BY_NAME[choose(found, Wish()).name].title))
