"""The wall clock jumps by a day; only what people read may notice."""

from __future__ import annotations

import ast
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import accel
import bridge
from tests.server.daemons import ThreadDaemon
from tests.server.wire import resume, session

DAY_S = 86_400.0
WALL = {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow"), ("date", "today")}
"""What reads the wall clock."""


@pytest.fixture
def jumps(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Steps the wall clock of this process, and of the daemon in it, by seconds."""
    real, real_ns = time.time, time.time_ns
    offset = [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + offset[0])
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + int(offset[0] * 1e9))

    def jump(seconds: float) -> None:
        offset[0] += seconds

    return jump


@pytest.mark.parametrize("first", [DAY_S, -DAY_S])
async def test_sessions_deadlines_and_popups_go_on_when_the_clock_jumps(
    start: Callable[..., ThreadDaemon], jumps: Callable[[float], None], first: float
) -> None:
    daemon = start(heartbeat_s=0.3)
    steps: Iterator[float] = itertools.cycle([first, -first])
    async with session(daemon.file) as wire:
        await wire.send("event", name="test.popup", data={"expires_ms": 60_000})
        popup = await wire.until("popup")
        await wire.send("request", id=1, workload="test.sleep", params={"seconds": 0.8}, deadline_ms=30_000)
        jumps(next(steps))
        assert (await wire.request(2, "bridge.echo"))["type"] == "result"
        assert (await wire.until("result", id=1))["value"] == "awake"
        jumps(next(steps))
        await wire.send("answer", id=popup["id"], state="answered", action="yes")
        assert (await wire.until("popup_close"))["reason"] == "answered"
    jumps(next(steps))
    async with session(daemon.file, resume=resume(wire, 1)) as again:
        assert again.ready["resumed"]
        assert (await again.receive())["seq"] == 2


@pytest.mark.parametrize("step", [DAY_S, -DAY_S])
async def test_what_is_due_comes_when_it_is_due_although_the_clock_jumped(
    start: Callable[..., ThreadDaemon], jumps: Callable[[float], None], step: float
) -> None:
    daemon = start(session__keep_s=0.3)
    async with session(daemon.file) as wire:
        await wire.send("event", name="test.popup", data={"expires_ms": 400})
        await wire.send("request", id=1, workload="test.sleep", params={"seconds": 60}, deadline_ms=400)
        await wire.until("popup")
        jumps(step)
        assert (await wire.until("error", id=1))["code"] == "deadline_exceeded"
        assert (await wire.until("popup_close"))["reason"] == "expired"


def readers(package: ModuleType) -> Iterator[tuple[str, int, str]]:
    """Every place that reads the wall clock: file, line and call."""
    root = Path(str(package.__file__)).parent
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                call = (node.value.id, node.attr)
                if call in WALL:
                    yield path.relative_to(root.parent).as_posix(), node.lineno, ".".join(call)


ALLOWED = {
    "bridge/store/records.py": "texts for people",
    "bridge/store/": "ages of what outlives the daemon, which no other clock can tell",
    "bridge/server/cache_key.py": "ages of files, which are dated by it",
    "bridge/server/access/authenticator.py": "the dates on which tokens expire",
    "bridge/server/access/tokens.py": "the dates on which tokens are made and expire",
    "accel/execution/device_router.py": "when a device is tried again, as another process tells it",
    "bridge/advisors/imported_assets.py": "ages of files, which are dated by it",
    "bridge/audit/": "ages of files, a command of its own",
    "bridge/commands/": "ages of files, commands of their own",
}
"""Where the wall clock may be read, and why."""


def test_the_wall_clock_is_read_only_where_no_other_would_do() -> None:
    found = [*readers(bridge), *readers(accel)]
    assert found, "the search itself is broken"
    assert not [place for place in found if not place[0].startswith(tuple(ALLOWED))]
