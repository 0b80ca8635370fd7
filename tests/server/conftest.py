"""Daemons to talk to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.paths import ConnectionFile
from bridge.server import app, cache_key
from tests.server.daemons import ProcessDaemon, ThreadDaemon
from tests.server.results import Bench


@pytest.fixture(autouse=True)
def _workers(shared_workers: None) -> None:
    """A test of workers has the mark `own_workers`."""


@pytest.fixture(scope="package")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreadDaemon]:
    """One that all tests share which need nothing special of it."""
    running = ThreadDaemon(tmp_path_factory.mktemp("shared") / "home").start()
    yield running
    running.stop()


@pytest.fixture
def file(daemon: ThreadDaemon) -> ConnectionFile:
    """Where the shared daemon listens."""
    return daemon.file


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., ThreadDaemon]]:
    """Starts a daemon with settings of its own (`session__keep_s=1`)."""
    running: list[ThreadDaemon] = []

    def begin(home: str = "home", **settings: Any) -> ThreadDaemon:
        running.append(ThreadDaemon(tmp_path / home, **settings).start())
        return running[-1]

    yield begin
    for each in running:
        each.stop()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Daemons that stop give up at once what is still under way; needed before `start`."""
    monkeypatch.setattr(app, "DRAIN_S", 0.1)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ProcessDaemon]:
    """A daemon as a process, not started yet."""
    made = ProcessDaemon(tmp_path / "home")
    yield made
    made.end()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    root = tmp_path / "project"
    root.mkdir()
    return Bench(root)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as old at once: one that ages between two requests is no longer the same to the second."""
    monkeypatch.setattr(cache_key, "RACY_NS", 0)
