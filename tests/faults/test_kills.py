"""kill -9 under load: what was accepted is answered, once."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tools.bench.kills import kill_daemons, kill_under_load, kill_workers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")


@pytest.mark.parametrize(
    ("what", "kill", "count"), [("workers", kill_workers, 8), ("daemon", kill_daemons, 4)]
)
async def test_nothing_that_was_accepted_is_lost_or_answered_twice(what: str, kill: Any, count: int) -> None:
    found = await kill_under_load(what, kill, count, seed=7)
    assert (found.lost, found.faults) == ([], [])
    assert found.kills == count
    assert found.answered >= found.accepted > 0
