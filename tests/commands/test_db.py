"""`popbridge db`: checked, copied, put back and made smaller."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from bridge.store.backups import make_backup
from bridge.store.database import open_database
from tests.commands.shell import one_line
from tests.messages import is_chinese
from tests.store.damage import filled, flip, keep, misspell, receipts


@pytest.fixture
def database(home: Path) -> Path:
    return filled(home / "popbridge.db", 300)


def newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('popbridge', 'flying', '')"
        )


@pytest.mark.parametrize("words", [["check"], ["backup", "x.db"], ["vacuum"], ["restore"]])
def test_without_a_database_there_is_nothing_to_look_after(popbridge: Any, words: list[str]) -> None:
    code, _, err = popbridge("db", *words)
    assert code == 2 and one_line(err)


@pytest.mark.parametrize("words", [["backup", "x.db"], ["vacuum"]])
def test_a_damage_whose_error_is_no_unicode_is_said_in_one_line(
    popbridge: Any, database: Path, words: list[str]
) -> None:
    misspell(database, "jobs")
    code, _, err = popbridge("db", *words)
    assert code == 2 and one_line(err) and str(database) in err
    code, out, _ = popbridge("db", "check")
    assert code == 1 and ".recover" in out


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")


@pytest.mark.usefixtures("chinese")
def test_who_reads_chinese_is_told_in_chinese(popbridge: Any, database: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved.db"
    code, out, _ = popbridge("db", "check")
    assert code == 0 and f"{database} 完好：" in out and "数据库结构版本 " in out and "行数" in out
    assert f"{saved}：" in popbridge("db", "backup", str(saved))[1]
    assert is_chinese(popbridge("db", "backup", str(saved))[2])
    assert str(saved) in popbridge("db", "restore", str(saved))[1]
    assert popbridge("db", "vacuum")[1].startswith(f"{database}：")
    assert is_chinese(popbridge("db", "restore")[2])
    newer(saved)
    assert is_chinese(popbridge("db", "restore", str(saved))[2])


@pytest.mark.usefixtures("chinese")
def test_damage_is_told_in_chinese(popbridge: Any, database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("UPDATE receipts SET state = 'gone' WHERE id = 7")
    code, out, _ = popbridge("db", "check")
    assert code == 1 and "已损坏" in out and "receipts 的第 7 行" in out
    assert json.loads(popbridge("db", "check", "--json")[1])["report"]["problems"][0].startswith("row 7 of")


class TestCheck:
    def test_a_whole_one_is_told_with_what_it_holds(self, popbridge: Any, database: Path) -> None:
        for quick in ([], ["--quick"]):
            code, out, _ = popbridge("db", "check", *quick)
            assert code == 0 and "DAMAGED" not in out and "Schema" in out
            assert any(line.split() == ["receipts", "300"] for line in out.splitlines())

    def test_beside_a_writer_it_counts_what_is_in_the_log(self, popbridge: Any, database: Path) -> None:
        with contextlib.closing(open_database(database).conn) as writer:
            keep(writer, [301])
            code, out, _ = popbridge("db", "check", "--json")
        found = json.loads(out)
        assert code == 0 and found["whole"] is True
        assert found["report"]["rows"]["receipts"] == 301
        assert found["report"]["wal"] > 0

    @pytest.mark.parametrize("spoil", [lambda p: flip(p, 0.5), lambda p: p.write_bytes(b"a letter" * 1000)])
    def test_of_a_damaged_one_the_newest_backup_is_named(
        self, popbridge: Any, database: Path, spoil: Any
    ) -> None:
        backup = make_backup(database)
        spoil(database)
        code, out, _ = popbridge("db", "check")
        assert code == 1 and "is DAMAGED" in out and str(backup) in out and "`popbridge db restore`" in out
        found = json.loads(popbridge("db", "check", "--json")[1])
        assert (found["whole"], found["backups"]) == (False, [str(backup)])

    def test_one_of_a_newer_version_is_told(self, popbridge: Any, database: Path) -> None:
        newer(database)
        code, out, _ = popbridge("db", "check")
        assert code == 1 and "flying" in out

    def test_another_programs_is_told(self, popbridge: Any, home: Path) -> None:
        home.mkdir()
        with contextlib.closing(sqlite3.connect(home / "popbridge.db")) as connection:
            connection.execute("CREATE TABLE songs (name)")
        code, out, _ = popbridge("db", "check")
        assert code == 1 and "isn't PopBridge's" in out

    def test_a_row_that_names_one_that_isnt_there_is_told(self, popbridge: Any, database: Path) -> None:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute("CREATE TABLE of (id REFERENCES receipts)")
            connection.execute("INSERT INTO of VALUES (9999)")
            connection.commit()
        code, out, _ = popbridge("db", "check")
        assert code == 1 and "row 1 of of" in out and "row of receipts" in out

    def test_an_empty_file_is_no_damage(self, popbridge: Any, home: Path) -> None:
        home.mkdir(exist_ok=True)
        (home / "popbridge.db").touch()
        _, out, _ = popbridge("db", "check")
        assert "is empty" in out and "DAMAGED" not in out


class TestBackup:
    def test_it_is_made_beside_a_writer_and_restored(
        self, popbridge: Any, database: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "backup.db"
        with contextlib.closing(open_database(database).conn) as writer:
            keep(writer, [301])
            code, out, _ = popbridge("db", "backup", str(file))
            assert code == 0 and "checked" in out
            keep(writer, [302])
        assert receipts(database)[-1] == 302
        code, out, _ = popbridge("db", "restore", str(file))
        assert code == 0 and "The old database is now" in out
        assert receipts(database)[-1] == 301
        (old,) = database.parent.glob("popbridge.db.old-*")
        assert receipts(old)[-1] == 302

    def test_it_replaces_nothing_unless_told_to(self, popbridge: Any, database: Path, tmp_path: Path) -> None:
        file = tmp_path / "backup.db"
        file.write_text("precious")
        code, _, err = popbridge("db", "backup", str(file))
        assert code == 2 and one_line(err) and file.read_text() == "precious"
        assert popbridge("db", "backup", str(file), "--force")[0] == 0
        assert len(receipts(file)) == 300
        code, _, err = popbridge("db", "backup", str(database), "--force")
        assert code == 2 and one_line(err)

    @pytest.mark.parametrize(
        "name", ["popbridge.db-wal", "popbridge.db-shm", "connection.json", "blobs/x", "backups/x"]
    )
    def test_it_never_takes_the_place_of_what_the_daemon_writes(
        self, popbridge: Any, database: Path, name: str
    ) -> None:
        place = database.parent / name
        place.parent.mkdir(exist_ok=True)
        place.write_text("the daemon's")
        code, _, err = popbridge("db", "backup", str(place), "--force")
        assert code == 2 and one_line(err) and "Choose a file outside" in err
        assert place.read_text() == "the daemon's"

    def test_with_blobs_they_come_back_too(self, popbridge: Any, database: Path, tmp_path: Path) -> None:
        blob = database.parent / "blobs" / ("a" * 64)
        blob.parent.mkdir()
        blob.write_text("texture")
        file = tmp_path / "backup.db"
        code, out, _ = popbridge("db", "backup", str(file), "--blobs", "--json")
        assert code == 0 and json.loads(out)["blobs"] == 1
        assert "0 blobs copied" in popbridge("db", "backup", str(file), "--blobs", "--force")[1]
        blob.unlink()
        code, out, _ = popbridge("db", "restore", str(file))
        assert code == 0 and "Restored 1 blobs." in out
        assert blob.read_text() == "texture"

    def test_of_a_damaged_one_it_is_refused(self, popbridge: Any, database: Path, tmp_path: Path) -> None:
        flip(database, 0.5)
        code, _, err = popbridge("db", "backup", str(tmp_path / "b.db"))
        assert code == 2 and one_line(err) and "damaged" in err
        assert not (tmp_path / "b.db").exists()

    @pytest.mark.parametrize("folder", ["missing", "file"])
    def test_a_folder_that_isnt_there_isnt_made(
        self, popbridge: Any, database: Path, tmp_path: Path, folder: str
    ) -> None:
        (tmp_path / "file").touch()
        code, _, err = popbridge("db", "backup", str(tmp_path / folder / "b.db"))
        assert code == 2 and one_line(err) and f"Folder {tmp_path / folder}" in err
        assert not (tmp_path / "missing").exists()

    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no folder refuses its owner")
    def test_where_it_cant_be_written_it_is_told(self, popbridge: Any, database: Path) -> None:
        code, _, err = popbridge("db", "backup", "/proc/self/b.db")
        assert code == 2 and one_line(err) and "Nothing was changed" in err


class TestRestore:
    @pytest.fixture
    def saved(self, tmp_path: Path) -> Path:
        return filled(tmp_path / "saved.db", 7)

    def test_into_a_fresh_home(self, popbridge: Any, home: Path, saved: Path) -> None:
        code, out, _ = popbridge("db", "restore", str(saved), "--json")
        assert code == 0 and json.loads(out)["old"] is None
        assert len(receipts(home / "popbridge.db")) == 7

    @pytest.mark.parametrize("words", [["restore", "saved.db"], ["restore"], ["vacuum"]])
    def test_nothing_is_changed_beside_a_daemon(
        self, popbridge: Any, database: Path, saved: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(saved.parent)
        make_backup(database)
        # As of a daemon of an older version.
        with FileLock(database.parent / "popbridge.lock"):
            code, _, err = popbridge("db", *words)
        assert code == 2 and one_line(err) and "Stop it first" in err
        assert len(receipts(database)) == 300

    @pytest.mark.parametrize("spoil", [lambda p: flip(p, 0.5, 1), lambda p: p.write_text("x" * 9999), newer])
    def test_what_isnt_whole_replaces_nothing(
        self, popbridge: Any, database: Path, tmp_path: Path, spoil: Any
    ) -> None:
        saved = filled(tmp_path / "big.db", 200)
        spoil(saved)
        code, _, err = popbridge("db", "restore", str(saved))
        assert code == 2 and one_line(err) and "Nothing was changed" in err
        assert len(receipts(database)) == 300
        assert not list(database.parent.glob("*old*"))

    def test_another_programs_database_replaces_nothing(
        self, popbridge: Any, database: Path, tmp_path: Path
    ) -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "songs.db")) as connection:
            connection.execute("CREATE TABLE songs (name)")
        code, _, err = popbridge("db", "restore", str(tmp_path / "songs.db"))
        assert code == 2 and one_line(err) and "songs.db" in err
        assert len(receipts(database)) == 300

    def test_a_database_that_another_program_has_open_is_left_alone(
        self, popbridge: Any, database: Path, saved: Path
    ) -> None:
        with contextlib.closing(open_database(database).conn) as other:
            keep(other, [301])
            code, _, err = popbridge("db", "restore", str(saved))
            assert code == 2 and "locked" in err
        assert len(receipts(database)) == 301

    def test_the_newest_whole_backup_takes_the_place_of_a_damaged_database(
        self, popbridge: Any, database: Path
    ) -> None:
        backup = make_backup(database)
        broken = backup.with_name("popbridge-99991231-000000.db")
        broken.write_bytes(b"a letter to grandmother" * 1000)
        with contextlib.closing(open_database(database).conn) as connection:
            keep(connection, range(301, 321))
        flip(database, 0.3)
        damaged = database.read_bytes()
        code, out, err = popbridge("db", "restore")
        assert code == 0 and str(broken) in err and f"from {backup}" in out
        (told,) = [line for line in out.splitlines() if line.startswith("receipts")]
        assert told.split() == ["receipts", "300", "20"]
        assert len(receipts(database)) == 300
        (old,) = database.parent.glob("popbridge.db.old-*")
        assert str(old) in out and old.read_bytes()[8192:] == damaged[8192:]
        assert popbridge("db", "check")[0] == 0

    def test_programs_are_told_what_came_back_and_what_is_lost(self, popbridge: Any, database: Path) -> None:
        backup = make_backup(database)
        with contextlib.closing(open_database(database).conn) as connection:
            keep(connection, [301])
        found = json.loads(popbridge("db", "restore", "--json")[1])
        assert (found["source"], found["lost"], found["rows"]["receipts"]) == (
            str(backup),
            {"receipts": 1},
            300,
        )
        assert found["made"][:4].isdigit() and Path(found["old"]).is_file()

    def test_a_backup_replaces_what_is_no_database_any_more(
        self, popbridge: Any, database: Path, saved: Path
    ) -> None:
        database.write_bytes(b"a letter to grandmother" * 1000)
        Path(f"{database}-wal").write_bytes(b"and its envelope")
        assert popbridge("db", "restore", str(saved))[0] == 0
        assert len(receipts(database)) == 7
        (envelope,) = database.parent.glob("popbridge.db.old-*-wal")
        assert envelope.read_bytes() == b"and its envelope"

    def test_where_files_have_one_name_only_the_old_one_is_copied(
        self, popbridge: Any, database: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def link(*_: object) -> None:
            raise OSError("no links here")

        monkeypatch.setattr("bridge.store.backups.os.link", link)
        assert popbridge("db", "restore", str(saved))[0] == 0
        (old,) = database.parent.glob("popbridge.db.old-*")
        assert (len(receipts(old)), len(receipts(database))) == (300, 7)

    def test_without_a_backup_nothing_is_restored(self, popbridge: Any, database: Path) -> None:
        for words in ([], ["missing.db"], [str(database)]):
            code, _, err = popbridge("db", "restore", *words)
            assert code == 2 and one_line(err)


class TestVacuum:
    def test_it_says_what_was_gained(self, popbridge: Any, database: Path) -> None:
        with contextlib.closing(open_database(database).conn) as connection:
            connection.execute("DELETE FROM receipts WHERE id > 10")
        code, out, _ = popbridge("db", "vacuum")
        assert code == 0 and "KiB freed" in out
        code, out, _ = popbridge("db", "vacuum", "--json")
        assert json.loads(out)["before"] == json.loads(out)["after"]
        assert "already as small as possible" in popbridge("db", "vacuum")[1]
        assert receipts(database) == list(range(1, 11))
