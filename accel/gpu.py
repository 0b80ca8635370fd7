"""The lane of a GPU: one worker process whose models and graphs run by its provider."""

from __future__ import annotations

import asyncio
import ctypes
import functools
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accel.batching import Batcher
from accel.devices import kept, proofs
from accel.devices.choice import Choice, Wish, choose
from accel.devices.driver import library_of
from accel.devices.faults import FULL, WANTED
from accel.devices.here import CACHE
from accel.devices.probing import try_providers
from accel.devices.providers import BY_NAME
from accel.devices.report import Devices
from accel.executor import LocalExecutor
from accel.graphs.forms import FORMS
from accel.policies import Policies
from accel.routed import Lane, Routed
from accel.routing import Form
from accel.workload import Limits

log = logging.getLogger(__name__)

WISH = Wish(("cuda",))
"""What runs any shape of image at once; TensorRT compiles each for minutes."""

LOOK_AGAIN_S = 120.0
"""After how long a GPU is tried again whose memory was full."""

Found = tuple[Choice, Devices]


class GpuExecutor(Batcher):
    """The GPU's one worker process, with batches by what is worth it there."""

    def __init__(
        self, worker: LocalExecutor, batching: Path | None, device: str, shapes: Path | None = None
    ) -> None:
        """`batching`: where what was measured is kept; `shapes`: where it is what the worker tried."""
        self._pool, self._shapes = worker.pool, shapes
        if shapes is not None:
            worker.pool.on_ended = functools.partial(proofs.cut_off, shapes)
        self.policies = Policies(batching, worker, device)
        super().__init__(worker, self.policies.max_rows)

    async def close(self) -> None:
        ended = [state.pid for state in self._pool.states]
        await self.policies.close()
        await super().close()
        # A worker that does nothing may be trying something, and a run of few files ends just then.
        if self._shapes is not None and ended:
            await asyncio.to_thread(proofs.excuse, self._shapes, ended)


def find(file: Path, loader: Callable[[str], Any] = ctypes.CDLL) -> Found | None:
    """The GPU that works here, None for none; what was tried is kept in `file`. It may take seconds."""
    try:
        # Without a driver there is nothing to try, and no second to lose.
        loader(library_of(sys.platform))
    except OSError:
        return None
    found = kept.devices(file)
    if full(found):
        # That passes, unlike what else speaks against a GPU.
        found = try_providers()
        kept.keep(found, file)
    choice = choose(found, WISH)
    return None if choice.name == "cpu" else (choice, found)


def full(devices: Devices) -> bool:
    """Whether a GPU would be used if there were room in its memory."""
    return any(one.name in WISH.order and one.reason == FULL for one in devices.reports)


def lane(
    choice: Choice,
    devices: Devices,
    limits: Limits,
    batching: Path | None = None,
    cache: Path | None = None,
) -> Lane:
    """Not started yet. `cache` is the folder for what providers compile; None keeps nothing."""
    title = BY_NAME[choice.name].title
    device = f"{title}, {devices.gpus[0].name}" if devices.gpus and devices.gpus[0].name else title
    # No limit of address space, of which CUDA takes more than there is memory.
    env = {WANTED: choice.name, CACHE: str(cache) if cache else ""}
    worker = LocalExecutor(1, limits, 0, env=env)
    executor = GpuExecutor(worker, batching, device, cache / proofs.FILE if cache else None)
    return Lane(Form(choice.name, device), executor, 1, _target, pool=worker.pool)


def _target(name: str) -> str | None:
    form = FORMS.get(name)
    return None if form is None else form.workload.target


async def join(
    routed: Routed,
    file: Path,
    limits: Limits,
    *,
    wanted: bool = True,
    batching: Path | None = None,
    again_s: float = LOOK_AGAIN_S,
) -> None:
    """Adds this machine's GPU, if it has one that works and is `wanted`, to an executor that runs already.

    While its memory is full it is tried again every `again_s` seconds. `file`: what was tried, as in `find`;
    `batching`: where it is kept what is worth a batch. What is compiled lies beside `file`.
    """
    found = await asyncio.to_thread(find, file) if wanted else None
    while found is None:
        if not wanted or not full(await asyncio.to_thread(kept.known, file)):
            return
        await asyncio.sleep(again_s)
        found = await asyncio.to_thread(find, file)
    added = lane(*found, limits, batching, file.parent)
    try:
        await routed.add(added)
    except OSError as error:
        log.warning("no process can be started for %s: %s", added.form.device, error)
    else:
        log.info("%s is used where it is measured to be faster", added.form.device)
