"""What earlier runs made: what is current, and what may be replaced."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.commands.run.outputs import Manifest, file_states, job_key
from tests.store.damage import misspell

KEY = b"k" * 16


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Manifest]:
    with Manifest(tmp_path / "cache" / "run.db") as found:
        yield found


@pytest.fixture
def output(tmp_path: Path, made: Manifest) -> str:
    """A file that a job of `KEY` made."""
    path = tmp_path / "out.png"
    path.write_bytes(b"made")
    made.add(str(path), KEY)
    made.done(KEY, [(3, 7)], [str(path)])
    return str(path)


def test_a_job_is_current_while_its_files_and_outputs_are_as_they_were(made: Manifest, output: str) -> None:
    assert made.current(KEY, [(3, 7)]) == [output]
    assert made.current(KEY, [(3, 8)]) is None
    assert made.current(b"other", [(3, 7)]) is None
    Path(output).write_bytes(b"edited")
    assert made.current(KEY, [(3, 7)]) is None
    Path(output).unlink()
    assert made.current(KEY, [(3, 7)]) is None


def test_an_output_that_another_job_made_anew_is_no_longer_the_firsts(made: Manifest, output: str) -> None:
    made.add(output, b"another")
    assert made.current(KEY, [(3, 7)]) is None
    assert made.is_ours(output)


def test_a_file_is_ours_until_somebody_changes_it(made: Manifest, output: str, tmp_path: Path) -> None:
    assert made.is_ours(output)
    assert not made.is_ours(str(tmp_path / "gone.png"))
    os.utime(output, ns=(1, 1))
    assert not made.is_ours(output)


def test_it_outlives_the_run(output: str, made: Manifest, tmp_path: Path) -> None:
    with Manifest(tmp_path / "cache" / "run.db") as again:
        assert again.current(KEY, [(3, 7)]) == [output]


@pytest.mark.parametrize("content", [b"no database at all", None])
def test_one_that_cant_be_used_is_done_without(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "run.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with Manifest(path) as found:
        (tmp_path / "x").write_bytes(b"")
        found.add(str(tmp_path / "x"), KEY)
        assert found.is_ours(str(tmp_path / "x"))


def test_one_whose_error_is_no_unicode_is_done_without(tmp_path: Path) -> None:
    Manifest(tmp_path / "run.db").__exit__()
    misspell(tmp_path / "run.db", "jobs")
    with Manifest(tmp_path / "run.db") as found:
        assert found.current(KEY, []) is None


@pytest.mark.parametrize("broken", ["x'a1ff'", "x'c1'", "7", "NULL", "CAST(x'ff' AS TEXT)", "x'91c40100'"])
@pytest.mark.parametrize("column", ["inputs", "outputs"])
def test_a_job_that_cant_be_read_isnt_current(made: Manifest, output: str, column: str, broken: str) -> None:
    made._db.execute(f"UPDATE jobs SET {column} = {broken}")
    assert made.current(KEY, [(3, 7)]) is None
    made.done(KEY, [(3, 7)], [output])
    assert made.current(KEY, [(3, 7)]) == [output]


def test_one_of_another_version_is_left_alone(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "run.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with Manifest(tmp_path / "run.db") as found:
        assert found.current(KEY, []) is None
    db = sqlite3.connect(tmp_path / "run.db")
    assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    db.close()


def test_one_that_breaks_meanwhile_costs_nothing_but_what_it_knew(made: Manifest, output: str) -> None:
    made._db.execute("DROP TABLE jobs")
    made.done(KEY, [], [])
    assert made.current(KEY, [(3, 7)]) is None


def test_what_isnt_met_for_half_a_year_is_forgotten(made: Manifest, output: str, tmp_path: Path) -> None:
    made._db.execute("UPDATE jobs SET seen = 0")
    with Manifest(tmp_path / "cache" / "run.db") as again:
        assert again.current(KEY, [(3, 7)]) is None


def test_a_jobs_key_is_of_what_is_done_to_which_files_and_where_to(tmp_path: Path) -> None:
    keys = {
        job_key(recipe, files, place)
        for recipe in (["a", 1], ["a", 2])
        for files in (["x.png"], ["y.png"], ["x.png", "y.png"])
        for place in ("out", "other")
    }
    assert len(keys) == 12
    assert job_key(["a"], ["x.png"], "out") == job_key(["a"], [os.path.abspath("x.png")], "./out")


def test_the_state_of_a_file_changes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"a")
    before = file_states([str(path)])
    # Windows counts in 100 ns.
    os.utime(path, ns=(500, 500))
    assert before != file_states([str(path)]) == [(1, 500)]
