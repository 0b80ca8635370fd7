"""The demo, with the built-in editor and a real daemon."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import Process
from pathlib import Path

import pytest
from sqlite_utils import Database

from bridge.core.errors import UserError
from bridge.core.messages import Command, Result
from bridge.demo import run
from bridge.demo.run import _applied
from bridge.demo.textures import textures
from bridge.paths import Paths
from bridge.store.database import open_database
from bridge.store.receipts import ReceiptStore


def test_the_demo_finds_exactly_the_wrong_half_and_leaves_a_page_with_before_and_after(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "out", headless=True) == 0
    said = capsys.readouterr().out
    drawn = [texture.file for texture in textures()]
    right = said.partition("Left alone, for they are right: ")[2].splitlines()[0].split(", ")
    page = (tmp_path / "out" / "demo.html").read_text(encoding="utf-8")
    # Godot 4 doesn't decide colour space at import: there the roughness map is wrong for its mipmaps alone.
    assert set(right) == set(drawn[6:])
    assert "a normal map imported as colour" in said
    assert page.count("<tr>") == len(drawn) + 1
    assert "data:image/png;base64," in page


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_place_where_the_demo_cant_write_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file.* can't be written"):
        run(tmp_path / place, headless=True)


def test_an_editor_that_doesnt_start_isnt_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # It knows none of an editor's arguments.
    monkeypatch.setenv("POPBRIDGE_GODOT4", sys.executable)
    with pytest.raises(
        UserError, match=r"The editor ended.*\(exit code 2\).*demo --headless` needs.*demo\.log"
    ):
        run(tmp_path / "out")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.find({"POPBRIDGE_HOME": str(tmp_path)})


async def ended(code: int) -> Process:
    """An editor that has."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", f"raise SystemExit({code})")
    await process.wait()
    return process


async def test_an_editor_that_crashes_after_all_is_applied_has_done_its_work(paths: Paths) -> None:
    with contextlib.closing(open_database(paths.database).conn) as connection:
        store = ReceiptStore(Database(connection))
        command = Command(id=0, name="texture.apply", args={}, deadline_ms=1)
        made, _ = store.open("s", "p", "P", command, "because")
        store.answered(made, Result(id=made, value={"before": [1], "after": [2]}))
    assert await _applied(paths, await ended(1)) == [{"before": [1], "after": [2]}]


async def test_an_editor_that_ended_well_is_waited_for(paths: Paths) -> None:
    with pytest.raises(UserError, match=r"Waited 0 s for the editor .*in vain\. .*--headless"):
        await _applied(paths, await ended(0), patience_s=0.3)


def test_a_daemon_that_doesnt_start_isnt_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPBRIDGE_LOG_LEVEL", "nonsense")
    monkeypatch.setenv("POPBRIDGE_GODOT4", sys.executable)
    with pytest.raises(UserError, match=r"demo\.log") as told:
        run(tmp_path / "out")
    assert "--headless" not in str(told.value)
    assert "log_level" in (tmp_path / "out" / "demo.log").read_text(encoding="utf-8")


def test_the_demo_can_be_repeated_in_its_folder_and_never_removes_what_it_did_not_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "precious.txt").write_text("x")
    with pytest.raises(UserError, match="isn't empty"):
        run(mine, headless=True)
    assert (mine / "precious.txt").exists()
    out = tmp_path / "out"
    assert run(out, headless=True) == 0
    (out / "notes.txt").write_text("mine")
    (out / "project" / "stale.txt").touch()
    monkeypatch.chdir(out)
    assert run(Path("."), headless=True) == 0
    assert Path.cwd() == out and (out / "demo.html").exists()
    assert (out / "notes.txt").read_text() == "mine" and not (out / "project" / "stale.txt").exists()
