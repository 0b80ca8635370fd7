"""Jobs of the journal that are late before they can be run."""

from __future__ import annotations

from pathlib import Path

import pytest

from accel import workload
from accel.workload import Limits
from bridge.core.messages import Error
from bridge.server.runner import Runner
from bridge.server.scheduler import JobRunner
from bridge.store.blobs import BlobStore
from bridge.store.journal import JournalEntry
from bridge.store.records import pack

ECHO = workload.echo.workload


@pytest.mark.parametrize(("fence", "outcome"), [(1, "not_started"), (2, "unknown")])
async def test_a_job_that_is_late_in_the_first_hand_that_has_it_never_began(
    tmp_path: Path, fence: int, outcome: str
) -> None:
    runner = Runner({ECHO.name: ECHO}, None, BlobStore(tmp_path, 1), Limits())  # type: ignore[arg-type]
    job = JournalEntry(
        id=1, fence=fence, workload=ECHO.name, priority=1, crashes=0, deaths=0, deadline_ms=7, deadline=0.0,
        cache=True, root=None, params=pack({}), inputs=pack([]),
    )  # fmt: skip
    late = await JobRunner(runner, 1000).answer(job)
    assert isinstance(late, Error) and (late.code, late.outcome) == ("deadline_exceeded", outcome)
    assert "7 ms" in late.message
