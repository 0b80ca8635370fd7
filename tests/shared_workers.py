"""Worker processes that tests share: starting one costs half a second, and most tests only want a result."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
import pytest

from accel.execution.pool import Pool, Worker

MOST = 3
"""Pools that stay at once: more would be worth less than their memory."""
PATIENCE_S = 60.0
OF_ONE_TEST = {"POPBRIDGE_HOME", "PYTEST_CURRENT_TEST"}
"""Variables that no worker reads."""


class Original(Pool):
    """A pool as it is, whatever has taken the place of its methods meanwhile."""

    start = Pool.start
    acquire = Pool.acquire
    release = Pool.release
    stop = Pool.stop
    discard = Pool.discard
    close = Pool.close
    pids = Pool.pids


class FarWorker:
    """A worker of a pool in another thread, for one job."""

    def __init__(self, worker: Worker, original: Original, workers: SharedWorkers) -> None:
        self._worker = worker
        self._original = original
        self._workers = workers
        self._returned = False

    async def ask(
        self, job: bytes, doing: str = "", on_progress: Callable[[float, str], None] | None = None
    ) -> Any:
        loop = asyncio.get_running_loop()

        def tell(fraction: float, stage: str) -> None:
            loop.call_soon_threadsafe(on_progress, fraction, stage)

        return await self._workers.call(self._worker.ask(job, doing, on_progress and tell))

    @property
    def last_memory(self) -> int:
        return self._worker.last_memory

    @property
    def shortage(self) -> Any:
        return self._worker.shortage

    @property
    def folder(self) -> Path | None:
        return self._worker.folder

    def release(self) -> None:
        self._return(lambda: self._original.release(self._worker))

    def stop(self) -> None:
        self._return(lambda: self._original.stop(self._worker))

    def discard(self, reason: str) -> None:
        self._return(lambda: self._original.discard(self._worker, reason))

    def _return(self, work: Callable[[], None]) -> None:
        # A pool that closes discards what is then at work; whoever asked it does so once more.
        if not self._returned:
            self._returned = True
            self._workers.soon(work)


class SharedWorkers:
    """Pools in the event loop of a thread, by all that their workers depend on."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        # Linux ends a worker with the thread that has started it.
        self._thread = threading.Thread(target=self._loop.run_forever, name="shared workers", daemon=True)
        self._thread.start()
        self._originals: dict[str, Original] = {}
        self._users: WeakKeyDictionary[Pool, str] = WeakKeyDictionary()
        self._busy: WeakKeyDictionary[Pool, set[FarWorker]] = WeakKeyDictionary()

    def __contains__(self, pool: Pool) -> bool:
        """Whether `pool` was started here: a fixture of a larger scope may have started its own processes."""
        return pool in self._users

    async def start(self, pool: Pool) -> None:
        """Makes ready what does the work of `pool`. Raises OSError."""
        setup, key = _setup(pool), _key(pool)
        if key not in self._originals:
            await self._evict()
            original = Original(pool.size, setup, pool._env, pool._keep >> 20)
            await self.call(original.start())
            self._originals[key] = original
        # The last one is that which was used last.
        self._originals[key] = self._originals.pop(key)
        self._users[pool] = key

    async def acquire(self, pool: Pool, priority: str, again: bool) -> FarWorker:
        original, acquired = self.of(pool), []

        async def acquire() -> Worker:
            acquired.append(await original.acquire(priority, again=again))
            return acquired[0]

        try:
            far = FarWorker(await self.call(acquire()), original, self)
        except asyncio.CancelledError:
            self.soon(lambda: acquired and original.release(acquired[0]))
            raise
        self._busy.setdefault(pool, set()).add(far)
        return far

    def leave(self, pool: Pool) -> None:
        """Ends what is at work for `pool`."""
        self._users.pop(pool, None)
        for far in self._busy.pop(pool, set()):
            far.discard("cancelled")

    def of(self, pool: Pool) -> Original:
        return self._originals[self._users[pool]]

    async def _evict(self) -> None:
        unused = [key for key in self._originals if key not in self._users.values()]
        for key in unused[: max(0, len(self._originals) + 1 - MOST)]:
            await self.call(self._originals.pop(key).close())

    async def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Awaits `work` in the thread; cancelling cancels it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def soon(self, work: Callable[[], Any]) -> None:
        self._loop.call_soon_threadsafe(work)

    def close(self) -> None:
        async def close() -> None:
            await asyncio.gather(*(original.close() for original in self._originals.values()))

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(PATIENCE_S)
        self.soon(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()


def _setup(pool: Pool) -> Any:
    """How the workers of `pool` are set up; one folder of models that isn't there is as good as another."""
    limits = pool._setup.limits
    if not Path(limits.models).exists():
        limits = msgspec.structs.replace(limits, models="no models")
    return msgspec.structs.replace(pool._setup, limits=limits)


def _key(pool: Pool) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in OF_ONE_TEST}
    return repr((pool.size, pool._keep, pool._env, _setup(pool), environment, sys.path, os.getcwd()))


@pytest.fixture(scope="session")
def workers_of_all_tests() -> Iterator[SharedWorkers]:
    workers = SharedWorkers()
    yield workers
    workers.close()


@pytest.fixture
def shared_workers(
    request: pytest.FixtureRequest, workers_of_all_tests: SharedWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pools of this process use workers that are there, unless the test has the mark `own_workers`."""
    if request.node.get_closest_marker("own_workers"):
        return
    workers = workers_of_all_tests

    async def acquire(pool: Pool, priority: str, *, again: bool = False) -> Any:
        if pool in workers:
            return await workers.acquire(pool, priority, again)
        return await Original.acquire(pool, priority, again=again)

    def release(pool: Pool, worker: Any) -> None:
        if isinstance(worker, FarWorker):
            worker.release()
        else:
            Original.release(pool, worker)

    def stop(pool: Pool, worker: Any) -> None:
        if isinstance(worker, FarWorker):
            worker.stop()
        else:
            Original.stop(pool, worker)

    def discard(pool: Pool, worker: Any, reason: str = "cancelled") -> None:
        if isinstance(worker, FarWorker):
            worker.discard(reason)
        else:
            Original.discard(pool, worker, reason)

    async def close(pool: Pool) -> None:
        workers.leave(pool)
        await Original.close(pool)

    def pids(pool: Pool) -> list[int]:
        return workers.of(pool).pids if pool in workers else pids_of(pool)

    pids_of: Any = Original.pids.fget
    monkeypatch.setattr(Pool, "start", lambda pool: workers.start(pool))
    monkeypatch.setattr(Pool, "acquire", acquire)
    monkeypatch.setattr(Pool, "release", release)
    monkeypatch.setattr(Pool, "stop", stop)
    monkeypatch.setattr(Pool, "discard", discard)
    monkeypatch.setattr(Pool, "close", close)
    monkeypatch.setattr(Pool, "pids", property(pids))
