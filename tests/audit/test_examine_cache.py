"""The cache is never worth an error."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

import pytest

from bridge.audit.examine import Cache, Stat, content_of, question_of
from tests.store.damage import misspell

QUESTION = question_of("q", 1)
OLD = 1_000_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rock.png"
    path.write_bytes(b"rock")
    os.utime(path, ns=(OLD, OLD))
    return path


def put(cache: Cache, file: Path, name: str = "rock.png", answer: bytes = b"answer") -> None:
    cache.put(name, Stat.of(file), QUESTION, content_of(file), answer)


def get(cache: Cache, file: Path, name: str = "rock.png", question: bytes = QUESTION) -> bytes | None:
    return cache.get(file, name, Stat.of(file), question)


def test_an_answer_is_kept_from_run_to_run(tmp_path: Path, file: Path) -> None:
    cache = Cache(tmp_path / "deep/cache.sqlite3")
    put(cache, file)
    cache.close()
    cache = Cache(tmp_path / "deep/cache.sqlite3")
    assert get(cache, file) == b"answer"
    assert get(cache, file, question=question_of("q", 2)) is None
    cache.close()


def test_images_that_are_read_otherwise_have_other_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    before = question_of("q", 1)
    monkeypatch.setattr("accel.image.records.VERSION", 99)
    assert question_of("q", 1) != before


def test_equal_bytes_under_another_name_have_the_same_answer(tmp_path: Path, file: Path) -> None:
    cache = Cache(tmp_path / "c")
    put(cache, file)
    assert get(cache, file, "moved.png") == b"answer"
    cache.close()


def test_a_file_of_the_same_size_and_time_with_other_bytes_is_found_out_while_it_is_young(
    tmp_path: Path, file: Path
) -> None:
    os.utime(file)
    stat = Stat.of(file)
    cache = Cache(tmp_path / "c")
    put(cache, file)
    file.write_bytes(b"kcor")
    assert cache.get(file, "rock.png", stat, QUESTION) is None
    cache.close()


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 9000])
def test_a_broken_one_is_made_anew(tmp_path: Path, file: Path, content: bytes) -> None:
    (tmp_path / "c").write_bytes(content)
    cache = Cache(tmp_path / "c")
    assert get(cache, file) is None
    put(cache, file)
    assert get(cache, file) == b"answer"
    cache.close()


def test_two_audits_at_once_keep_what_both_find_out(tmp_path: Path, file: Path) -> None:
    one, other = Cache(tmp_path / "c"), Cache(tmp_path / "c")
    for number in range(20):
        put(one, file, f"one{number}", b"1")
        put(other, file, f"other{number}", b"2")
    one.close()
    other.close()
    db = sqlite3.connect(tmp_path / "c")
    assert db.execute("SELECT answer, count(*) FROM textures GROUP BY answer").fetchall() == [
        (b"1", 20),
        (b"2", 20),
    ]
    db.close()


def test_one_that_another_process_holds_is_done_without_and_left_alone(tmp_path: Path, file: Path) -> None:
    cache = Cache(tmp_path / "c")
    put(cache, file)
    held = sqlite3.connect(tmp_path / "c", isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    put(cache, file, "other.png")
    assert get(cache, file) == b"answer"
    held.execute("ROLLBACK")
    cache.close()
    held.execute("PRAGMA journal_mode = DELETE")
    held.execute("BEGIN EXCLUSIVE")
    cache = Cache(tmp_path / "c")
    put(cache, file, "third.png")
    held.execute("ROLLBACK")
    assert held.execute("SELECT file FROM textures").fetchall() == [(b"rock.png",)]
    held.close()
    cache.close()


def test_what_it_keeps_takes_little_more_than_the_answers(tmp_path: Path, file: Path) -> None:
    cache = Cache(tmp_path / "c")
    for number in range(300):
        put(cache, file, f"{number}.png", bytes(1200))
    cache.close()
    assert (tmp_path / "c").stat().st_size < 300 * 1200 * 1.5


@pytest.mark.parametrize("version", [1, 99])
def test_one_of_another_version_is_made_anew(tmp_path: Path, file: Path, version: int) -> None:
    db = sqlite3.connect(tmp_path / "c")
    db.execute(f"PRAGMA user_version = {version}")
    db.commit()
    db.close()
    cache = Cache(tmp_path / "c")
    put(cache, file)
    assert get(cache, file) == b"answer"
    cache.close()


def test_one_whose_error_is_no_unicode_is_made_anew(tmp_path: Path, file: Path) -> None:
    cache = Cache(tmp_path / "c")
    put(cache, file)
    cache.close()
    misspell(tmp_path / "c", "textures")
    cache = Cache(tmp_path / "c")
    assert get(cache, file) is None
    put(cache, file)
    assert get(cache, file) == b"answer"
    cache.close()


@pytest.mark.parametrize("broken", ["CAST(x'ff' AS TEXT)", "'text'", "7", "NULL"])
def test_an_answer_that_is_none_any_more_is_none(tmp_path: Path, file: Path, broken: str) -> None:
    cache = Cache(tmp_path / "c")
    put(cache, file)
    cache._db.execute(f"UPDATE textures SET answer = {broken}")
    assert get(cache, file) is None and get(cache, file, "moved.png") is None
    put(cache, file)
    assert get(cache, file) == b"answer"
    cache.close()


def test_without_a_place_it_lasts_for_the_run(tmp_path: Path, file: Path) -> None:
    (tmp_path / "file").touch()
    for path in (None, tmp_path / "file/c"):
        cache = Cache(path)
        put(cache, file)
        assert get(cache, file) == b"answer"
        cache.close()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_a_name_that_is_no_unicode_is_a_name(tmp_path: Path, file: Path) -> None:
    cache = Cache(tmp_path / "c")
    put(cache, file, "b\udcff.png")
    assert get(cache, file, "b\udcff.png") == b"answer"
    cache.close()


def test_files_that_are_gone_are_forgotten_once_they_are_many(tmp_path: Path, file: Path) -> None:
    cache = Cache(tmp_path / "c")
    for number in range(300):
        cache.put(f"{number}.png", Stat.of(file), QUESTION, "", b"")
    cache.prune(["0.png", "1.png"], 2)
    count = cache._db.execute("SELECT count(*) FROM textures").fetchone()
    assert count == (2,)
    cache.close()
