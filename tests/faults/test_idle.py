"""Many connections that do nothing are cheap and stay; the long form is tools/bench/idle.py."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

from tests.server.daemons import ProcessDaemon, ThreadDaemon, until
from tools.bench.daemons import idle_clients
from tools.bench.idle import memory_kib

COUNT = 300
KIB = 40
"""More than each takes among thousands: what is allocated for all counts here, too."""


def test_three_hundred_answer_their_heartbeats_and_stay(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start(heartbeat_s=0.5)
    with idle_clients(daemon.paths.connection_file, COUNT) as alive:
        until(lambda: len(daemon.bridge.sessions) == COUNT, "all sessions")
        begin = time.monotonic()
        until(lambda: time.monotonic() - begin > 2, "four heartbeats")
        assert alive() == COUNT


def test_an_idle_connection_takes_little_memory(process: ProcessDaemon) -> None:
    daemon = psutil.Process(process.start().pid)
    with idle_clients(process.paths.connection_file, 50):
        pass
    before = memory_kib(daemon)
    with idle_clients(process.paths.connection_file, COUNT):
        assert (memory_kib(daemon) - before) / COUNT < KIB
