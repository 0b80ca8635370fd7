"""Idle connections that only answer pings: the daemon's memory and CPU for each, at heartbeats of 20 s.

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
"""Slightly more than a heartbeat, so that each connection has had its first ping."""
AIM_KIB, AIM_TLS_KIB, AIM_CPU = 25.0, 40.0, 2.0

TEMPLATE = """## Idle connections

{count:,} identified sessions, each on its own connection, answer the daemon's pings every {heartbeat:.0f}
s and do nothing else. The clients run in another process (`tools/bench/idle.py`). CPU is that of the daemon
over {watched:.0f} s. With TLS: the same with the setting `tls` on.

| | measured | aim | with TLS | aim |
|---|---|---|---|---|
| KiB per connection | **{0.kib:.1f}** | {aim_kib:.0f} | **{1.kib:.1f}** | {aim_tls:.0f} |
| CPU of one core | **{0.cpu:.1f} %** | {aim_cpu:.0f} % | **{1.cpu:.1f} %** | {aim_cpu:.0f} % |
| still connected at the end | {0.alive:,} | {count:,} | {1.alive:,} | {count:,} |
"""


class Result(Struct):
    """The cost of a number of connections."""

    kib: float
    cpu: float
    alive: int


def memory_kib(process: psutil.Process) -> float:
    """Returns the memory of the process alone, KiB."""
    return float(process.memory_full_info().uss) / 1024


def watch(count: int, settle_s: float = SETTLE_S, watched_s: float = WATCHED_S, tls: bool = False) -> Result:
    """Opens `count` connections and watches the daemon."""
    with bridge("--workers", "1", tls=tls, heartbeat_s=HEARTBEAT_S) as (file, daemon):
        # Modules loaded by the first connections don't count.
        with idle_clients(file, 50, tls):
            pass
        before = memory_kib(daemon)
        with idle_clients(file, count, tls) as clients:
            time.sleep(settle_s)
            kib = (memory_kib(daemon) - before) / count
            begin, cpu = time.monotonic(), cpu_seconds(daemon)
            time.sleep(watched_s)
            used = (cpu_seconds(daemon) - cpu) / (time.monotonic() - begin)
            return Result(kib, used * 100, clients())


def measure(count: int = CONNECTIONS) -> str:
    """Returns the section of docs/explanation/reliability.md."""
    found = watch(count), watch(count, tls=True)
    values: dict[str, Any] = {
        "count": count, "heartbeat": HEARTBEAT_S, "watched": WATCHED_S,
        "aim_kib": AIM_KIB, "aim_tls": AIM_TLS_KIB, "aim_cpu": AIM_CPU,
    }  # fmt: skip
    return TEMPLATE.format(*found, **values)


def main() -> None:
    print(measure(int(sys.argv[1]) if len(sys.argv) > 1 else CONNECTIONS))


if __name__ == "__main__":
    main()
