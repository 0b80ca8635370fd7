"""`/metrics`, as Prometheus reads it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.core.metrics import BY_NAME, METRICS
from bridge.paths import ConnectionFile
from bridge.server.metrics import Metrics
from tests.server.daemons import ThreadDaemon, until
from tests.server.pages import bearer, page
from tests.server.wire import dial, session

pytestmark = pytest.mark.own_workers

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: bytes) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def scrape(file: ConnectionFile) -> Samples:
    response, body = page(file, "/metrics", **bearer(file))
    assert response.status == 200
    return samples(body)


def value(found: Samples, name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


def test_prometheus_reads_every_declared_metric_under_its_name_and_kind(daemon: ThreadDaemon) -> None:
    response, body = page(daemon.file, "/metrics", **bearer(daemon.file))
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    for metric in METRICS:
        family = families[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels)
    assert {"python_info", "python_gc_collections"} <= families.keys()


async def test_requests_are_counted_by_workload_and_outcome(start: Callable[..., ThreadDaemon]) -> None:
    file = start().file
    async with session(file) as wire:
        for number in range(3):
            await wire.request(number, "bridge.echo")
        await wire.request(3, "test.sleep", {"seconds": 0.05})
        await wire.request(4, "test.fail", inputs=[])
        await wire.request(5, "test.inline", {"bytes": -1})
        await wire.request(6, "test.inline", {"bytes": "many"})
        await wire.request(7, "no.such")
        await wire.request(8, "test.sleep", {"seconds": 60}, deadline_ms=50)
        found = await asyncio.to_thread(scrape, file)
    counted = "popbridge_requests_total"
    assert value(found, counted, workload="bridge.echo", outcome="ok") == 3
    assert value(found, counted, workload="test.sleep", outcome="ok") == 1
    assert value(found, counted, workload="test.sleep", outcome="deadline_exceeded") == 1
    assert value(found, counted, workload="test.fail", outcome="internal") == 1
    assert value(found, counted, workload="test.inline", outcome="internal") == 1
    assert value(found, counted, workload="test.inline", outcome="bad_params") == 1
    assert value(found, counted, workload="unknown", outcome="unknown_workload") == 1
    ran = "popbridge_job_run_seconds"
    assert value(found, f"{ran}_count", workload="test.sleep") == 1
    assert 0.05 <= value(found, f"{ran}_sum", workload="test.sleep") < 10
    assert value(found, f"{ran}_bucket", workload="test.sleep", le="0.025") == 0
    assert value(found, f"{ran}_count", workload="bridge.echo") == 3
    assert value(found, "popbridge_job_queue_seconds_count", workload="test.sleep") == 1
    assert value(found, "popbridge_workers_replaced_total", device="CPU", reason="cancelled") == 1
    assert not any("no.such" in str(labels) for _, labels in found)


async def test_what_is_open_now_is_told(start: Callable[..., ThreadDaemon], tmp_path: Path) -> None:
    daemon = start()
    async with session(daemon.file), session(daemon.file) as wire, dial(daemon.file):
        for number, priority in enumerate(("bulk", "bulk", "interactive")):
            asked = {"workload": "test.sleep", "params": {"seconds": 60}, "priority": priority}
            await wire.send("request", id=number, **asked)
        await wire.send("event", name="test.popup", data={"count": 2})
        await wire.send("event", name="test.command", data={"args": {}})
        came = [await wire.receive() for _ in range(5)]
        command = next(message for message in came if message["type"] == "command")
        found = await asyncio.to_thread(scrape, daemon.file)
        assert value(found, "popbridge_requests_open", priority="bulk") == 2
        assert value(found, "popbridge_requests_open", priority="interactive") == 1
        assert value(found, "popbridge_workers", device="CPU", state="busy") == 1
        assert value(found, "popbridge_workers_configured", device="CPU") == 1
        assert sum(n for (name, _), n in found.items() if name == "popbridge_jobs_waiting") == 2
        assert value(found, "popbridge_sessions", state="attached") == 2
        assert value(found, "popbridge_connections", state="identified") == 2
        assert value(found, "popbridge_connections", state="unidentified") == 1
        assert value(found, "popbridge_popups_open") == 2
        assert value(found, "popbridge_commands_open") == 1
        assert value(found, "popbridge_unacknowledged_bytes") > 100
        await wire.send("result", id=command["id"], value={"before": {}, "after": {}})
        await wire.send("answer", id=1, state="answered", action="yes")
        await wire.until("popup_close")
        for number in range(3):
            await wire.send("cancel", id=number)
            await wire.until("error")
        found = await asyncio.to_thread(scrape, daemon.file)
    assert value(found, "popbridge_popup_answers_total", state="answered") == 1
    assert value(found, "popbridge_command_answers_total", answer="result") == 1
    assert value(found, "popbridge_popups_open") == 1
    assert value(found, "popbridge_frames_sent_total", type="popup") == 2
    assert value(found, "popbridge_frames_received_total", type="request") == 3
    assert value(found, "popbridge_requests_open", priority="bulk") == 0


async def test_frames_and_bytes_are_counted_both_ways_on_both_subprotocols(
    start: Callable[..., ThreadDaemon],
) -> None:
    for number, subprotocol in enumerate(("bridge.v1.msgpack", "bridge.v1.json")):
        file = start(str(number)).file
        async with session(file, subprotocol) as wire:
            await wire.request(1, "bridge.echo", {"value": "ü" * 10_000})
            found = await asyncio.to_thread(scrape, file)
        assert value(found, "popbridge_frames_received_total", type="identify") == 1
        assert value(found, "popbridge_frames_sent_total", type="result") == 1
        for name in ("popbridge_received_bytes_total", "popbridge_sent_bytes_total"):
            assert 20_000 < value(found, name) < 70_000


async def test_refused_and_closed_connections_are_counted(start: Callable[..., ThreadDaemon]) -> None:
    file = start().file
    async with dial(file) as wire:
        await wire.send("request", id=1, workload="bridge.echo")
        await wire.closed()
    with pytest.raises(Exception, match="403"):
        async with dial(file, origin="https://example.org"):
            pass
    found = await asyncio.to_thread(scrape, file)
    assert value(found, "popbridge_connections_closed_total", code="not_identified") == 1
    assert value(found, "popbridge_handshakes_refused_total", status="403") == 1


async def test_a_crash_is_counted_and_the_worker_is_back(start: Callable[..., ThreadDaemon]) -> None:
    file = start().file
    async with session(file) as wire:
        assert (await wire.request(1, "test.crash", inputs=[{"name": "a", "data": b"x"}]))["type"] == "error"
        assert (await wire.request(2, "test.sleep"))["type"] == "result"
    found = await asyncio.to_thread(scrape, file)
    # A job may cost two workers before it is blamed.
    assert value(found, "popbridge_workers_replaced_total", device="CPU", reason="crashed") >= 1
    assert value(found, "popbridge_workers", device="CPU", state="idle") == 1


def test_memory_and_time_are_those_of_real_processes(daemon: ThreadDaemon) -> None:
    found = until(
        lambda: (now := scrape(daemon.file)) and value(now, "popbridge_workers_memory_bytes") and now,
        "a worker",
    )
    assert value(found, "process_resident_memory_bytes") > 10 << 20
    assert value(found, "popbridge_workers_memory_bytes") > 10 << 20
    assert value(found, "process_cpu_seconds_total") > 0
    assert value(found, "process_start_time_seconds") > 1_500_000_000
    assert value(found, "popbridge_event_loop_lag_seconds_count") > 0


async def test_metrics_name_nobody(start: Callable[..., ThreadDaemon], tmp_path: Path) -> None:
    file = start().file
    project = {"id": "secret-id", "name": "Secret Project", "root": str(tmp_path)}
    async with session(file, project=project, instance="secret-instance") as wire:
        await wire.request(1, "test.sleep")
        body = (await asyncio.to_thread(page, file, "/metrics", **bearer(file)))[1].decode()
    for private in ("ecret", str(tmp_path), file.token, wire.ready["session"]):
        assert private not in body


@pytest.mark.parametrize("path", ["/metrics", "/status"])
def test_a_rebound_name_and_other_methods_get_nothing(daemon: ThreadDaemon, path: str) -> None:
    assert page(daemon.file, path, Host="evil.example")[0].status == 403
    assert page(daemon.file, path, "POST")[0].status == 405


async def test_a_source_that_fails_costs_its_own_metrics_alone(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    metrics.add(lambda: {"popbridge_popups_open": 3})

    def broken() -> Mapping[str, float]:
        raise OSError("gone")

    metrics.add(broken)
    assert value(samples(await metrics.text()), "popbridge_popups_open") == 3
    assert "a source of metrics failed" in caplog.text
    assert caplog.records[0].levelno == logging.ERROR


async def test_a_value_without_a_declaration_is_a_mistake() -> None:
    metrics = Metrics()
    metrics.add(lambda: {"popbridge_made_up": 1.0})
    with pytest.raises(LookupError, match="popbridge_made_up"):
        await metrics.text()


async def test_two_daemons_in_a_process_dont_meet() -> None:
    one, other = Metrics(), Metrics()
    one.add(lambda: {"popbridge_popups_open": 1})
    assert b"popbridge_popups_open" in await one.text()
    assert b"popbridge_popups_open" not in await other.text()
    assert "popbridge_popups_open" in BY_NAME


def test_blobs_are_counted_with_what_they_take(start: Callable[..., ThreadDaemon]) -> None:
    daemon = start(blobs__quota=10_000)
    name = daemon.bridge.blobs.put(b"0123456789")
    daemon.call(daemon.bridge.keeper.sweep())
    found = scrape(daemon.file)
    assert (value(found, "popbridge_blobs"), value(found, "popbridge_blobs_bytes")) == (1, 10)
    assert value(found, "popbridge_blobs_quota_bytes") == 10_000
    os.utime(daemon.paths.blobs / name, (1e9, 1e9))
    daemon.call(daemon.bridge.keeper.sweep())
    found = scrape(daemon.file)
    assert (value(found, "popbridge_blobs"), value(found, "popbridge_blobs_removed_total")) == (0, 1)
