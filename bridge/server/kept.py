"""The values of what is kept between requests, by the metrics' names: of cache, journal and blobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bridge.core.metrics import Values


class Cache(Protocol):
    """Results that are given again."""

    hits: int
    misses: int
    shared: int

    @property
    def evictions(self) -> int: ...
    @property
    def entries(self) -> int: ...
    @property
    def bytes(self) -> int: ...


class Tally(Protocol):
    """Promised jobs."""

    waiting: int
    done: int
    failed: int
    cancelled: int


class Blobs(Protocol):
    """Files by their SHA-256."""

    quota: int
    removed: int

    @property
    def count(self) -> int: ...
    @property
    def size(self) -> int: ...


def cached(cache: Cache) -> Mapping[str, Values]:
    """Of the response cache."""
    return {
        "popbridge_cache_hits_total": cache.hits,
        "popbridge_cache_misses_total": cache.misses,
        "popbridge_cache_shared_total": cache.shared,
        "popbridge_cache_evictions_total": cache.evictions,
        "popbridge_cache_entries": cache.entries,
        "popbridge_cache_bytes": cache.bytes,
    }


def promised(tally: Tally, running: int) -> Mapping[str, Values]:
    """Of the journal; `running` jobs are in hand."""
    ended = {"done": tally.done, "failed": tally.failed, "cancelled": tally.cancelled}
    return {
        "popbridge_journal_jobs_open": {"waiting": tally.waiting, "running": running},
        "popbridge_journal_jobs_total": ended,
    }


def blobs(store: Blobs) -> Mapping[str, Values]:
    """Of the blobs."""
    return {
        "popbridge_blobs": store.count,
        "popbridge_blobs_bytes": store.size,
        "popbridge_blobs_quota_bytes": store.quota,
        "popbridge_blobs_removed_total": store.removed,
    }
