"""The lane of a GPU: one worker process whose models and graphs run by its provider."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accel.devices import here, kept
from accel.devices.choice import Choice, Wish, choose
from accel.devices.driver import library_of
from accel.devices.providers import BY_NAME
from accel.devices.report import Devices
from accel.executor import LocalExecutor
from accel.graphs.forms import FORMS
from accel.routed import Lane, Routed
from accel.routing import Form
from accel.workload import Limits

log = logging.getLogger(__name__)

WISH = Wish(("cuda",))
"""What runs any shape of image at once; TensorRT compiles each for minutes."""


def find(file: Path, loader: Callable[[str], Any] = ctypes.CDLL) -> tuple[Choice, Devices] | None:
    """The GPU that works here, None for none; what was tried is kept in `file`. It may take seconds."""
    try:
        # Without a driver there is nothing to try, and no second to lose.
        loader(library_of(sys.platform))
    except OSError:
        return None
    found = kept.devices(file)
    choice = choose(found, WISH)
    return None if choice.name == "cpu" else (choice, found)


def lane(choice: Choice, devices: Devices, limits: Limits) -> Lane:
    """Not started yet."""
    title = BY_NAME[choice.name].title
    device = f"{title}, {devices.gpus[0].name}" if devices.gpus and devices.gpus[0].name else title
    # No limit of address space, of which CUDA takes more than there is memory.
    executor = LocalExecutor(1, limits, 0, env={here.WANTED: choice.name})
    return Lane(Form(choice.name, device), executor, 1, _target, pool=executor.pool)


def _target(name: str) -> str | None:
    form = FORMS.get(name)
    return None if form is None else form.workload.target


async def join(routed: Routed, file: Path, limits: Limits, *, wanted: bool = True) -> None:
    """Adds this machine's GPU, if it has one that works and is `wanted`, to an executor that runs already."""
    found = await asyncio.to_thread(find, file) if wanted else None
    if found is None:
        return
    added = lane(*found, limits)
    try:
        await routed.add(added)
    except OSError as error:
        log.warning("no process can be started for %s: %s", added.form.device, error)
    else:
        log.info("%s is used where it is measured to be faster", added.form.device)
