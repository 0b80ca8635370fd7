"""`popbridge audit-log`: who did what, and whether the record is whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.commands.receipts import read_receipts
from bridge.paths import Paths
from bridge.store.audit_log import AuditLog
from tests.audit.projects import game
from tests.commands.shell import one_line
from tests.commands.test_audit import FILES


@pytest.fixture
def log(home: Path) -> AuditLog:
    log = AuditLog(Paths.find())
    log.append("token.create", subject="ci", detail={"scopes": "tool"})
    log.append("token.revoke", principal="lea", subject="ci\n\x1b[2J", session="s1")
    log.append("root.register", subject="/games/rock")
    return log


def rows(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_all_entries_are_listed_or_one_kind_of_act(popbridge: Any, log: AuditLog) -> None:
    code, out, _ = popbridge("audit-log", "show")
    assert code == 0 and "local user" in out and "/games/rock" in out and "\x1b" not in out
    assert len(out.splitlines()) == 4
    for act, numbers in (("token", [1, 2]), ("token.revoke", [2]), ("root", [3])):
        code, out, _ = popbridge("audit-log", "show", "--act", act, "--json")
        assert [row["number"] for row in rows(out)] == numbers
    code, out, _ = popbridge("audit-log", "show", "--limit", "2", "--json")
    assert [row["number"] for row in rows(out)] == [2, 3]
    code, out, _ = popbridge("audit-log", "show", "--json")
    assert rows(out)[1] == {
        "number": 2,
        "time": rows(out)[1]["time"],
        "act": "token.revoke",
        "principal": "lea",
        "session": "s1",
        "subject": "ci\n\x1b[2J",
        "detail": {},
        "valid": True,
    }


@pytest.mark.parametrize(
    ("since", "count"),
    [("5m", 3), ("2d", 3), ("2000-01-01", 3), ("2999-12-31", 0), ("2999-12-31T12:00+02:00", 0)],
)
def test_older_entries_are_left_out(popbridge: Any, log: AuditLog, since: str, count: int) -> None:
    code, out, _ = popbridge("audit-log", "show", "--since", since, "--json")
    assert code == 0 and len(rows(out)) == count


@pytest.mark.parametrize(
    "words", [["--since", "yesterday"], ["--since", "9x"], ["--act", "tok"], ["--act", "x.y"]]
)
def test_mistakes_are_explained(popbridge: Any, log: AuditLog, words: list[str]) -> None:
    code, _, err = popbridge("audit-log", "show", *words)
    assert code == 2 and one_line(err)


def test_the_exit_code_says_whether_the_log_is_intact(popbridge: Any, log: AuditLog) -> None:
    code, out, _ = popbridge("audit-log", "verify")
    assert code == 0
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(lines[0] + lines[1].replace(b"lea", b"tom") + lines[2])
    code, out, _ = popbridge("audit-log", "verify", "--json")
    (found,) = rows(out)
    assert code == 1 and not found["intact"]
    assert [(one["kind"], one["number"], one["line"]) for one in found["problems"]] == [("changed", 2, 2)]
    code, out, _ = popbridge("audit-log", "show", "--json")
    assert code == 1 and [row["valid"] for row in rows(out)] == [True, False, True]
    code, out, _ = popbridge("audit-log", "verify", "--from", "3")
    assert code == 0
    log.path.with_suffix(".key").write_bytes(b"")
    code, _, err = popbridge("audit-log", "verify")
    assert code == 2 and one_line(err)


def test_without_a_log_there_is_nothing_to_complain_about(popbridge: Any, home: Path) -> None:
    for command in ("show", "verify"):
        code, _, _ = popbridge("audit-log", command)
        assert code == 0
    assert not home.exists() or not [*home.glob("audit*")]


def test_acts_of_commands_are_recorded_with_their_changes(popbridge: Any, tmp_path: Path) -> None:
    project = game(tmp_path / "game", "4.6", FILES)
    popbridge("install", "godot", str(project))
    popbridge("audit", str(project), "--fix", "--workers", "1")
    popbridge("revert", "1")
    popbridge("install", "godot", str(project), "--remove")
    _, out, _ = popbridge("audit-log", "show", "--json")
    assert [row["act"] for row in rows(out)] == [
        "addon.install", "root.register", "audit.fix", "audit.revert", "addon.remove", "root.remove"
    ]  # fmt: skip
    assert {row["principal"] for row in rows(out)} == {"local user"}
    assert {row["subject"] for row in rows(out)} == {str(project.resolve())}
    assert [row["detail"].get("change") for row in rows(out)] == [None, None, 1, 2, None, None]
    assert rows(out)[2]["detail"]["files"] > 0
    assert popbridge("audit-log", "verify")[0] == 0


def test_what_cant_be_recorded_isnt_done(popbridge: Any, tmp_path: Path, home: Path) -> None:
    project = game(tmp_path / "game", "4.6", FILES)
    before = {file: file.read_bytes() for file in project.rglob("*") if file.is_file()}
    (home / "audit.log").mkdir(parents=True)
    for words in (["install", "godot", str(project)], ["audit", str(project), "--fix", "--workers", "1"]):
        code, _, err = popbridge(*words)
        assert code == 2 and str(home / "audit") in err and "Traceback" not in err
    assert {file: file.read_bytes() for file in project.rglob("*") if file.is_file()} == before
    (home / "audit.log").rmdir()
    (receipt,) = read_receipts(home / "popbridge.db", 5)[0]
    assert receipt.state == "failed"


def test_replacing_the_database_is_recorded_and_the_end_stays_known(
    popbridge: Any, log: AuditLog, home: Path
) -> None:
    assert popbridge("db", "backup", str(home.parent / "before.db"))[0] == 0
    log.append("token.create", subject="ci 2")
    assert popbridge("db", "restore", str(home.parent / "before.db"))[0] == 0
    assert popbridge("audit-log", "verify")[0] == 0
    assert popbridge("db", "reset", "--yes")[0] == 0
    assert not (home / "popbridge.db").exists()
    assert popbridge("audit-log", "verify")[0] == 0
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(lines[:-1]))
    assert popbridge("audit-log", "verify")[0] == 1
    log.path.write_bytes(b"".join(lines))
    log.append("token.create", subject="ci 3")
    assert popbridge("audit-log", "verify")[0] == 0
    _, out, _ = popbridge("audit-log", "show", "--act", "database", "--json")
    assert [row["act"] for row in rows(out)] == ["database.restore", "database.reset"]
    (home / "audit.log").rename(home / "aside")
    (home / "audit.log").mkdir()
    for words in (["restore", str(home.parent / "before.db")], ["reset", "--yes"]):
        assert popbridge("db", *words)[0] == 2
    assert (home / "popbridge.db").exists()
