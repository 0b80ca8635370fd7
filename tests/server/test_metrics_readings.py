"""What is kept between requests, as metrics."""

from __future__ import annotations

from types import SimpleNamespace

from bridge.server import metrics as metrics_module
from bridge.server.metrics import Metrics
from tests.server.test_metrics import samples, value


async def test_each_figure_is_told_under_its_declared_name() -> None:
    metrics = Metrics()
    responses = SimpleNamespace(evictions=4, entries=5, size=6)
    cache = SimpleNamespace(hits=1, misses=2, shared=3, responses=responses)
    tally = SimpleNamespace(waiting=7, done=8, failed=9, cancelled=10)
    blobs = SimpleNamespace(count=11, size=12, quota=13, removed=14)
    metrics.add(lambda: metrics_module.cached(cache))
    metrics.add(lambda: metrics_module.promised(tally, running=15))
    metrics.add(lambda: metrics_module.blobs(blobs))
    found = samples(await metrics.text())
    cached = ("hits_total", "misses_total", "shared_total", "evictions_total", "entries", "bytes")
    assert [value(found, f"popbridge_cache_{name}") for name in cached] == [1, 2, 3, 4, 5, 6]
    jobs, ended = "popbridge_journal_jobs_open", "popbridge_journal_jobs_total"
    assert [value(found, jobs, state=each) for each in ("waiting", "running")] == [7, 15]
    assert [value(found, ended, state=each) for each in ("done", "failed", "cancelled")] == [8, 9, 10]
    sizes = ("", "_bytes", "_quota_bytes", "_removed_total")
    assert [value(found, f"popbridge_blobs{name}") for name in sizes] == [11, 12, 13, 14]
