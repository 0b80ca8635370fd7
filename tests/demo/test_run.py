"""The demo, with the built-in editor and a real daemon."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import re
import sys
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any, cast

import pytest
from sqlite_utils import Database

from bridge.api import EditorSupport
from bridge.core.errors import UserError
from bridge.core.messages import Command, Result
from bridge.demo import demo
from bridge.demo.demo import _stand_in, _wait_applied, run
from bridge.demo.editor import Reader
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
    page = (tmp_path / "out" / "demo.html").read_text(encoding="utf-8")
    changes, _, untouched = page.partition('<ul class="right">')
    # Godot 4 doesn't decide colour space at import: there the roughness map is wrong for its mipmaps alone.
    assert set(re.findall(r"<h3>([^<]+)</h3>", changes)) == set(drawn[:6])
    assert re.findall(r"<span>([^<]+)</span></li>", untouched) == drawn[6:]
    assert "Compress › Mode" in changes and "compress/mode" in changes
    # Each material texture is shown as it looks in the game.
    assert changes.count('<div class="tiles">') == 4
    assert '<details class="group"' in page and "data:image/png;base64," in page
    for command in ("audit", "install godot", "service install"):
        assert f"popbridge {command}" in said.partition("demo.html")[2]


def test_a_texture_that_finds_no_room_is_told_as_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    says = r"rock_normal\.png` \(No space left on device\)"
    with pytest.raises(UserError, match=says):
        run(tmp_path / "out", headless=True)


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_place_where_the_demo_cant_write_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"Can't write .*file"):
        run(tmp_path / place, headless=True)


def test_an_editor_that_doesnt_start_isnt_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # It knows none of an editor's arguments.
    monkeypatch.setenv("POPBRIDGE_GODOT4", sys.executable)
    with pytest.raises(UserError, match=r"The editor exited with code 2.*demo --headless` needs.*demo\.log"):
        run(tmp_path / "out")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.find({"POPBRIDGE_HOME": str(tmp_path)})


async def ended(code: int) -> Process:
    """An editor that has."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", f"raise SystemExit({code})")
    await process.wait()
    return process


async def test_an_editor_that_crashes_after_all_is_wait_applied_has_done_its_work(paths: Paths) -> None:
    with contextlib.closing(open_database(paths.database).conn) as connection:
        store = ReceiptStore(Database(connection))
        command = Command(id=0, name="texture.apply", args={}, deadline_ms=1)
        made, _ = store.open("s", "p", "P", command, "because")
        before, after = ([{"path": "a", "options": {"x": x}}] for x in (1, 2))
        store.answered(made, Result(id=made, value={"before": before, "after": after}))
    assert await _wait_applied(paths, await ended(1)) == [{"before": before, "after": after}]


async def test_an_editor_that_ended_well_is_waited_for(paths: Paths) -> None:
    with pytest.raises(UserError, match=r"within 0 s\. .*--headless"):
        await _wait_applied(paths, await ended(0), timeout_s=0.3)


def test_a_daemon_that_doesnt_start_isnt_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPBRIDGE_LOG_LEVEL", "nonsense")
    monkeypatch.setenv("POPBRIDGE_GODOT4", sys.executable)
    with pytest.raises(UserError, match=r"demo\.log") as told:
        run(tmp_path / "out")
    assert "--headless" not in str(told.value)
    assert "log_level" in (tmp_path / "out" / "demo.log").read_text(encoding="utf-8")


def test_the_demo_can_be_repeated_in_its_folder_and_never_removes_what_it_did_not_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
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
    capsys.readouterr()
    assert run(Path("."), headless=True, reader=Reader("zh_CN.UTF-8")) == 0
    said = capsys.readouterr().out
    labels = [line.split()[0] for line in said.splitlines() if line[:1].strip()]
    assert labels == ["项目", "编辑器", "弹窗", "已修复", "页面", "后续步骤"]
    assert "压缩 › 模式" in (out / "demo.html").read_text(encoding="utf-8")
    assert Path.cwd() == out and (out / "demo.html").exists()
    assert (out / "notes.txt").read_text() == "mine" and not (out / "project" / "stale.txt").exists()


def test_a_plugins_stand_in_that_takes_no_locale_goes_on_working(tmp_path: Path) -> None:
    class Older:
        def headless(self, project: Path, answer: str | None = None) -> tuple[Path, str | None]:
            return project, answer

    stand_in: Any = _stand_in(cast(EditorSupport, Older()), tmp_path, Reader("zh_CN.UTF-8"))
    assert stand_in == (tmp_path, "apply")


def test_who_reads_chinese_is_told_in_chinese_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.txt").touch()
    (tmp_path / "file").touch()
    reader = Reader("zh_CN.UTF-8")
    with pytest.raises(UserError, match=r"mine` 不为空，也不是演示所建"):
        run(tmp_path / "mine", headless=True, reader=reader)
    with pytest.raises(UserError, match=r"^无法写入 .*file"):
        run(tmp_path / "file", headless=True, reader=reader)


async def test_an_editor_that_ends_early_is_told_of_in_chinese(paths: Paths) -> None:
    says = r"^编辑器尚未应用修复就已退出（退出码 3）。`popbridge demo --headless` 无需真正的编辑器。$"
    with pytest.raises(UserError, match=says):
        await _wait_applied(paths, await ended(3), reader=Reader("zh_CN.UTF-8"))


def test_the_project_alone_keeps_its_wrong_settings(tmp_path: Path) -> None:
    assert run(tmp_path / "out", project_only=True) == 0
    assert "mipmaps/generate=false" in (
        tmp_path / "out" / "project" / "materials" / "rock_normal.png.import"
    ).read_text(encoding="utf-8")
    assert not (tmp_path / "out" / "demo.html").exists()


def test_a_window_that_nobody_can_see_isnt_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(UserError, match="--open"):
        run(tmp_path / "out", headless=True, open_editor=True)
    assert not (tmp_path / "out").exists()


WINDOW = """\
import json, os, pathlib, sys
project, note = map(pathlib.Path, sys.argv[1:])
home = pathlib.Path(os.environ["POPBRIDGE_HOME"])
settings = (project / "materials" / "rock_normal.png.import").read_text(encoding="utf-8")
note.write_text(json.dumps([(home / "connection.json").exists(), "mipmaps/generate=false" in settings]))
"""
"""Stands in for an editor that the user closes at once."""


def test_the_opened_project_has_its_wrong_settings_again_and_a_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    window = [sys.executable, "-c", WINDOW, str(tmp_path / "out" / "project"), str(tmp_path / "note")]
    monkeypatch.setattr(demo, "_window", lambda _: window)
    assert run(tmp_path / "out", headless=True, open_editor=False) == 0
    assert not (tmp_path / "note").exists()
    capsys.readouterr()
    assert run(tmp_path / "out", headless=True, open_editor=True) == 0
    assert json.loads((tmp_path / "note").read_text()) == [True, True]
    # The page stays, and the next steps come last.
    assert (tmp_path / "out" / "demo.html").exists()
    assert "service install" in capsys.readouterr().out.splitlines()[-1]
