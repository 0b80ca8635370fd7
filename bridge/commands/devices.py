"""`popbridge devices`: what models can run on here, what not, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from bridge.commands.listing import as_json
from bridge.commands.shared import say_json, screen_width, table, wrapped

if TYPE_CHECKING:
    from accel.devices.proofs import Known
    from accel.devices.report import Report
    from accel.troubles import Trouble

TABLE = 72
"""Columns from which on a table is readable."""

SHOWN = 12
"""Shapes that are told about, those that were tried last."""


@click.command()
@as_json
def devices(as_json: bool) -> None:
    """Lists what models can run on, why something can't be used, and what to do.

    Each is tried in a process of its own, anew with each call.
    """
    from accel.devices import kept, proofs
    from accel.devices.choice import Wish, choose
    from accel.devices.probing import try_providers
    from accel.devices.providers import BY_NAME
    from accel.troubles import read
    from bridge.paths import Paths

    found, paths = try_providers(), Paths.find()
    kept.keep(found, paths.devices_file)
    troubles = read(paths.troubles_file)
    shapes = proofs.read(paths.cache / proofs.FILE, found.machine)
    if as_json:
        for each in (*found.reports, *troubles, *shapes):
            say_json(each)
        for warning in found.warnings:
            click.echo(warning, err=True)
        return
    _show(found.reports)
    for gpu in found.gpus:
        memory = f"{gpu.memory_mib} MiB" if gpu.memory_mib else "memory unknown"
        facts = f"{memory}, compute capability {gpu.capability or 'unknown'}"
        click.echo(wrapped(f"\n{gpu.name or 'An unnamed GPU'}: {facts}.", 2))
    for trouble in troubles:
        click.echo(wrapped(f"\n{_told(trouble)}", 2))
    for shape in shapes[-SHOWN:]:
        click.echo(wrapped(f"\n{_fixed(shape)}", 2))
    if len(shapes) > SHOWN:
        click.echo(f"\n{len(shapes) - SHOWN} shapes that were tried before are shown by --json.")
    for warning in found.warnings:
        click.echo(wrapped(f"\n{warning}", 2))
    if any(one.usable for one in found.reports):
        click.echo(f"\nThe fastest that is usable: {BY_NAME[choose(found, Wish()).name].title}.")
    else:
        click.echo("\nModels can't run here at all.")


def _show(reports: Sequence[Report]) -> None:
    """As a table, or as paragraphs where its columns would tear apart what is to be typed."""
    from accel.devices.providers import BY_NAME

    rows = [
        (BY_NAME[one.name].title, "yes" if one.usable else "no", one.reason, one.remedy) for one in reports
    ]
    if screen_width() >= TABLE:
        table(rows, ("provider", "usable", "why", "what to do"))
        return
    for title, usable, reason, remedy in rows:
        click.echo(wrapped(f"{title}: {usable}, {reason}", 2))
        if remedy:
            click.echo(wrapped(f"  {remedy}", 2))


def _told(trouble: Trouble) -> str:
    """What failed, and when the device is tried again."""
    what = trouble.workload or "everything"
    again = time.strftime("%H:%M:%S", time.localtime(trouble.again))
    return (
        f"In the daemon, {what} failed on {trouble.device}: {trouble.reason}. The CPU does it; that device "
        f"is tried again with the next job after {again}."
    )


def _fixed(known: Known) -> str:
    """How a shape that came again is run, and why so."""
    from accel.devices.proofs import PLAINLY

    how = known.way if known.way == PLAINLY else f"by {known.way}"
    times = f" ({known.ms:.3g} ms, plainly {known.plain_ms:.3g} ms)" if known.ms else ""
    why = f" {known.why}." if known.why else ""
    return f"{known.model} with {known.shape} runs {how}{times}.{why}"
