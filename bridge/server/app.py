"""The composition root: builds the daemon and runs its clock."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Collection
from pathlib import Path

from starlette.middleware import Middleware

from accel.atomic_file import make_private_folder
from accel.execution import device_router
from accel.execution.batch_tuning import SAMPLES, BatchTuning
from accel.execution.batching import Batcher
from accel.execution.cost_model import Device
from accel.execution.device_router import DeviceQueue, DeviceRouter
from accel.execution.executor import LocalExecutor
from accel.execution.memory_budget import MemoryBudget
from accel.execution.protocol import DEVICE
from accel.execution.sandbox import Sandbox, remove_leftovers
from accel.text import text
from accel.workload import Limits
from bridge.core import access, errors
from bridge.core.errors import StoreError
from bridge.core.messages import Popup
from bridge.core.metrics import Counts
from bridge.core.router import Load, Router
from bridge.core.settings import Settings
from bridge.host.host import Registry
from bridge.paths import Paths
from bridge.server import metrics
from bridge.server.access.authenticator import Authenticator
from bridge.server.access.door import Door
from bridge.server.access.failed_attempts import FailedAttempts
from bridge.server.access.pairing import Pairing
from bridge.server.access.roots import ProjectRoots
from bridge.server.access.token_rates import TokenRates
from bridge.server.access.tokens import Tokens
from bridge.server.addon_check import AddonCheck
from bridge.server.advisors import AdvisorHost
from bridge.server.blobs import BlobCollector, Blobs, BodyLimits, Uploads, referenced_blobs
from bridge.server.cache import cached_executor
from bridge.server.commands import Commands, Receipts
from bridge.server.dispatch import Dispatch
from bridge.server.executors import BlobExecutor
from bridge.server.handshake import Handshake
from bridge.server.http import Application, Guard, HostGuard, add_error_pages, health
from bridge.server.jobs import Jobs
from bridge.server.key_watch import KeyWatch
from bridge.server.live_session import LiveSession, Total
from bridge.server.metrics import Metrics, Observed, Operator
from bridge.server.project_paths import folder_prefix
from bridge.server.restore import restore
from bridge.server.runner import Runner
from bridge.server.sessions import Sessions
from bridge.server.watchdog import LoopLag, StallWatchdog
from bridge.server.websocket import ConnectionLimiter, WebSocketEndpoint
from bridge.store.addon_manifests import Manifests
from bridge.store.audit_log import AuditLog
from bridge.store.backups import DailyBackup
from bridge.store.blob_refs import ANSWER_REFERENCES, REFERENCES, blob_references
from bridge.store.blobs import BlobStore
from bridge.store.database import migrations, unusable_error
from bridge.store.encryption import Vault
from bridge.store.key_rotation import open_vault
from bridge.store.master_key import VARIABLE, MasterKey
from bridge.store.store import Store

log = logging.getLogger(__name__)

TICK_S = 0.25
"""Seconds between checks of deadlines, popups and sessions."""
ROOTS_S = 2.0
"""Seconds between looks for projects that `popbridge roots add` has registered, while an editor waits."""
DRAIN_S = 5.0
"""Seconds that a stopping daemon waits for running requests."""


class Bridge:
    """One daemon. `app` is the ASGI application, served between `start` and `stop`."""

    def __init__(self, settings: Settings, paths: Paths, registry: Registry) -> None:
        self.authenticator = Authenticator()
        self.instance = secrets.token_hex(8)
        self.settings = settings
        self.registry = registry
        master = MasterKey.find(paths.data, settings["encryption_key_file"], home=paths.home is not None)
        vault = open_vault(master, paths.database, seals=settings["encryption"])
        # Worker processes must not inherit it.
        os.environ.pop(VARIABLE, None)
        # Created first: if this fails, no database needs closing.
        blobs = self.blobs = _blob_store(paths.blobs, settings, vault)
        self.store = Store(paths.database, migrations, vault=vault)
        total = Total(settings["session.unacked_mib"] << 20)
        self.sessions = Sessions(self.store, settings["session.keep_s"], total)
        models = str(paths.models(settings["models.folder"]))
        limits = Limits(settings["images.max_pixels"], models, registry.operations)
        sandbox = _sandbox(paths.workers, settings) if settings["worker.sandbox"] else None
        budget = MemoryBudget(settings["worker.total_mib"])
        workers = LocalExecutor(
            settings["workers"],
            limits,
            settings["worker.memory_mib"],
            keep_mib=settings["worker.recycle_mib"],
            idle_s=settings["worker.idle_s"],
            sandbox=sandbox,
            budget=budget,
        )
        self._pool = workers.pool
        self.workers = workers.pool.size
        """Number of worker processes for the CPU."""
        self._policies = BatchTuning(paths.batching_file, workers)
        batcher = Batcher(workers, self._policies.max_rows)
        cpu = DeviceQueue(Device("cpu", DEVICE), batcher, workers.pool.size, pool=workers.pool)
        self._executor = DeviceRouter(cpu, paths.routing_file, SAMPLES, troubles=paths.troubles_file)
        self._join_gpu = functools.partial(
            device_router.join_router, self._executor, paths.devices_file, limits,
            wanted=settings["gpu"], batching=paths.batching_file, sandbox=sandbox, budget=budget,
        )  # fmt: skip
        self.keeper = BlobCollector(
            blobs,
            self._named_blobs,
            self._cached_blobs,
            keep_s=settings["blobs.keep_s"],
            sweep_s=settings["blobs.sweep_s"],
        )
        bodies = BodyLimits(settings["limits.body_bytes_s"], settings["limits.body_s"])
        self.uploads = Uploads(blobs, self.keeper, bodies)
        counts, load = Counts(), Load(workers.pool.size)
        executor = BlobExecutor(self._executor, blobs, self.keeper, counts, load)
        self.cache = cached_executor(
            settings, registry, paths.responses_file, limits, blobs, executor.run, vault
        )
        self._copies_lock = threading.Lock()
        self._key_watch = KeyWatch(master, vault, self.store, paths.blobs, self._responses, self._copies_lock)
        private = [folder_prefix(folder) for folder in paths.own_folders]
        runner = Runner(registry.workloads, executor, blobs, limits, settings["inline"], self.cache, private)
        self.audit = AuditLog(paths)
        """The audit log: `record` an act before it is done."""
        commands = self._commands = Commands(self.store, self.sessions, self.audit)
        self.roots = ProjectRoots(self.store, paths, settings["roots"], self.sessions, self.audit)
        own = (Receipts(self.store, self.sessions), self.roots)
        advisors = {advisor.name: advisor for advisor in (*registry.advisors, *own)}
        self.flows = AdvisorHost(
            advisors, settings.as_dict(), runner, commands, self.store, self.sessions, blobs
        )
        self.flows.may_read = self.roots.may_read
        self.roots.on_allowed = self._allowed
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
        rights = {name: access.workload_right(name, each.right) for name, each in registry.workloads.items()}
        rights |= {
            ask: access.question_right(ask, advisor.rights.get(ask, ""))
            for advisor in advisors.values()
            for ask in advisor.asks
        }
        self.dispatch = Dispatch(router, runner, self.flows, commands, self.jobs, counts, rights)
        handshake = self.handshake = Handshake(
            self.authenticator, self.instance, settings, registry, self.sessions, self.roots,
            self._arrived, runner.has_outputs,
        )  # fmt: skip
        handshake.check_addon = AddonCheck(Manifests(paths), self.audit).notice
        self.door = Door(settings, counts)
        rates = TokenRates(settings, counts)
        limiter = ConnectionLimiter(settings["connections"])
        endpoint = WebSocketEndpoint(handshake, self.dispatch.handle, limiter, counts, self.door, rates)
        attempts = self.failed_attempts = FailedAttempts(self.audit)
        self.door.on_failed_attempt = attempts.count
        self._busy = asyncio.Event()
        self._next_look = 0.0
        self._lag = LoopLag()
        self._standstill = StallWatchdog()
        observed = Observed(counts, router, self._executor, self.sessions, limiter, self._lag)
        self.metrics = Metrics()
        self.metrics.add(functools.partial(metrics.stored, self.store))
        self.metrics.add(lambda: metrics.promised(self.jobs.scheduler.tally, self.jobs.scheduler.running))
        self.metrics.add(lambda: metrics.blobs(blobs))
        if self.cache is not None:
            self.metrics.add(functools.partial(metrics.cached, self.cache))
        operator = self.operator = Operator(observed, self.metrics, self.instance)
        guard = Guard(self.authenticator, self.door, rates)
        self.tokens = Tokens(self.store, self.authenticator, self.sessions, self.audit)
        self.ca: str | None = None
        """The certificate that clients trust (PEM); None without TLS."""
        self.pairing = Pairing(self.tokens, self.authenticator, self.audit, lambda: self.ca)
        self.app = Application(
            endpoint,
            [
                health(guard),
                *Blobs(blobs, self.uploads).routes(guard),
                *operator.routes(guard),
                *self.tokens.routes(guard),
                *self.pairing.routes(guard),
            ],
            [Middleware(HostGuard, handshake=handshake)],
            self.door,
        )
        add_error_pages(self.app)

    async def start(self) -> None:
        """Starts workers in the background and restores the sessions of an earlier run.

        Raises UserError if no process can be started, or the database is damaged.
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
            await self.tokens.load()
            count = await restore(
                self.store, self.registry, self.sessions, self._commands, self.flows, self.roots
            )
            await self.jobs.start()
        except (sqlite3.Error, StoreError) as error:
            await self._close()
            raise unusable_error(self.store.path, error) from None
        if count:
            log.info("%d sessions wait for their clients to return", count)
        self._lag.start()
        self._standstill.start()
        self._ticker = asyncio.create_task(self._tick())
        self._gpu = asyncio.create_task(self._join_gpu())
        self._keeping = asyncio.create_task(self.keeper.run())
        self._backups = asyncio.create_task(DailyBackup(self.store.path, self._copies_lock).run())
        self._keys = asyncio.create_task(self._key_watch.run())

    def _responses(self) -> Store | None:
        return self.cache.responses.store if self.cache is not None else None

    async def _named_blobs(self) -> set[str]:
        return await referenced_blobs(self.store, REFERENCES, self.sessions)

    async def _cached_blobs(self) -> set[str]:
        answers = await blob_references(self.store, ANSWER_REFERENCES)
        return answers if self.cache is None else answers | await self.cache.responses.blobs()

    async def _arrived(self, live: LiveSession, restarted: bool, announced: Collection[int]) -> None:
        self._pool.wake()
        self._busy.set()
        await self.flows.take_away(live)
        if restarted:
            await self.dispatch.client_restarted(live)
            await self.flows.show_again(live)
        await self.flows.sharing.arrive(live, self.flows.present, announced)
        if (popup := self.roots.question(live)) is not None:
            state = {"root": live.unregistered_root}
            self.flows.spawn(self._ask(live, popup, state), "asking whether a project may be read")

    async def _ask(self, live: LiveSession, popup: Popup, state: object) -> None:
        await self.flows.show(live, self.roots, popup, state, None)

    async def _allowed(self, live: LiveSession) -> None:
        """Does what had to wait until the user let PopBridge read the session's project."""
        for popup_id in self.roots.questions(live):
            await self.flows.withdraw(live, popup_id)
        await self.flows.sharing.arrive(live, self.flows.present)
        for event in live.take_held_events():
            self.flows.event(live, event)

    async def finish(self) -> None:
        """Finishes or abandons running requests and closes connections. Sessions stay stored."""
        await self.dispatch.drain(DRAIN_S, self.sessions.by_id)
        await self.flows.close()
        await self.sessions.close_sockets(errors.RESTART, "the daemon stops: back off, then resume")

    async def stop(self) -> None:
        """Closes the workers and the database, after `finish`."""
        self._lag.stop()
        self._standstill.stop()
        tasks = (self._ticker, self._gpu, self._keeping, self._backups, self._keys)
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
        await self.failed_attempts.close()
        await asyncio.to_thread(self.audit.close)
        self.door.close()
        await self.store.close()
        self.blobs.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self.sessions.idle:
                # Nothing has a deadline: an idle daemon sleeps.
                self._busy.clear()
                await self._busy.wait()
            try:
                self._check(time.monotonic())
            # The deadlines of all sessions depend on this loop, so nothing may end it.
            except Exception:
                log.exception("the daemon's clock missed a tick")

    def _check(self, now: float) -> None:
        if self.roots.is_waiting and now >= self._next_look:
            self._next_look = now + ROOTS_S
            self.flows.spawn(self.roots.look_again(), "looking for projects that may be read now")
        late = self.dispatch.take_overdue(now)
        for session_id, tickets in late.items():
            if live := self.sessions.by_id.get(session_id):
                # In its own task: a client that doesn't read must not delay others.
                self.flows.spawn(self.dispatch.overdue(live, tickets), "answering what is overdue")
        self.tokens.expire()
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


def _sandbox(folder: Path, settings: Settings) -> Sandbox:
    """Returns the workers' sandbox, with their folders in `folder`; removes old ones. Raises UserError."""
    try:
        make_private_folder(folder)
        remove_leftovers(folder)
    except OSError as error:
        raise errors.UserError(
            text(
                "The workers' folder {folder} can't be created ({reason}).",
                folder=folder,
                reason=error.strerror,
            )
        ) from None
    return Sandbox(str(folder), settings["worker.writable"])


def _blob_store(folder: Path, settings: Settings, vault: Vault) -> BlobStore:
    try:
        return BlobStore(
            folder,
            settings["blobs.max_size"],
            settings["blobs.quota"],
            vault=vault,
            seals=settings["encryption_blobs"],
        )
    except OSError as error:
        raise errors.UserError(
            text(
                "The blob folder {folder} can't be created ({strerror}).",
                folder=folder,
                strerror=error.strerror,
            )
        ) from None
