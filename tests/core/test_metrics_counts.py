"""What is counted."""

from __future__ import annotations

from bridge.core import errors
from bridge.core.messages import Error, Result
from bridge.core.metrics import UNKNOWN, Counts


def test_answers_are_counted_by_name_and_outcome() -> None:
    counts = Counts()
    for _ in range(2):
        counts.answered("image.resize", Result(id=1, value=None))
    counts.answered("image.resize", Error(id=1, code="overloaded", message=""))
    counts.answered(UNKNOWN, Error(id=1, code="unknown_workload", message=""))
    assert dict(counts.of("image.resize").outcomes) == {"ok": 2, "overloaded": 1}
    assert dict(counts.asked[UNKNOWN].outcomes) == {"unknown_workload": 1}


def test_jobs_that_no_request_asked_for_count_as_well() -> None:
    counts = Counts()
    counts.ran("image.inspect", 0.2, 0.1)
    asked = counts.of("image.inspect")
    assert (len(asked.run), asked.run.sum, asked.queued.sum) == (1, 0.2, 0.1)
    assert list(asked.outcomes) == []


def test_closed_connections_are_counted_by_reason() -> None:
    counts = Counts()
    counts.close(errors.TOO_SLOW)
    assert counts.closed == {"too_slow": 1}
