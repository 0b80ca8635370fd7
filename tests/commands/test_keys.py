"""`popbridge keys`: the master key shown, rotated, copied and brought back."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from bridge.core.messages import Popup
from bridge.paths import Paths
from bridge.store.audit_log import AuditLog
from bridge.store.backups import make_backup
from bridge.store.column_encryption import form_of
from bridge.store.database import open_database, open_for_inspection, open_readonly
from bridge.store.encryption import key_id, new_key
from bridge.store.key_rotation import copy_form
from bridge.store.master_key import VARIABLE, MasterKey, format_key, parse_keys, write_keys
from bridge.store.records import unpack
from bridge.store.sessions import SessionStore
from tests.commands.shell import one_line


@pytest.fixture
def key(home: Path) -> str:
    """The id of the key of a database with a popup and a backup."""
    made = MasterKey.find(home, home=True).create().keys[0]
    store(home / "popbridge.db", "one")
    make_backup(home / "popbridge.db")
    return key_id(made)


def store(database: Path, title: str) -> None:
    db = open_database(database)
    with contextlib.closing(db.conn):
        shown = Popup(id=0, kind="k", title=title, body="b", actions=[])
        SessionStore(db).reserve_popup("s", "a", shown, {}, None)


def titles(database: Path) -> list[str]:
    db = open_readonly(database)
    assert db is not None
    with contextlib.closing(db.conn):
        numbers = [number for (number,) in db.execute("SELECT id FROM popups ORDER BY id")]
        found = [SessionStore(db).popup(number) for number in numbers]
        return [unpack(each.message, Popup).title for each in found if each is not None]


def status(popbridge: Any) -> Any:
    code, out, _ = popbridge("keys", "status", "--json")
    return code, json.loads(out)


def test_without_a_key_there_is_nothing_to_rotate_or_copy(popbridge: Any, tmp_path: Path) -> None:
    assert popbridge("keys", "status")[0] == 0
    for words in (["rotate"], ["export", str(tmp_path / "copy")], ["import", str(tmp_path / "none")]):
        code, _, err = popbridge("keys", *words)
        assert code == 2 and one_line(err)
    (tmp_path / "empty").write_text("# nothing\n")
    assert popbridge("keys", "import", str(tmp_path / "empty"))[0] == 2
    assert len(parse_keys(popbridge("keys", "new")[1], "it")) == 1


def test_a_rotation_without_a_daemon_converts_the_database_and_its_backups(
    popbridge: Any, home: Path, key: str
) -> None:
    assert status(popbridge)[1]["keys"] == [key]
    code, out, _ = popbridge("keys", "rotate", "--json")
    new = json.loads(out)["key"]
    assert code == 0 and new != key
    (backup,) = (home / "backups").glob("*.db")
    with contextlib.closing(open_for_inspection(home / "popbridge.db")) as connection:
        assert form_of(connection) == copy_form(backup) == new
    code, found = status(popbridge)
    assert (code, found["keys"], found["database"], found["other_copies"]) == (0, [new], new, [])
    entries = [line.entry for line in AuditLog(Paths.find()).lines() if line.entry]
    assert [(entry.act, entry.subject) for entry in entries] == [("key.rotate", new)]
    assert titles(home / "popbridge.db") == ["one"]
    assert popbridge("keys", "rotate")[0] == popbridge("keys", "status")[0] == 0


def test_a_missing_key_is_told_and_comes_back_from_a_copy_that_isnt_overwritten(
    popbridge: Any, home: Path, key: str, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.key"
    assert popbridge("keys", "export", str(copy))[0] == 0
    assert popbridge("keys", "export", str(copy))[0] == 2
    assert popbridge("keys", "export", str(copy), "--force")[0] == 0
    write_keys(home / "master.key", [new_key()])
    code, found = status(popbridge)
    assert (code, found["missing"]) == (1, key)
    assert popbridge("keys", "status")[0] == 1
    code, out, _ = popbridge("db", "check")
    assert code == 1 and key in out
    assert popbridge("keys", "import", str(copy))[0] == 0
    code, found = status(popbridge)
    assert code == 0 and found["keys"][0] == key
    assert titles(home / "popbridge.db") == ["one"]


def test_a_key_in_the_environment_isnt_rotated_but_replaced_by_its_owner(
    popbridge: Any, home: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = new_key()
    monkeypatch.setenv(VARIABLE, format_key(new))
    assert status(popbridge)[1]["keys"] == [key_id(new), key]
    code, _, err = popbridge("keys", "rotate")
    assert code == 2 and VARIABLE in err
    # Without encryption, there is nothing to do.
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("POPBRIDGE_ENCRYPTION", "false")
    assert popbridge("keys", "rotate")[0] == 2
    assert popbridge("keys", "status")[0] == 0


def test_an_act_that_cant_be_written_to_the_audit_log_isnt_done(
    popbridge: Any, home: Path, key: str, tmp_path: Path
) -> None:
    AuditLog(Paths.find()).path.mkdir()
    for words in (["keys", "rotate"], ["keys", "export", str(tmp_path / "copy")], ["db", "reset", "--yes"]):
        assert popbridge(*words)[0] == 2
    assert status(popbridge)[1]["keys"] == [key]
    assert not (tmp_path / "copy").exists() and titles(home / "popbridge.db") == ["one"]


def test_a_command_that_writes_while_the_key_changes_uses_the_new_one(home: Path, key: str) -> None:
    db = open_database(home / "popbridge.db")
    with contextlib.closing(db.conn):
        new = MasterKey.find(home, home=True).add(new_key()).keys[0]
        os.utime(home / "master.key")
        shown = Popup(id=0, kind="k", title="two", body="b", actions=[])
        number, _ = SessionStore(db).reserve_popup("s", "a", shown, {}, None)
        (message,) = db.execute("SELECT message FROM popups WHERE id = ?", [number]).fetchone()
        assert bytes.fromhex(key_id(new)) in message
    assert titles(home / "popbridge.db") == ["one", "two"]


def test_a_reset_asks_first_and_keeps_the_old_database(popbridge: Any, home: Path, key: str) -> None:
    code, out, _ = popbridge("db", "reset", "--yes", "--json")
    old = Path(json.loads(out)["old"])
    assert code == 0 and not (home / "popbridge.db").exists()
    assert titles(old) == ["one"]
    assert [line.entry.act for line in AuditLog(Paths.find()).lines() if line.entry] == ["database.reset"]
    assert popbridge("db", "reset", "--yes")[0] == 2
