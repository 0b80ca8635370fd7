"""Attempts with a wrong token: few entries, however many there are and from wherever."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from bridge.paths import Paths
from bridge.server.access.failed_attempts import FailedAttempts
from bridge.store.audit_log import AuditLog


def entries(log: AuditLog) -> list[dict[str, Any]]:
    return [json.loads(line.data) for line in log.lines()]


async def test_entries_become_rarer_while_attempts_go_on(tmp_path: Path) -> None:
    log = AuditLog(Paths.find({"POPBRIDGE_HOME": str(tmp_path)}))
    attempts = FailedAttempts(log, window_s=0.05)
    loop = asyncio.get_running_loop()
    begin = loop.time()
    count = 0
    while loop.time() < begin + 0.9:
        attempts.count({"client": ("192.0.2.7", 1234)})
        count += 1
        await asyncio.sleep(0.001)
    await attempts.close()
    found = entries(log)
    # At 0, 0.05, 0.15, 0.35 and 0.75 s, and at the end.
    assert len(found) <= 6
    assert sum(entry["detail"]["attempts"] for entry in found) == count
    log.close()


async def test_an_attacker_with_many_addresses_fills_no_memory(tmp_path: Path) -> None:
    log = AuditLog(Paths.find({"POPBRIDGE_HOME": str(tmp_path)}))
    attempts = FailedAttempts(log)
    for number in range(5000):
        attempts.count({"client": (f"192.0.{number // 250}.{number % 250}", 1)})
    attempts.count({"client": None})
    await attempts.close()
    first, rest = entries(log)
    assert first["detail"]["attempts"] + rest["detail"]["attempts"] == 5001
    assert len(rest["subject"].split(", ")) <= 9
    log.close()


async def test_a_log_that_cant_be_written_stops_no_client(tmp_path: Path) -> None:
    log = AuditLog(Paths.find({"POPBRIDGE_HOME": str(tmp_path)}))
    log.path.mkdir()
    attempts = FailedAttempts(log)
    attempts.count({"client": ("::1", 1)})
    await attempts.close()
    log.close()
