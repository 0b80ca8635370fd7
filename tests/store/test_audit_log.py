"""The audit log: what is recorded, by whom, by several at once, and on a disk that refuses."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import RequestError, UserError
from bridge.paths import Paths
from bridge.store import audit_log
from bridge.store.audit_check import verify
from bridge.store.audit_log import AuditLog
from bridge.store.database import open_database


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.find({"POPBRIDGE_HOME": str(tmp_path / "home")})


@pytest.fixture
def log(paths: Paths) -> Iterator[AuditLog]:
    # As beside a daemon: else closing the database would sync it after each entry.
    db = open_database(paths.database)
    db.execute("SELECT 1 FROM sqlite_schema").fetchall()
    yield AuditLog(paths)
    db.conn.close()


def add(log: AuditLog, *subjects: str, act: str = "token.create") -> None:
    for subject in subjects:
        log.append(act, subject=subject)


def entries(log: AuditLog) -> list[dict[str, Any]]:
    return [json.loads(line.data) for line in log.lines() if line.is_valid]


def test_an_entry_says_who_did_what_through_which_session(log: AuditLog) -> None:
    log.append(
        "token.revoke",
        principal="lea",
        subject="ci\n\x1b[2J",
        session="s1",
        detail={"uses": 3, "why": "lost"},
    )
    (entry,) = entries(log)
    assert (entry["number"], entry["act"], entry["principal"], entry["session"]) == (
        1,
        "token.revoke",
        "lea",
        "s1",
    )
    assert entry["subject"] == "ci\n\x1b[2J"
    assert entry["detail"] == {"uses": 3, "why": "lost"}
    assert log.path.read_bytes().count(b"\n") == 1
    assert b"\x1b" not in log.path.read_bytes()


def test_an_undeclared_act_is_a_mistake_of_the_caller(log: AuditLog) -> None:
    with pytest.raises(ValueError, match="token.steal"):
        add(log, "x", act="token.steal")


async def test_a_daemon_records_in_order(log: AuditLog) -> None:
    await asyncio.gather(
        *(log.record("auth.failed", principal="-", subject=str(number)) for number in range(20))
    )
    assert [entry["subject"] for entry in entries(log)] == [str(number) for number in range(20)]
    assert verify(log).problems == []
    log.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_only_the_user_can_read_the_log_and_its_key(log: AuditLog) -> None:
    add(log, "one")
    log.path.chmod(0o644)
    add(log, "two")
    for name in ("audit.log", "audit.key", "audit.lock"):
        assert (log.path.parent / name).stat().st_mode & 0o777 == 0o600


def test_long_and_odd_texts_are_cut_and_escaped(log: AuditLog) -> None:
    name = os.fsdecode(b"gr\xfcn")
    log.append("addon.install", subject=name + "x" * 100_000, detail={"why": name * 1000})
    (entry,) = entries(log)
    assert len(entry["subject"]) <= audit_log.MAX_TEXT
    assert verify(log).problems == []


def write_many(home: str, word: str, count: int) -> None:
    log = AuditLog(Paths.find({"POPBRIDGE_HOME": home}))
    for number in range(count):
        log.append("token.create", subject=f"{word}{number}")


def test_a_daemon_and_commands_append_at_the_same_time(log: AuditLog) -> None:
    add(log, "first")
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=write_many, args=(str(log.path.parent), word, 15)) for word in ("a", "b")
    ]
    for process in processes:
        process.start()
    write_many(str(log.path.parent), "c", 15)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    checked = verify(log)
    assert (checked.entries, checked.last, checked.problems) == (46, 46, [])


def test_rotated_files_continue_the_chain(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "MAX_BYTES", 2000)
    add(log, *(f"token {number}" for number in range(30)))
    assert len(log.files()) > 3
    assert [entry["number"] for entry in entries(log)] == list(range(1, 31))
    checked = verify(log)
    assert (checked.entries, checked.problems) == (30, [])


def test_the_oldest_files_are_deleted_and_an_entry_says_so(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "MAX_BYTES", 2000)
    monkeypatch.setattr(audit_log, "MAX_ROTATED", 3)
    add(log, *(f"token {number}" for number in range(40)))
    assert len(log.files()) <= 4
    assert any(entry["act"] == "log.prune" for entry in entries(log))
    assert verify(log).problems == []
    # But nobody else may.
    log.files()[0].unlink()
    assert [problem.kind for problem in verify(log).problems] == ["missing"]


def test_an_act_on_a_full_disk_is_refused(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no limit of a file's size")
    import resource
    import signal

    add(log, "before")
    before = log.path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signals = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        # In the middle of the next line.
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
        with pytest.raises(UserError) as caught:
            add(log, "refused")
        assert str(log.path) in str(caught.value)
        with pytest.raises(RequestError) as refused:
            asyncio.run(log.record("token.create", principal="x", subject="refused"))
        assert (refused.value.code.name, refused.value.outcome) == ("storage_full", "not_started")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, signals)
    assert log.path.read_bytes() == before
    add(log, "after")
    assert verify(log).problems == []


def test_a_lost_key_refuses_and_overwrites_nothing(log: AuditLog) -> None:
    add(log, "one")
    before = log.path.read_bytes()
    key = log.path.with_suffix(".key")
    content = key.read_bytes()
    key.unlink()
    with pytest.raises(UserError):
        add(log, "two")
    with pytest.raises(UserError):
        verify(log)
    key.write_bytes(b"short")
    with pytest.raises(UserError):
        add(log, "two")
    assert log.path.read_bytes() == before
    key.write_bytes(content)
    add(log, "two")
    assert verify(log).problems == []


def test_a_key_of_another_place_serves_as_well(paths: Paths) -> None:
    log = AuditLog(paths, key=lambda: b"k" * 32)
    add(log, "one")
    assert not log.path.with_suffix(".key").exists()
    assert verify(log).problems == []
    other = verify(AuditLog(paths, key=lambda: b"j" * 32))
    assert {problem.kind for problem in other.problems} == {"other_key", "anchor"}


def test_an_empty_log_is_whole(log: AuditLog) -> None:
    checked = verify(log)
    assert (checked.entries, checked.problems, checked.notes) == (0, [], [])
    assert [*log.lines()] == []


def test_a_database_that_another_program_holds_delays_no_act_for_ever(
    log: AuditLog, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    monkeypatch.setattr(audit_log, "BUSY_TIMEOUT_MS", 10)
    add(log, "one")
    other = sqlite3.connect(paths.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    add(log, "two")
    other.close()
    assert verify(log).problems == []
    add(log, "three")
    assert verify(log).problems == []
