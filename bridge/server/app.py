"""The composition root: everything that the daemon is made of, put together once."""

from __future__ import annotations

import asyncio
import functools
import logging
import secrets
import sqlite3
import time
from collections.abc import Collection
from pathlib import Path

from starlette.middleware import Middleware

from accel import gpu
from accel.batching import Batcher
from accel.executor import LocalExecutor
from accel.frames import DEVICE
from accel.policies import Policies
from accel.routed import Lane, Routed
from accel.routing import Form
from accel.sample import SAMPLES
from accel.text import text
from accel.workload import Limits
from bridge.core import errors
from bridge.core.counts import Counts
from bridge.core.errors import StoreError
from bridge.core.load import Load
from bridge.core.router import Router
from bridge.core.settings import Settings
from bridge.host import Registry
from bridge.paths import Paths
from bridge.server import kept, sources
from bridge.server.backlog import Total
from bridge.server.blobs import Blobs
from bridge.server.caching import caching
from bridge.server.commands import Commands
from bridge.server.dispatch import Dispatch
from bridge.server.flows import Flows
from bridge.server.gate import Gate
from bridge.server.http import Front, HostGuard, answer_strays, routes
from bridge.server.jobs import Jobs
from bridge.server.keeper import Keeper, all_names
from bridge.server.lag import LoopLag
from bridge.server.live import LiveSession
from bridge.server.measured import Measured
from bridge.server.metrics import Metrics
from bridge.server.observed import Observed
from bridge.server.operator import Operator
from bridge.server.outputs import KeptOutputs
from bridge.server.receipts import Receipts
from bridge.server.restore import restore
from bridge.server.runner import Runner
from bridge.server.sessions import Sessions
from bridge.server.socket import WebSocketEndpoint
from bridge.server.standstill import Standstill
from bridge.server.uploads import Uploads
from bridge.server.welcome import Welcome
from bridge.store.backups import DailyBackup
from bridge.store.blobs import BlobStore
from bridge.store.database import migrations, unusable
from bridge.store.named import ANSWERS, HOLDERS, named
from bridge.store.store import Store

log = logging.getLogger(__name__)

TICK_S = 0.25
"""How often deadlines, popups and sessions are looked at."""
DRAIN_S = 5.0
"""How long a stopping daemon waits for what is under way."""


