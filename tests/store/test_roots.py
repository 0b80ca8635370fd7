"""Which folders PopBridge may read, for whom and how long, and which it never reads."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

import pytest

from bridge.core.errors import UserError
from bridge.store.database import open_database
from bridge.store.roots import (
    check_root,
    is_covered,
    open_roots,
    registered_for_run,
    resolved_root,
    root_refusal,
)

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and homes as POSIX has them")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "data" / "a.db"


def test_a_folder_is_registered_once_for_each_token_and_stays_until_it_is_removed(database: Path) -> None:
    with open_roots(database) as store:
        number, is_new = store.add("/game", "install")
        assert is_new and store.add("/game", "terminal") == (number, False)
        assert store.add("/game", "terminal", "laptop")[1]
    with open_roots(database) as store:
        assert [(each.path, each.owner, each.source) for each in store.all()] == [
            ("/game", "local", "install"),
            ("/game", "laptop", "terminal"),
        ]
        assert store.paths("local") == store.paths("laptop") == ["/game"] and store.paths("other") == []
        assert store.remove("/game", "laptop") == 1 and store.paths("laptop") == []
        assert store.remove("/game") == 1 and store.remove("/game") == 0


def test_a_folder_of_a_command_counts_as_long_as_it_runs_and_not_for_ever(
    database: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    open_database(database).conn.close()
    found = resolved_root(tmp_path)
    run = registered_for_run(database, str(tmp_path))
    with run, registered_for_run(database, str(tmp_path)), open_roots(database) as store:
        assert store.paths("local") == [found, found]
        assert store.add(found, "terminal")[1]
    with open_roots(database) as store:
        assert [each.source for each in store.all()] == ["terminal"]
        store.remove(found)
        # One of a command that was killed.
        store.add(found, "run", keep_s=-1)
        assert store.all() == [] and store.paths("local") == []
        store.add("/other", "terminal")
    with open_roots(database) as store:
        rows = store._connection.execute("SELECT count(*) FROM roots").fetchone()
        assert rows == (1,), "it is deleted with the next write"


@pytest.mark.parametrize("kind", ["missing", "older", "damaged"])
def test_a_command_runs_though_its_folder_cant_be_registered(tmp_path: Path, kind: str) -> None:
    database = tmp_path / "a.db"
    if kind == "older":
        sqlite3.connect(database).close()
    if kind == "damaged":
        database.write_bytes(b"no database" * 100)
    before = database.read_bytes() if database.exists() else None
    with registered_for_run(database, str(tmp_path)):
        pass
    assert (database.read_bytes() if database.exists() else None) == before


def test_a_database_that_cant_be_written_is_told(database: Path) -> None:
    with pytest.raises(UserError), open_roots(database) as store:
        store._connection.execute("DROP TABLE roots")
        store.add("/game", "terminal")


def test_a_folder_covers_what_is_below_it_and_nothing_beside_it() -> None:
    game = os.path.join(os.sep, "work", "game")
    assert is_covered(game, [game]) and is_covered(os.path.join(game, "a"), [game])
    assert is_covered(game, [os.sep]) and is_covered(game, ["/other", os.path.dirname(game)])
    assert not is_covered(f"{game}2", [game]) and not is_covered(os.path.dirname(game), [game])
    assert not is_covered(game, [])


def test_a_drive_a_home_and_the_own_folders_are_refused_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, data = tmp_path / "users" / "ada", tmp_path / "popbridge"
    project = home / "projects" / "game"
    for folder in (project, data / "blobs"):
        folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    for refused in (Path(tmp_path.anchor), home, home.parent, data, data / "blobs"):
        assert root_refusal(resolved_root(refused), [data]), refused
        with pytest.raises(UserError):
            check_root(str(refused), [data])
    for fine in (project, project.parent, data.parent / "popbridge2"):
        assert not root_refusal(resolved_root(fine), [data]), fine
    assert check_root(str(project), [data]) == resolved_root(project)
    with pytest.raises(UserError):
        check_root(str(project / "missing"), [data])


@posix
def test_a_link_is_registered_as_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "game").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "game")
    (tmp_path / "all").symlink_to("/")
    assert check_root(str(tmp_path / "link"), []) == resolved_root(tmp_path / "game")
    with pytest.raises(UserError):
        check_root(str(tmp_path / "all"), [])


@posix
def test_the_home_of_whom_a_folder_belongs_to_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pwd

    other = tmp_path / "users" / "eve"
    other.mkdir(parents=True)
    real = pwd.getpwuid
    entry = real(os.getuid())

    def found(uid: int) -> pwd.struct_passwd:
        values = [*entry]
        values[5] = str(other)
        return pwd.struct_passwd(values)

    monkeypatch.setattr(pwd, "getpwuid", found)
    assert root_refusal(resolved_root(other), []) and not root_refusal(resolved_root(other / "game"), [])

    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert not root_refusal(resolved_root(other), [])
