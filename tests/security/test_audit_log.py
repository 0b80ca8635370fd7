"""Somebody who can write the audit log, but doesn't have its key, can't hide an act."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.core.errors import UserError
from bridge.paths import Paths
from bridge.store.audit_check import verify
from bridge.store.audit_log import AuditLog
from bridge.store.database import open_database

Lines = list[bytes]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.find({"POPBRIDGE_HOME": str(tmp_path / "home")})


@pytest.fixture
def log(paths: Paths) -> Iterator[AuditLog]:
    """A log of 8 entries."""
    # As beside a daemon: else closing the database would sync it after each entry.
    db = open_database(paths.database)
    db.execute("SELECT 1 FROM sqlite_schema").fetchall()
    log = AuditLog(paths)
    add(log, 8)
    yield log
    db.conn.close()


def add(log: AuditLog, count: int = 1) -> None:
    for _ in range(count):
        log.append("token.create", principal="mallory", subject="backdoor")


def edit(log: AuditLog, change: Callable[[Lines], Lines]) -> None:
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(change(lines)))


def found(log: AuditLog) -> list[tuple[str, int]]:
    return [(problem.kind, problem.number) for problem in verify(log).problems]


def forged(line: bytes, **values: object) -> bytes:
    return json.dumps(json.loads(line) | values, separators=(",", ":")).encode() + b"\n"


TAMPERING: dict[str, tuple[Callable[[Lines], Lines], list[tuple[str, int]]]] = {
    "principal": (
        lambda lines: [*lines[:3], lines[3].replace(b"mallory", b"alice  "), *lines[4:]],
        [("changed", 4)],
    ),
    "content_and_mac": (
        lambda lines: [*lines[:3], forged(lines[3], mac="0" * 64), *lines[4:]],
        [("changed", 4)],
    ),
    "other_formatting": (
        lambda lines: [*lines[:3], lines[3].replace(b":", b": ", 1), *lines[4:]],
        [("changed", 4)],
    ),
    "unreadable": (lambda lines: [*lines[:3], b"\xff\0nonsense\n", *lines[4:]], [("changed", 4)]),
    "removed": (lambda lines: lines[:3] + lines[4:], [("missing", 4)]),
    "several_removed": (lambda lines: lines[:2] + lines[5:6] + lines[7:], [("missing", 3), ("missing", 7)]),
    "first_removed": (lambda lines: lines[1:], [("missing", 1)]),
    "renumbered": (
        lambda lines: [*lines[:3], forged(lines[4], number=4), *lines[5:]],
        [("changed", 4), ("missing", 5)],
    ),
    "reordered": (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], [("reordered", 4)]),
    "reversed": (
        lambda lines: lines[::-1],
        [("reordered", number) for number in range(7, 0, -1)],
    ),
    "repeated": (lambda lines: [*lines[:5], lines[2], *lines[5:]], [("repeated", 3)]),
    "inserted": (lambda lines: [*lines[:5], forged(lines[4], number=99), *lines[5:]], [("inserted", 0)]),
    "cut": (lambda lines: lines[:6], [("cut", 7)]),
    "cut_in_a_line": (lambda lines: [*lines[:7], lines[7][:40]], [("changed", 8)]),
    "emptied": (lambda lines: [], [("cut", 1)]),
    "long_line": (lambda lines: [*lines[:5], b"x" * 100_000 + b"\n", *lines[5:]], [("inserted", 0)]),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_a_changed_log_is_found(log: AuditLog, name: str) -> None:
    assert found(log) == []
    change, problems = TAMPERING[name]
    edit(log, change)
    assert found(log) == problems


@pytest.mark.parametrize("name", TAMPERING)
def test_a_changed_log_is_still_found_after_further_acts(log: AuditLog, name: str) -> None:
    edit(log, TAMPERING[name][0])
    add(log, 3)
    assert found(log) != []
    assert any(problem.kind != "anchor" for problem in verify(log).problems)


def test_a_deleted_log_is_found_after_further_acts(log: AuditLog) -> None:
    log.path.unlink()
    add(log)
    assert found(log) == [("missing", 1)]


def test_an_older_copy_of_the_log_is_found(log: AuditLog) -> None:
    old = log.path.read_bytes()
    add(log, 3)
    log.path.write_bytes(old)
    assert found(log) == [("cut", 9)]
    add(log)
    assert found(log) == [("missing", 9)]


def test_a_log_of_another_key_is_found(log: AuditLog, tmp_path: Path) -> None:
    other = AuditLog(Paths.find({"POPBRIDGE_HOME": str(tmp_path / "other")}))
    add(other, 8)
    log.path.write_bytes(other.path.read_bytes())
    assert {kind for kind, _ in found(log)} == {"other_key"}


def test_an_older_or_forged_anchor_is_found(log: AuditLog, paths: Paths) -> None:
    mac = json.loads(log.path.read_bytes().splitlines()[4])["mac"]
    with sqlite3.connect(paths.database) as database:
        database.execute("UPDATE audit_head SET number = 5, mac = ?", (mac,))
    database.close()
    edit(log, lambda lines: lines[:5])
    assert [kind for kind, _ in found(log)] == ["anchor"]
    add(log)
    assert [kind for kind, _ in found(log)] == ["anchor"]


def test_a_deleted_anchor_is_found(log: AuditLog, paths: Paths) -> None:
    with sqlite3.connect(paths.database) as database:
        database.execute("DELETE FROM audit_head")
    database.close()
    edit(log, lambda lines: lines[:5])
    assert [kind for kind, _ in found(log)] == ["anchor"]
    add(log, 2)
    assert [kind for kind, _ in found(log)] == ["anchor"]


def test_another_entry_in_the_place_of_the_last_is_found(log: AuditLog, tmp_path: Path) -> None:
    """Two entries with the same number, of which one was written without the database."""
    old = log.path.read_bytes()
    add(log)
    log.path.write_bytes(old)
    elsewhere = Paths.find({"POPBRIDGE_HOME": str(tmp_path / "elsewhere")})
    twin = AuditLog(elsewhere)
    twin.path.parent.mkdir()
    for name in ("audit.log", "audit.key"):
        twin.path.with_name(name).write_bytes(log.path.with_name(name).read_bytes())
    add(twin)
    lines = twin.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(old + lines[8])
    assert found(log) == [("anchor", 9), ("forked", 9)]
    add(log)
    assert ("forked", 10) in found(log)


KILLED = """
import os, sys
from bridge.paths import Paths
from bridge.store import audit_log