class Bridge:
    """One daemon. `app` is the ASGI application, served between `start` and `stop`."""

    def __init__(self, settings: Settings, paths: Paths, registry: Registry) -> None:
        self.token = secrets.token_urlsafe(32)
        self.instance = secrets.token_hex(8)
        self.settings = settings
        self.registry = registry
        self.store = Store(paths.database, migrations)
        total = Total(settings["session.unacked_mib"] << 20)
        self.sessions = Sessions(self.store, settings["session.keep_s"], total)
        models = str(paths.models(settings["models.folder"]))
        limits = Limits(settings["images.max_pixels"], models, registry.operations)
        workers = LocalExecutor(
            settings["workers"], limits, settings["worker.memory_mib"], keep_mib=settings["worker.keep_mib"]
        )
        self.workers = workers.pool.size
        """Worker processes for the CPU."""
        self._policies = Policies(paths.batching_file, workers)
        batcher = Batcher(workers, self._policies.max_rows)
        cpu = Lane(Form("cpu", DEVICE), batcher, workers.pool.size, pool=workers.pool)
        self._executor = Routed(cpu, paths.routing_file, SAMPLES, troubles=paths.troubles_file)
        self._join_gpu = functools.partial(
            gpu.join, self._executor, paths.devices_file, limits,
            wanted=settings["gpu"], batching=paths.batching_file,
        )  # fmt: skip
        blobs = self.blobs = _blob_store(paths.blobs, settings)
        self.keeper = Keeper(
            blobs,
            self._named_blobs,
            self._cached_blobs,
            keep_s=settings["blobs.keep_s"],
            sweep_s=settings["blobs.sweep_s"],
        )
        self.uploads = Uploads(blobs, self.keeper)
        counts, load = Counts(), Load(workers.pool.size)
        executor = KeptOutputs(Measured(self._executor, counts, load), blobs, self.keeper)
        self.cache = caching(settings, registry, paths.responses_file, limits, blobs, executor)
        runner = Runner(registry.workloads, executor, blobs, limits, settings["inline"], self.cache)
        commands = self._commands = Commands(self.store, self.sessions)
        advisors = {advisor.name: advisor for advisor in (*registry.advisors, Receipts(self.store))}
        self.flows = Flows(advisors, settings.as_dict(), runner, commands, self.store, self.sessions)
        router = Router(
            registry.workloads,
            [ask for advisor in advisors.values() for ask in advisor.asks],
            inflight=settings["session.inflight"],
            inflight_total=settings["requests.inflight"],
            deadline_ms=settings["deadline_ms"],
            load=load,
        )
        self.jobs = Jobs(
            self.store, router, runner, self.sessions, counts, owner=self.instance,
            workers=workers.pool.size, deadline_ms=settings["deadline_ms"],
            keep_s=settings["journal.keep_s"],
        )  # fmt: skip
        self.dispatch = Dispatch(router, runner, self.flows, commands, self.jobs, counts)
        welcome = Welcome(
            self.token, self.instance, settings, registry, self.sessions, self._arrived, runner.has_outputs
        )
        gate = Gate(settings["connections"], settings["connections_unidentified"])
        endpoint = WebSocketEndpoint(welcome, self.dispatch.handle, gate, counts)
        self._lag = LoopLag()
        self._standstill = Standstill()
        observed = Observed(counts, router, self._executor, self.sessions, gate, self._lag)
        self.metrics = Metrics()
        self.metrics.add(functools.partial(sources.stored, self.store))
        self.metrics.add(lambda: kept.promised(self.jobs.pump.tally, self.jobs.pump.running))
        self.metrics.add(lambda: kept.blobs(blobs))
        if self.cache is not None:
            self.metrics.add(functools.partial(kept.cached, self.cache))
        operator = Operator(observed, self.metrics, self.token, self.instance)
        self.app = Front(
            endpoint,
            [
                *routes(Blobs(blobs, self.uploads, self.token), self.instance),
                *operator.routes,
            ],
            [Middleware(HostGuard, welcome=welcome)],
        )
        answer_strays(self.app)

    async def start(self) -> None:
        """Workers come up in the background; the sessions of an earlier run are back at once.

        Raises UserError where the system lets no process be started, or the database is broken.
        """
        try:
            await self._executor.start()
        except OSError as error:
            await self.store.close()
            raise errors.UserError(
                text("The worker processes can't be started ({strerror}).", strerror=error.strerror)
            ) from None
        if self.cache is not None:
            await self.cache.open()
        try:
            count = await restore(self.store, self.registry, self.sessions, self._commands, self.flows)
            await self.jobs.start()
        except (sqlite3.Error, StoreError) as error:
            await self._close()
            raise unusable(self.store.path, error) from None
        if count:
            log.info("%d sessions wait for their clients to come back", count)
        self._lag.start()
        self._standstill.start()
        self._ticker = asyncio.create_task(self._tick())
        self._gpu = asyncio.create_task(self._join_gpu())
        self._keeping = asyncio.create_task(self.keeper.run())
        self._backups = asyncio.create_task(DailyBackup(self.store.path).run())

    async def _named_blobs(self) -> set[str]:
        return await all_names(self.store, HOLDERS, self.sessions)

    async def _cached_blobs(self) -> set[str]:
        answers = await named(self.store, ANSWERS)
        return answers if self.cache is None else answers | await self.cache.blobs()

    async def _arrived(self, live: LiveSession, restarted: bool, announced: Collection[int]) -> None:
        await self.flows.take_away(live)
        if restarted:
            await self.dispatch.client_restarted(live)
            await self.flows.show_again(live)
        await self.flows.sharing.arrive(live, self.flows.present, announced)

    async def finish(self) -> None:
        """What is under way is finished or given up; everybody is told; sessions stay stored."""
        await self.dispatch.drain(DRAIN_S, self.sessions.by_id)
        await self.flows.close()
        await self.sessions.close_sockets(errors.RESTART, "the daemon stops: back off, then resume")

    async def stop(self) -> None:
        """After `finish`: the workers and the database are closed."""
        self._lag.stop()
        self._standstill.stop()
        tasks = (self._ticker, self._gpu, self._keeping, self._backups)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._close()

    async def _close(self) -> None:
        if self.cache is not None:
            await self.cache.close()
        await self._policies.close()
        await self._executor.close()
        await self._commands.close()
        await self.store.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                self._look(time.monotonic())
            # Deadlines and keep times of all sessions hang on this loop: no failure may end it.
            except Exception:
                log.exception("the daemon's clock missed a turn")

    def _look(self, now: float) -> None:
        late = self.dispatch.take_overdue(now)
        for session_id, tickets in late.items():
            if live := self.sessions.by_id.get(session_id):
                # A task of its own: a client that doesn't read holds up nobody else.
                self.flows.spawn(self.dispatch.overdue(live, tickets), "answering what is overdue")
        ageing = self.sessions.ageing()
        for live in ageing:
            self.flows.expire(live, now)
        for live in self.sessions.expire(ageing, now):
            self.dispatch.session_ended(live.id)
            self.flows.spawn(self._settle(live), "closing a session")

    async def _settle(self, live: LiveSession) -> None:
        await self.sessions.settle(live.id, leaves_popups=bool(live.workspace))
        for command_id in live.session.commands:
            self._commands.wake(command_id)
        await self.flows.sharing.bequeath(live, self.flows.present)


def _blob_store(folder: Path, settings: Settings) -> BlobStore:
    try:
        return BlobStore(folder, settings["blobs.max_size"], settings["blobs.quota"])
    except OSError as error:
        raise errors.UserError(
            text(
                "The blob folder {folder} can't be made ({strerror}).", folder=folder, strerror=error.strerror
            )
        ) from None
