"""Connections that do nothing but answer pings: the daemon's memory for each and its CPU, at 20 s heartbeats.

`python -m tools.bench.idle [COUNT]`. The clients are raw sockets in another process (`idle_clients.py`).
"""

from __future__ import annotations

import sys
import time
from typing import Any

import psutil
from msgspec import Struct

from tools.bench.daemons import bridge, cpu_seconds, idle_clients

CONNECTIONS = 5_000
HEARTBEAT_S = 20.0
WATCHED_S = 60.0
SETTLE_S = 25.0
"""A heartbeat and a little: by then each connection has had its first ping."""
AIM_KIB, AIM_CPU = 25.0, 2.0

TEMPLATE = """## Idle connections

{count:,} identified sessions, each on a connection of its own that answers the daemon's pings every
{heartbeat:.0f} s and does nothing else; the clients are another process (`tools/bench/idle.py`). CPU is the
daemon's over {watched:.0f} s.

| | measured | aim |
|---|---|---|
| memory for each connection | **{kib:.1f} KiB** | at most {aim_kib:.0f} KiB |
| CPU of one core | **{cpu:.1f} %** | at most {aim_cpu:.0f} % |
| still connected in the end | {alive:,} | {count:,} |
"""


class Found(Struct):
    """What so many connections cost."""

    kib: float
    cpu: float
    alive: int


def memory_kib(process: psutil.Process) -> float:
    """What the process alone holds, KiB."""
    return float(process.memory_full_info().uss) / 1024


def watch(count: int, settle_s: float = SETTLE_S, watched_s: float = WATCHED_S) -> Found:
    """Opens `count` connections and watches the daemon."""
    with bridge("--workers", "1", heartbeat_s=HEARTBEAT_S) as (file, daemon):
        # What the first connections make the daemon load isn't theirs.
        with idle_clients(file, 50):
            pass
        before = memory_kib(daemon)
        with idle_clients(file, count) as clients:
            time.sleep(settle_s)
            kib = (memory_kib(daemon) - before) / count
            begin, cpu = time.monotonic(), cpu_seconds(daemon)
            time.sleep(watched_s)
            used = (cpu_seconds(daemon) - cpu) / (time.monotonic() - begin)
            return Found(kib, used * 100, clients())


def measure(count: int = CONNECTIONS) -> str:
    """The section of docs/reliability.md."""
    found = watch(count)
    values: dict[str, Any] = {
        "count": count, "heartbeat": HEARTBEAT_S, "watched": WATCHED_S, "kib": found.kib, "cpu": found.cpu,
        "alive": found.alive, "aim_kib": AIM_KIB, "aim_cpu": AIM_CPU,
    }  # fmt: skip
    return TEMPLATE.format(**values)


def main() -> None:
    print(measure(int(sys.argv[1]) if len(sys.argv) > 1 else CONNECTIONS))


if __name__ == "__main__":
    main()
