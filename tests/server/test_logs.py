"""The daemon's log: whose lines are in it, how they look, and that no secret is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from contextvars import copy_context
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.core.errors import UserError
from bridge.core.messages import Request
from bridge.core.settings import SETTINGS, resolve
from bridge.host.host import Registry
from bridge.server import logs
from tests.server.daemons import ProcessDaemon, registry
from tests.server.wire import resume, session

pytestmark = pytest.mark.own_workers


@pytest.fixture
def set_up() -> Iterator[Any]:
    """Logs by settings until the test ends."""
    with contextlib.ExitStack() as until_the_end:

        def begin(known: Registry | None = None, **flags: object) -> None:
            settings = resolve(SETTINGS, flags)
            until_the_end.enter_context(logs.configure_logging(settings, known or Registry()))

        yield begin


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_line_of_json_says_when_who_what_and_for_whom(set_up: Any, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "daemon.log"
    set_up(log_level="info", log_format="json", log_file=str(path))
    log = logging.getLogger("bridge.server")

    def work() -> None:
        logs.session.set(SimpleNamespace(id="s1", inline=None))  # type: ignore[arg-type]
        log.info("of a session")
        logs.request.set(Request(id=7, workload="image.resize"))
        try:
            raise ZeroDivisionError("oops")
        except ZeroDivisionError:
            log.exception("of a request")

    copy_context().run(work)
    log.info("of nobody, %s", "ü\n")
    first, second, third = written(path)
    assert datetime.fromisoformat(first.pop("ts")).utcoffset() is not None
    assert first == {"level": "info", "logger": "bridge.server", "message": "of a session", "session": "s1"}
    assert (second["level"], second["session"]) == ("error", "s1")
    assert (second["request"], second["workload"]) == (7, "image.resize")
    assert second["exception"].splitlines()[-1] == "ZeroDivisionError: oops"
    assert set(third) == {"ts", "level", "logger", "message"}
    assert third["message"] == "of nobody, ü\n"


def test_a_line_for_people_has_what_it_belongs_to_at_its_end(
    set_up: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(log_level="info")

    def work() -> None:
        inline = Request(id=3, workload="bridge.echo")
        logs.session.set(SimpleNamespace(id="s1", inline=inline))  # type: ignore[arg-type]
        logging.getLogger("bridge.x").info("done")

    copy_context().run(work)
    logging.getLogger("bridge.x").info("alone")
    assert capsys.readouterr().err.splitlines() == [
        "INFO bridge.x: done [session s1 request 3 workload bridge.echo]",
        "INFO bridge.x: alone",
    ]


def test_a_file_for_people_says_when(set_up: Any, tmp_path: Path) -> None:
    set_up(log_level="info", log_file=str(tmp_path / "log"))
    logging.getLogger("bridge").info("hello")
    stamp, _, rest = (tmp_path / "log").read_text().partition(" INFO ")
    assert datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S,%f")
    assert rest == "bridge: hello\n"


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_path_that_is_no_unicode_is_written_with_escapes(set_up: Any, tmp_path: Path, form: str) -> None:
    set_up(log_format=form, log_file=str(tmp_path / "log"))
    logging.getLogger("bridge").warning("can't read %s", "b\udcff.png")
    assert "b\\udcff.png" in (tmp_path / "log").read_text(encoding="utf-8").replace("\\\\", "\\")


def test_a_full_file_is_put_aside_and_so_many_are_kept(set_up: Any, tmp_path: Path) -> None:
    set_up(log_file=str(tmp_path / "log"), log_file_mib=1, log_file_count=2)
    for _ in range(5):
        logging.getLogger("bridge").warning("x" * 900_000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2"]


def test_a_file_that_cant_be_written_is_named(set_up: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"`log_file`: can't write "):
        set_up(log_file=str(tmp_path))


def test_a_level_that_is_none_is_named(set_up: Any) -> None:
    with pytest.raises(UserError, match="`log_level` is loud; it must be one of debug, info, warning, error"):
        set_up(log_level="Loud")


def test_others_are_heard_only_when_something_went_wrong(
    set_up: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up(registry(), log_level="debug")
    for name in (
        "bridge.server",
        "accel.execution.pool",
        "tests.server.plugin",
        "thirdparty",
        "uvicorn.error",
    ):
        logging.getLogger(name).debug("murmurs")
        logging.getLogger(name).warning("shouts")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0].split()[1] for line in lines if "murmurs" in line] == [
        "bridge.server", "accel.execution.pool", "tests.server.plugin",
    ]  # fmt: skip
    assert sum("shouts" in line for line in lines) == 5


async def test_a_real_daemons_log_has_ids_and_tracebacks_and_no_token(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    process = ProcessDaemon(
        tmp_path / "home",
        POPBRIDGE_LOG_LEVEL="debug",
        POPBRIDGE_LOG_FORMAT="json",
        POPBRIDGE_LOG_FILE=str(log),
    )
    try:
        file = process.start()
        async with session(file) as wire:
            await wire.request(5, "test.inline", {"bytes": -1})
            await wire.request(6, "test.fail", inputs=[{"name": "in", "data": b"private content"}])
            await wire.request(7, "bridge.echo", {"value": "private value"})
        async with session(file, resume=resume(wire)) as again:
            await again.request(8, "bridge.echo")
        assert await asyncio.to_thread(process.stop) == 0
    finally:
        process.end()
    found = written(log)
    failed = {line["request"]: line for line in found if line["level"] == "error"}
    assert failed[5]["workload"] == "test.inline"
    assert "ZeroDivisionError" in failed[5]["exception"]
    assert failed[6]["workload"] == "test.fail"
    assert {line["session"] for line in failed.values()} == {wire.ready["session"]}
    lost = next(line for line in found if "disconnected" in line["message"])
    assert (lost["session"], "request" in lost) == (wire.ready["session"], False)
    text = log.read_text(encoding="utf-8") + process.output.read_text()
    for secret in (file.token, wire.ready["resume_token"], "private content", "private value"):
        assert secret not in text
    assert "Traceback" not in process.output.read_text()
    assert sys.platform == "win32" or "uvicorn" not in {
        line["logger"] for line in found if line["level"] == "debug"
    }


def test_afterwards_everything_is_logged_as_before(tmp_path: Path) -> None:
    root, own = logging.getLogger(), logging.getLogger("bridge")
    before = root.handlers[:], root.level, own.level
    with logs.configure_logging(resolve(SETTINGS, {"log_level": "debug"}), Registry()):
        assert own.level == logging.DEBUG
    assert (root.handlers, root.level, own.level) == before


def test_a_traceback_is_indented_and_a_message_has_one_line(set_up: Any, tmp_path: Path) -> None:
    path = tmp_path / "daemon.log"
    set_up(log_file=str(path))
    log = logging.getLogger("bridge.server")
    try:
        raise ValueError("a\nERROR bridge: forged\x1b[2J")
    except ValueError:
        log.exception("it failed: %s", "b\nERROR bridge: forged")
    # Our own template may end with a stack.
    log.error("blocked in %s:\n%s", "c\nd", "frame 1\n\tframe 2", stack_info=True)
    lines = path.read_text(encoding="utf-8").splitlines()
    records = [line for line in lines if not line.startswith("    ")]
    assert len(records) == 2
    assert records[0].endswith(r"it failed: b\nERROR bridge: forged")
    assert records[1].endswith("blocked in c")
    assert r"    ERROR bridge: forged\x1b[2J" in lines
    assert "        frame 2" in lines
