"""An audit from the folder to the report: nothing that lies in a project ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from accel.texture import context
from accel.texture.kinds import KINDS
from bridge.advisors import import_project
from bridge.advisors.naming import group_names, material_siblings
from bridge.api import Remark, TextureAsset
from bridge.audit.audit import ProgressCallbacks, _remark_codes
from bridge.audit.baseline import accept, entries
from bridge.audit.examine import Examiner, Outcome, Question
from bridge.audit.project import scope_name
from bridge.audit.results import Issue, Report, Row
from bridge.core.errors import UserError
from bridge.host import host
from tests.audit.conftest import put

Run = Callable[..., Any]


@pytest.fixture
def game(project: Callable[..., Path]) -> Path:
    return project()


async def test_each_trouble_costs_its_file_one_line(game: Path, run: Run, registry: host.Registry) -> None:
    for word in ("broken", "unknown", "huge", "crash", "raise"):
        put(game, f"{word}.png", word)
    put(game, "fine.png", "sprite")
    report = await run(game)
    assert report.textures == 6 and report.kinds == {"sprite": 1}
    told = {row.file: (row.issues[0].code, row.issues[0].severity) for row in report.rows}
    assert told == {
        "broken.png": ("unreadable", "error"),
        "crash.png": ("unreadable", "error"),
        "raise.png": ("unreadable", "error"),
        "huge.png": ("unsupported", "note"),
        "unknown.png": ("unsupported", "note"),
    }
    accept(report, entries(report.rows), scope_name(registry, str(game)))
    assert report.rows == [], "all is accepted"
    assert {file: (issue.code, issue.severity) for file, issue in report.unseen} == told


async def test_a_damaged_installation_is_told_before_a_texture_is_examined(
    game: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    damaged = tmp_path / "context.npz"
    damaged.write_bytes(context.FILE.read_bytes()[:1000])
    monkeypatch.setattr(context, "load_context_model", lambda: context.read(damaged))
    for number in range(context.FEWEST + 1):
        put(game, f"{number}.png", "slow")
    with pytest.raises(UserError, match="install popbridge again"):
        await run(game)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("plan", [{}, {"use_names": False}, {"cache": None}])
async def test_the_import_advisor_knows_what_an_audit_that_saw_what_it_sees_took_textures_for(
    game: Path, run: Run, tmp_path: Path, plan: dict[str, Any]
) -> None:
    put(game, "a/rock.png", "albedo")
    put(game, "broken.png", "broken")
    await run(game, **plan)
    found = import_project.read_audit(tmp_path / "cache", game)
    assert (found is None) == bool(plan)
    if found is not None:
        files, sizes, portions = found
        assert (files, len(sizes)) == (["a/rock.png"], 1) and KINDS[portions[0].argmax()] == "albedo"


async def test_what_is_only_planned_is_kept_from_the_import_advisor_and_told_no_duplicates_of(
    game: Path, run: Run, tmp_path: Path
) -> None:
    put(game, "a.png", "albedo")
    put(game, "b.png", "albedo")
    report = await run(game, planned={"a.png": {"mipmaps/generate": True}})
    assert report.textures == 2 and report.groups == []
    assert import_project.read_audit(tmp_path / "cache", game) is None
    assert len((await run(game)).groups) == 1 and import_project.read_audit(tmp_path / "cache", game)


async def test_a_second_run_starts_no_process_and_says_the_same(
    game: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        put(game, f"a/{number}_albedo.png", f"albedo {number}")
    put(game, "broken.png", "broken")
    first = await run(game)
    monkeypatch.setattr("bridge.audit.examine.Workers._start", None)
    second = await run(game)
    assert (first.cached, second.cached) == (0, 31)
    assert [row.file for row in second.rows] == [row.file for row in first.rows]
    assert second.rows[0].issues == first.rows[0].issues


async def test_what_cannot_be_examined_is_not_read_again(
    game: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for word in ("broken", "huge"):
        os.utime(put(game, f"{word}.png", word), (1, 1))
    first = await run(game)
    monkeypatch.setattr("bridge.audit.examine.content_of", None)
    second = await run(game)
    assert second.cached == 2 and all(len(row.content) == 64 for row in second.rows)
    assert [row.content for row in second.rows] == [row.content for row in first.rows]


async def test_a_file_that_is_still_being_saved_is_waited_for(
    game: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(game, "a.png", "broken")
    # So that it counts as young however long the worker takes to start.
    monkeypatch.setattr("bridge.audit.examine.SAVING_NS", 60_000_000_000)
    real = Examiner._examine
    asked = []

    async def and_it_is_saved(self: Examiner, question: Question, size: int) -> Outcome:
        outcome = await real(self, question, size)
        asked.append(question)
        if len(asked) == 2:
            path.write_text("albedo and the rest", encoding="utf-8")
        return outcome

    monkeypatch.setattr(Examiner, "_examine", and_it_is_saved)
    report = await run(game)
    assert report.kinds == {"albedo": 1} and len(asked) == 3
    assert not any(issue.code == "unreadable" for row in report.rows for issue in row.issues)


async def test_a_file_that_never_comes_to_rest_is_a_note(
    game: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(game, "a.png", "albedo")
    real = Examiner._examine

    async def and_it_grows(self: Examiner, question: Question, size: int) -> Outcome:
        outcome = await real(self, question, size)
        with path.open("a", encoding="utf-8") as file:
            file.write(" more")
        return outcome

    monkeypatch.setattr(Examiner, "_examine", and_it_grows)
    (row,) = (await run(game)).rows
    assert row.issues[0].severity == "note" and "changing" in row.issues[0].values["reason"]


async def test_what_changed_is_examined_anew(game: Path, run: Run) -> None:
    for name in ("a.png", "b.png", "c.png"):
        put(game, name, f"albedo {name}")
    await run(game)
    (game / "b.png").write_text("sprite, longer", encoding="utf-8")
    report = await run(game)
    assert report.cached == 2 and report.kinds["albedo"] == 2


async def test_a_file_that_was_only_touched_is_known_by_its_content(game: Path, run: Run) -> None:
    put(game, "a.png", "albedo")
    await run(game)
    os.utime(game / "a.png", (1, 1))
    assert (await run(game)).cached == 1


async def test_what_stands_in_the_name_is_another_question_without_names(game: Path, run: Run) -> None:
    put(game, "a.png", "albedo")
    await run(game)
    assert (await run(game, use_names=False)).cached == 0


async def test_a_broken_cache_is_made_anew(game: Path, run: Run, tmp_path: Path) -> None:
    put(game, "a.png", "albedo")
    await run(game)
    (file,) = (tmp_path / "cache/audit").iterdir()
    file.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    assert (await run(game)).cached == 0
    assert (await run(game)).cached == 1


async def test_an_answer_in_the_cache_that_is_no_unicode_is_asked_for_anew(
    game: Path, run: Run, tmp_path: Path
) -> None:
    put(game, "a.png", "albedo")
    await run(game)
    (file,) = (tmp_path / "cache/audit").iterdir()
    with contextlib.closing(sqlite3.connect(file)) as db, db:
        db.execute("UPDATE textures SET answer = x'92c081a4636f6465a1ff'")
    assert (await run(game)).cached == 0
    assert (await run(game)).cached == 1


async def test_a_folder_of_no_engine_is_audited_too(tmp_path: Path, run: Run) -> None:
    root = tmp_path / "loose"
    (root / "deep").mkdir(parents=True)
    (root / "deep/a.jpeg").write_text("albedo", encoding="utf-8")
    (root / "b.txt").write_text("albedo", encoding="utf-8")
    (root / "broken.tga").write_text("broken", encoding="utf-8")
    report = await run(root)
    assert (report.engine, report.textures) == ("", 2)
    assert [row.file for row in report.rows] == ["broken.tga"]


async def test_an_import_file_with_unknown_syntax_is_told_and_its_texture_examined(
    game: Path, run: Run
) -> None:
    put(game, "a_albedo.png", "albedo")
    settings = game / "a_albedo.png.import"
    settings.write_bytes(b"<<<<<<< HEAD\n" + settings.read_bytes())
    report = await run(game)
    (row,) = report.rows
    assert [issue.code for issue in row.issues] == ["unknown_settings"] and row.kind == "albedo"
    assert not row.options


async def test_what_the_project_ignores_is_not_looked_at(game: Path, run: Run) -> None:
    put(game, "vendor/a.png", "broken")
    put(game, "own/b.png", "broken")
    (game / "popbridge.toml").write_text('[textures]\nignore = ["vendor/"]\n', encoding="utf-8")
    report = await run(game)
    assert [row.file for row in report.rows] == ["own/b.png"]


async def test_a_texture_that_vanishes_meanwhile_is_a_note(game: Path, run: Run) -> None:
    put(game, "a.png", "albedo")
    path = put(game, "b.png", "albedo")
    report = await run(game, ProgressCallbacks(total=lambda count: path.unlink()))
    (row,) = [row for row in report.rows if row.file == "b.png"]
    assert row.issues[0].severity == "note" and "disappeared" in row.issues[0].values["reason"]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
async def test_a_name_that_is_no_unicode_is_examined_like_any_other(game: Path, run: Run) -> None:
    put(game, "b\udcff.png", "broken")
    put(game, "岩石.png", "broken")
    report = await run(game)
    assert sorted(row.file for row in report.rows) == ["b\udcff.png", "岩石.png"]
    assert (await run(game)).cached == 2


@pytest.mark.parametrize("line", [b"x/number=99999999999999999999", b'x/text="\xff"', b"x/d=" + b"9" * 5000])
async def test_options_that_no_message_can_hold_are_no_reason_to_stop(
    game: Path, run: Run, line: bytes
) -> None:
    put(game, "rock.png", "normal")
    settings = game / "rock.png.import"
    settings.write_bytes(settings.read_bytes() + line + b"\n")
    assert (await run(game)).kinds == {"normal": 1}


async def test_stopping_keeps_what_was_examined_by_then(game: Path, run: Run) -> None:
    for number in range(5):
        put(game, f"{number}.png", f"albedo {number}")
    put(game, "z.png", "slow")
    five = asyncio.Event()
    done = 0

    def count(files: int) -> None:
        nonlocal done
        done += files
        if done == 5:
            five.set()

    running = asyncio.create_task(run(game, ProgressCallbacks(done=count)))
    await asyncio.wait_for(five.wait(), 30)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    (game / "z.png").write_text("albedo", encoding="utf-8")
    assert (await run(game)).cached == 5


async def test_stopping_waits_for_no_list_of_files(
    game: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def endless(project: Path) -> Iterator[TextureAsset]:
        for _ in range(1_000_000):
            begun.set()
            time.sleep(0.001)
            yield TextureAsset("res://a.png", "a.png")

    monkeypatch.setattr("bridge_godot.import_file.textures", endless)
    running = asyncio.create_task(run(game))
    assert await asyncio.to_thread(begun.wait, 30)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    # As asyncio.run does in the end.
    await asyncio.wait_for(asyncio.get_running_loop().shutdown_default_executor(), 30)


async def test_siblings_and_slots_are_told(game: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    for name in ("rock.png", "rock_n.png", "other/x.png"):
        put(game, name, "albedo")
    (game / "rock.tres").write_text(
        '[gd_resource type="StandardMaterial3D" format=3]\n\n'
        '[ext_resource type="Texture2D" path="res://rock_n.png" id="1"]\n\n'
        '[resource]\nnormal_texture = ExtResource("1")\n',
        encoding="utf-8",
    )
    real = Examiner._digest
    monkeypatch.setattr(Examiner, "_digest", lambda self, q: (asked.append(q), real(self, q))[1])
    await run(game)
    params = {question.file: question.params for question in asked}
    assert params["rock_n.png"]["siblings"] == ["rock.png"] and params["rock_n.png"]["slots"] == ["normal"]
    assert params["other/x.png"]["siblings"] == [] and params["rock.png"]["slots"] == []
    # The import advisor tells the same.
    names = group_names(path.name for path in game.glob("*.png"))
    assert params["rock_n.png"]["siblings"] == material_siblings("rock_n.png", names)


def test_of_an_adapters_remarks_only_codes_of_its_own_settle_nothing() -> None:
    said = [Issue.remarked(Remark(code, "note", "is odd")) for code in ("acme.odd", "too_large")]
    report = Report(name="game", root="game", engine="", rows=[Row("a.png", "a.png", said)])
    assert _remark_codes(report) == {"acme.odd"}
