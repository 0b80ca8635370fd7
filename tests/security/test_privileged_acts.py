"""Acts that need trust are in the audit log before they are done, and aren't done if that fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from bridge import cli
from bridge.paths import Paths
from bridge.server.access.roots import ALLOW, KIND
from bridge.store.audit_check import verify
from bridge.store.audit_log import AuditLog
from bridge.store.database import open_database
from bridge.store.roots import open_roots, resolved_root
from bridge.store.tokens import TokenStore
from tests.server.daemons import ThreadDaemon, until
from tests.server.wire import session

ENGINE = {"name": "fake", "version": "2.1"}


@pytest.fixture(autouse=True)
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_workers: None) -> Paths:
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))
    return Paths.find()


@pytest.fixture
def daemon(paths: Paths) -> Iterator[ThreadDaemon]:
    """A daemon that allows no project."""
    running = ThreadDaemon(paths.data, roots=[]).start()
    # As `popbridge serve` does.
    with FileLock(paths.lock_file):
        yield running
    running.stop()


@pytest.fixture(params=["stopped", "running"])
def either(request: pytest.FixtureRequest) -> ThreadDaemon | None:
    return request.getfixturevalue("daemon") if request.param == "running" else None


@contextlib.contextmanager
def unwritable(paths: Paths) -> Iterator[None]:
    """A folder stands in the place of the log."""
    aside = paths.audit_log.with_suffix(".aside")
    if paths.audit_log.exists():
        paths.audit_log.rename(aside)
    paths.audit_log.mkdir(parents=True)
    yield
    paths.audit_log.rmdir()
    if aside.exists():
        aside.rename(paths.audit_log)


def entries(paths: Paths) -> list[dict[str, Any]]:
    return [json.loads(line.data) for line in AuditLog(paths).lines()]


def told(paths: Paths, *names: str) -> list[tuple[str, ...]]:
    return [tuple(entry[name] for name in names) for entry in entries(paths)]


def tokens(paths: Paths) -> list[tuple[str, bool]]:
    db = open_database(paths.database)
    found = [(row.name, row.revoked is None) for row in TokenStore(db).all()]
    db.conn.close()
    return found


def roots(paths: Paths) -> list[str]:
    with open_roots(paths.database) as store:
        return [root.path for root in store.all()]


def test_tokens(paths: Paths, either: ThreadDaemon | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tokens", "create", "ci", "--scope", "tool"]) == 0
    # What is refused leaves no entry.
    assert cli.main(["tokens", "create", "ci", "--scope", "tool"]) != 0
    with unwritable(paths):
        for words in (["create", "evil", "--scope", "admin"], ["rotate", "ci"], ["revoke", "ci"]):
            assert cli.main(["tokens", *words]) != 0
            assert str(paths.audit_log) in capsys.readouterr().err
    assert tokens(paths) == [("ci", True)]
    assert cli.main(["tokens", "rotate", "ci"]) == 0
    assert cli.main(["tokens", "revoke", "ci"]) == 0
    assert cli.main(["tokens", "revoke", "ci"]) != 0
    who = "local" if either else "local user"
    assert told(paths, "act", "subject", "principal") == [
        ("token.create", "ci", who),
        ("token.rotate", "ci", who),
        ("token.revoke", "ci", who),
    ]
    assert [bool(entry["session"]) for entry in entries(paths)] == [bool(either)] * 3
    assert verify(AuditLog(paths)).problems == []


def test_roots_in_the_terminal(paths: Paths, tmp_path: Path) -> None:
    project = tmp_path / "game"
    project.mkdir()
    with unwritable(paths):
        assert cli.main(["roots", "add", str(project)]) == 2
    assert roots(paths) == []
    assert cli.main(["roots", "add", str(project)]) == 0
    with unwritable(paths):
        assert cli.main(["roots", "remove", str(project)]) == 2
    assert roots(paths) == [resolved_root(project)]
    assert cli.main(["roots", "remove", str(project)]) == 0
    assert cli.main(["roots", "remove", str(project)]) == 2
    assert told(paths, "act", "subject") == [
        ("root.register", resolved_root(project)),
        ("root.remove", resolved_root(project)),
    ]


async def test_roots_in_an_editor(paths: Paths, daemon: ThreadDaemon, tmp_path: Path) -> None:
    project = tmp_path / "game"
    project.mkdir()
    named = {"id": "p", "name": "P", "root": str(project)}
    async with session(daemon.file, engine=ENGINE, project=named) as wire:
        asked = await wire.until("popup")
        assert asked["kind"] == KIND
        with unwritable(paths):
            await wire.send("answer", id=asked["id"], state="answered", action=ALLOW)
            failed = await wire.until("popup")
            assert str(paths.audit_log.with_suffix("")) in failed["body"]
            await wire.send("answer", id=failed["id"], state="dismissed")
            await wire.until("popup_close", id=failed["id"])
        assert roots(paths) == []
    async with session(daemon.file, engine=ENGINE, project=named, instance="two") as wire:
        asked = await wire.until("popup")
        await wire.send("answer", id=asked["id"], state="answered", action=ALLOW)
        await wire.until("popup_close", id=asked["id"])
        await asyncio.to_thread(until, lambda: entries(paths), "the entry")
        assert told(paths, "act", "subject", "principal", "session") == [
            ("root.register", resolved_root(project), "local", wire.ready["session"])
        ]


def test_keys(paths: Paths, tmp_path: Path) -> None:
    daemon = ThreadDaemon(paths.data).start()
    daemon.stop()
    copy = tmp_path / "copy.key"
    with unwritable(paths):
        for words in (["rotate"], ["export", str(copy)]):
            assert cli.main(["keys", *words]) == 2
        assert not copy.exists()
    assert cli.main(["keys", "export", str(copy)]) == 0
    with unwritable(paths):
        assert cli.main(["keys", "import", str(copy)]) == 2
    assert cli.main(["keys", "rotate"]) == 0
    assert [act for (act,) in told(paths, "act")] == ["key.export", "key.rotate"]
    # The log has a key of its own, which outlives the master key and the database.
    assert verify(AuditLog(paths)).problems == []


def test_certificates(paths: Paths) -> None:
    with unwritable(paths):
        assert cli.main(["certs", "init"]) == 2
        assert not paths.certificates.exists()
    assert cli.main(["certs", "init", "--name", "not a name"]) == 2
    assert cli.main(["certs", "init"]) == 0
    assert cli.main(["certs", "init"]) == 2
    assert cli.main(["certs", "renew"]) == 0
    assert [act for (act,) in told(paths, "act")] == ["certificate.create", "certificate.renew"]