write = os.write

def killed(file, data):
    if data.startswith(b"{") or data.startswith(b"\\n"):
        write(file, data[: int(sys.argv[1])])
        os.kill(os.getpid(), 9)
    return write(file, data)

audit_log.os.write = killed
audit_log.AuditLog(Paths.find()).append("token.create", subject="never made")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill with 9 is POSIX")
@pytest.mark.parametrize("count", [1, 60, 100_000])
def test_a_process_killed_in_the_middle_of_a_line_leaves_a_verifiable_log(
    log: AuditLog, paths: Paths, count: int
) -> None:
    home = {**os.environ, "POPBRIDGE_HOME": str(paths.data)}
    for _ in range(2):
        killed = subprocess.run([sys.executable, "-c", KILLED, str(count)], env=home)
        assert killed.returncode == -9
    assert found(log) == []
    add(log, 2)
    checked = verify(log)
    assert checked.problems == []
    assert bool(checked.notes) == (count < 1000)
    assert b"never made" not in log.path.read_bytes() or count > 1000


@pytest.mark.skipif(sys.platform == "win32", reason="it needs links and pipes")
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_stands_in_the_place_of_the_log_is_refused(paths: Paths, tmp_path: Path, kind: str) -> None:
    paths.data.mkdir()
    target = tmp_path / "bashrc"
    target.write_text("mine")
    if kind == "link":
        paths.audit_log.symlink_to(target)
    elif kind == "pipe":
        os.mkfifo(paths.audit_log)
    else:
        paths.audit_log.mkdir()
    with pytest.raises(UserError):
        add(AuditLog(paths))
    assert target.read_text() == "mine"
