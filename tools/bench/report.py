"""Runs every benchmark and writes docs/performance.md: `python -m tools.bench.report`."""

from __future__ import annotations

import asyncio
import os
import platform
from pathlib import Path

import psutil

from accel.executor import cores
from tools.bench import audit, popup, requests

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"

TEMPLATE = """# Performance

<!-- Written by `python -m tools.bench.report`; don't edit. -->

Measured on {machine}.
Figures are comparisons with a peer in the same run: take the ratios, not the absolute numbers, to another
machine.

## A request that does no work, through the whole bridge

`bridge.echo` (frame, codec, session, router, result, acknowledgement) beside a bare `websockets` echo
server of the same frames on the same event loop; {inflight} requests in flight on one connection,
medians of {rounds} alternating rounds of {count} requests (`tools/bench/requests.py`).

| server | requests/s | server CPU for each request |
|---|---|---|
| PopBridge | {bridge_rate:,.0f} | {bridge_cpu:.1f} µs |
| bare echo | {echo_rate:,.0f} | {echo_cpu:.1f} µs |
| **ratio** | {rate_ratio:.2f} | **{cpu_ratio:.2f}** (aim: at most 3) |

## From an import to its popup

From the editor's `asset.imported` event to the popup's frame, warm, for {files} normal maps of 2048 x 2048
(PNG, 8-bit RGB), one after the other (`tools/bench/popup.py`). The aim: at most 150 ms at the median and
300 ms at p95.

| part | median | p95 |
|---|---|---|
| **event to popup** | **{popup_median:.0f} ms** | **{popup_p95:.0f} ms** |
| in it: `texture.examine` in the worker, 256-pixel preview | {examine_median:.0f} ms | {examine_p95:.0f} ms |
| in that: decoding, as pyvips alone takes for it | {decode_median:.0f} ms | {decode_p95:.0f} ms |

What is left, {rest:.0f} ms at the median, is the way through socket, advisor, queue, pipes and store.

## A whole project

`popbridge audit` on {workers} cores (`tools/bench/audit.py`), each run a process of its own, its start
included. Every texture of these projects is imported wrongly, so that all have a row in the report: the most
memory it can take. The second run finds everything unchanged; the aim for it is a tenth of the time.

| textures, {small} x {small} | first run | for each | second run | of the first | memory | largest worker |
|---|---|---|---|---|---|---|
{audit_rows}

Textures of a megapixel (PNG, 8-bit RGB, albedo and normal maps full of noise): {large_rate:.0f} in a second
and **{large_ms:.1f} ms of CPU** for each, everything included (aim: at most 15 ms). pyvips alone takes
{audit_decode_ms:.1f} ms of CPU to decode one.
"""


def machine() -> str:
    """The machine in words, without its name."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores of {_processor()}, {memory:.0f} GiB, {platform.system()}, "
        f"CPython {platform.python_version()}, no GPU in use"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def audit_row(count: audit.Count) -> str:
    """A line of the table of whole projects."""
    first, again = count.first, count.again
    return (
        f"| {count.textures:,} | {first.seconds:.1f} s | {first.seconds / count.textures * 1000:.1f} ms "
        f"| {again.seconds:.1f} s | {again.seconds / first.seconds:.0%} "
        f"| {max(first.memory, again.memory):.0f} MiB | {first.workers:.0f} MiB |"
    )


def main() -> None:
    served = asyncio.run(requests.run())
    times = asyncio.run(popup.run())
    audited = audit.run()
    bridge, echo = served["bridge"], served["echo"]
    page = TEMPLATE.format(
        machine=machine(),
        inflight=requests.IN_FLIGHT,
        rounds=requests.ROUNDS,
        count=requests.REQUESTS,
        bridge_rate=bridge.rate,
        bridge_cpu=bridge.cpu_us,
        echo_rate=echo.rate,
        echo_cpu=echo.cpu_us,
        rate_ratio=bridge.rate / echo.rate,
        cpu_ratio=bridge.cpu_us / echo.cpu_us,
        files=len(times.popup),
        popup_median=popup.median(times.popup),
        popup_p95=popup.p95(times.popup),
        examine_median=popup.median(times.examine),
        examine_p95=popup.p95(times.examine),
        decode_median=popup.median(times.decode),
        decode_p95=popup.p95(times.decode),
        workers=cores(),
        small=audit.SMALL,
        audit_rows="\n".join(map(audit_row, audited.counts)),
        large_rate=audited.large_rate,
        large_ms=audited.large_ms,
        audit_decode_ms=audited.decode_ms,
        rest=popup.median(times.popup) - popup.median(times.examine),
    )
    PAGE.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
