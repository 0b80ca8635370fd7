"""`popbridge devices`: what models can run on here, what not, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from accel.text import text
from bridge.commands.listing import as_json
from bridge.commands.options import say_json
from bridge.commands.terminal import is_narrow, say, table, wrap

if TYPE_CHECKING:
    from accel.devices.driver import Gpu
    from accel.devices.proof_cache import ProvenVariants
    from accel.devices.report import Devices, Report
    from accel.execution.device_router import DeviceFailure


HEADS = (
    text("provider"),
    text("usable"),
    text("why"),
    text("what to do"),
)

SHOWN = 12
"""Shapes that are told about, those that were tried last."""


@click.command()
@as_json
def devices(as_json: bool) -> None:
    """Lists what models can run on, why something can't be used, and what to do.

    Each is tried in a process of its own, anew with each call.
    """
    from accel.devices import current, proof_cache
    from accel.devices.provider_probe import try_providers
    from accel.execution.device_router import read
    from bridge.paths import Paths

    found, paths = try_providers(), Paths.find()
    current.save(found, paths.devices_file)
    troubles = read(paths.troubles_file)
    shapes = proof_cache.read(paths.cache / proof_cache.FILE, found.machine)
    if as_json:
        for each in (*found.reports, *troubles, *shapes):
            say_json(each)
        for warning in found.warnings:
            click.echo(warning, err=True)
        return
    _show(found.reports)
    for paragraph in _paragraphs(found, troubles, shapes):
        click.echo(f"\n{wrap(paragraph, 2)}")


def _show(reports: Sequence[Report]) -> None:
    """As a table, or as paragraphs where its columns would tear apart what is to be typed."""
    from accel.devices.providers import BY_NAME

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
    found: Devices, troubles: Sequence[DeviceFailure], shapes: Sequence[ProvenVariants]
) -> Iterator[str]:
    """What is told below the providers."""
    yield from map(_card, found.gpus)
    yield from map(_failed, troubles)
    yield from map(_fixed, shapes[-SHOWN:])
    if len(shapes) > SHOWN:
        yield say(
            text("{count} shapes that were tried before are shown by --json.", count=len(shapes) - SHOWN)
        )
    yield from (say(warning) for warning in found.warnings)
    yield _fastest(found)


def _card(gpu: Gpu) -> str:
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


def _failed(trouble: DeviceFailure) -> str:
    """What failed, and when the device is tried again."""
    what = say(text("{name}", name=trouble.workload)) if trouble.workload else say(text("everything"))
    reason = say(trouble.reason)
    again = time.strftime("%H:%M:%S", time.localtime(trouble.again))
    return say(
        text(
            "In the daemon, {what} failed on {device}: {reason}. The CPU does it; that device is "
            "tried again with the next job after {again}.",
            what=what,
            device=trouble.device,
            reason=reason,
            again=again,
        )
    )


def _fixed(known: ProvenVariants) -> str:
    """How a shape that came again is run, and why so."""
    from accel.devices.proof_cache import PLAINLY

    times = (
        say(text(" ({ms} ms, plainly {plain} ms)", ms=f"{known.ms:.3g}", plain=f"{known.plain_ms:.3g}"))
        if known.ms
        else ""
    )
    why = say(text(" {why}.", why=say(known.why))) if known.why else ""
    how = (
        text("{model} with {shape} runs plainly{times}.{why}")
        if known.way == PLAINLY
        else text("{model} with {shape} runs by {way}{times}.{why}")
    )
    return say(how.fill(model=known.model, shape=known.shape, way=known.way, times=times, why=why))


def _fastest(found: Devices) -> str:
    from accel.devices.providers import BY_NAME, Wish, choose

    if not any(one.usable for one in found.reports):
        return say(text("Models can't run here at all."))
    return say(text("The fastest that is usable: {title}.", title=BY_NAME[choose(found, Wish()).name].title))
