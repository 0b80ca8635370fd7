"""`popbridge tokens`, with a running daemon and without one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.client.client import Client
from bridge.core.errors import UserError
from bridge.store.home import HomeLock, create_folders
from tests.commands.shell import one_line
from tests.server.daemons import ThreadDaemon, paths_in


@pytest.fixture(params=[False, True], ids=["stopped", "running"])
def daemon(request: pytest.FixtureRequest, home: Path) -> Iterator[ThreadDaemon | None]:
    if not request.param:
        yield None
        return
    running = ThreadDaemon(home).start()
    # As `popbridge serve` does.
    with HomeLock(running.paths):
        yield running
    running.stop()


def listed(popbridge: Any, *more: str) -> list[dict[str, Any]]:
    code, out, err = popbridge("tokens", "list", "--json", *more)
    assert (code, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def test_a_token_is_made_shown_once_listed_and_revoked(popbridge: Any, daemon: ThreadDaemon | None) -> None:
    code, out, err = popbridge("tokens", "create", "build server", "--scope", "tool", "--expires", "30d")
    assert code == 0 and one_line(err)
    token, end = out.split("\n")
    assert end == "" and token.count(".") == 1
    [found] = listed(popbridge)
    assert (found["name"], found["scopes"], found["state"]) == ("build server", ["tool"], "active")
    assert found["id"] == token.partition(".")[0]
    assert found["expires"] - found["created"] == pytest.approx(30 * 86_400)
    code, out, _ = popbridge("tokens", "list")
    assert code == 0 and "build server" in out and token.partition(".")[2] not in out
    assert popbridge("tokens", "revoke", "build server")[0] == 0
    assert listed(popbridge) == []
    assert [each["state"] for each in listed(popbridge, "--all")] == ["revoked"]


def test_a_token_is_replaced(popbridge: Any, daemon: ThreadDaemon | None) -> None:
    made = json.loads(
        popbridge("tokens", "create", "ci", "--scope", "agent", "--scope", "console", "--json")[1]
    )
    code, out, _ = popbridge("tokens", "rotate", made["info"]["id"], "--json")
    new = json.loads(out)
    assert code == 0 and new["token"] != made["token"]
    assert new["info"]["scopes"] == made["info"]["scopes"] == ["agent", "console"]
    assert [each["id"] for each in listed(popbridge)] == [new["info"]["id"]]
    assert popbridge("tokens", "revoke", "ci", "--json")[0] == 0


async def test_what_is_made_without_a_daemon_lets_in_later_and_not_once_it_is_revoked(
    popbridge: Any, home: Path
) -> None:
    tokens = [popbridge("tokens", "create", name, "--scope", "tool")[1].strip() for name in ("ci", "old")]
    assert popbridge("tokens", "revoke", "old")[0] == 0
    running = ThreadDaemon(home).start()
    try:
        async with await Client.connect(running.paths.connection_file, token=tokens[0]) as client:
            assert client.ready.scopes == ["tool"]
        with pytest.raises(UserError, match="revoked"):
            await Client.connect(running.paths.connection_file, token=tokens[1])
    finally:
        running.stop()


async def test_the_token_of_the_environment_is_used_instead_of_the_local_one(
    popbridge: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = popbridge("tokens", "create", "dashboard", "--scope", "read-only")[1].strip()
    running = ThreadDaemon(home).start()
    try:
        monkeypatch.setenv("POPBRIDGE_TOKEN", token)
        async with await Client.connect(running.paths.connection_file) as client:
            assert client.ready.scopes == ["read-only"]
        for wrong, says in (("no token", "POPBRIDGE_TOKEN"), (f"{token}x", token.partition(".")[0])):
            monkeypatch.setenv("POPBRIDGE_TOKEN", wrong)
            with pytest.raises(UserError, match=says) as caught:
                await Client.connect(running.paths.connection_file)
            assert token.partition(".")[2] not in str(caught.value)
    finally:
        running.stop()


MISTAKES = (
    ["create", "ci"],
    ["create", "ci", "--scope", "root"],
    ["create", "ci", "--scope", "tool", "--expires", "soon"],
    ["create", "ci", "--scope", "tool", "--expires", "0d"],
    ["create", "ci", "--scope", "tool", "--expires", "99y"],
    ["create", "a/b", "--scope", "tool"],
    ["create", "local", "--scope", "tool"],
    ["revoke", "nobody"],
    ["revoke", "local"],
    ["revoke", "a/b"],
    ["rotate", "nobody"],
)


def test_a_mistake_is_one_line_and_changes_nothing(popbridge: Any, daemon: ThreadDaemon | None) -> None:
    for words in MISTAKES:
        code, out, err = popbridge("tokens", *words)
        assert (code, out) == (2, "") and one_line(err), words
    assert listed(popbridge, "--all") == []


def test_a_name_is_taken_once(popbridge: Any, daemon: ThreadDaemon | None) -> None:
    assert popbridge("tokens", "create", "ci", "--scope", "tool")[0] == 0
    code, _, err = popbridge("tokens", "create", "ci", "--scope", "tool")
    assert code == 2 and one_line(err) and "rotate" in err


@pytest.mark.parametrize("is_deleted", [False, True], ids=["lock file", "lock file deleted"])
def test_where_a_daemon_runs_that_doesnt_answer_nothing_is_changed(
    popbridge: Any, home: Path, is_deleted: bool
) -> None:
    paths = paths_in(home)
    create_folders(paths)
    with HomeLock(paths):
        if is_deleted and sys.platform != "win32":
            paths.lock_file.unlink()
        code, _, err = popbridge("tokens", "create", "ci", "--scope", "tool")
    assert code == 2 and one_line(err)
    assert not (home / "popbridge.db").exists()


def test_a_damaged_database_is_told_in_one_line(popbridge: Any, home: Path) -> None:
    home.mkdir()
    (home / "popbridge.db").write_bytes(b"no database" * 1000)
    code, _, err = popbridge("tokens", "list")
    assert code == 2 and one_line(err) and "popbridge.db" in err
