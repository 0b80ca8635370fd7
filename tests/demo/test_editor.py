"""Editors that can't be run, as the system refuses them."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from bridge.core.errors import UserError
from bridge.demo.demo import run as demo
from bridge.demo.editor import (
    EditorError,
    PictureError,
    Reader,
    ask,
    has_display,
    has_virtual_screen,
    is_interactive,
    launch,
    pad,
    virtual_screen,
)


async def refused(program: Path) -> str:
    with (program.parent / "log").open("wb") as log, pytest.raises(EditorError) as told:
        await launch([str(program), "--editor"], os.environ, log)
    said = str(told.value)
    assert str(program) in said and said.endswith("`popbridge demo --headless` needs no real editor.")
    return said


def program(folder: Path, content: bytes) -> Path:
    made = folder / "editor.exe"
    made.write_bytes(content)
    made.chmod(0o755)
    return made


async def test_a_folder_such_as_a_macos_app_is_told_for_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "My Godot.app").mkdir()
    assert "is a folder; give the program in it" in await refused(tmp_path / "My Godot.app")


async def test_a_file_that_isnt_there_is_named(tmp_path: Path) -> None:
    assert "does not exist." in await refused(tmp_path / "gone.exe")


async def test_a_program_for_another_computer_is_told(tmp_path: Path) -> None:
    assert "is not a program for this computer" in await refused(program(tmp_path, b"MZ\x90 of another kind"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no right to run")
async def test_a_file_without_the_right_to_run_is_told_how_it_gets_it(tmp_path: Path) -> None:
    file = program(tmp_path, b"#!/bin/sh\n")
    file.chmod(0o644)
    assert "is not executable; run `chmod +x`" in await refused(file)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no first lines")
async def test_a_script_whose_program_is_missing_isnt_said_to_be_missing_itself(tmp_path: Path) -> None:
    assert "needs a program that is missing" in await refused(program(tmp_path, b"#!/there/is/none\n"))


async def test_what_is_refused_otherwise_is_told_in_the_systems_words(tmp_path: Path, monkeypatch) -> None:
    async def denied(*command: str, **options: object) -> None:
        raise PermissionError(13, "Access is denied", command[0])

    monkeypatch.setattr("asyncio.create_subprocess_exec", denied)
    said = await refused(program(tmp_path, b"MZ"))
    assert re.search(r"can't be started \(Access is denied\); check its permissions", said)


async def test_who_reads_chinese_is_told_in_chinese(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log, pytest.raises(EditorError) as told:
        await launch([str(tmp_path)], os.environ, log, Reader("zh_CN.UTF-8"))
    assert str(told.value) == (
        f"无法启动编辑器：{tmp_path} 是文件夹，请指定其中的程序。"
        "`popbridge demo --headless` 无需真正的编辑器。"
    )


def test_the_demo_leads_nobody_to_a_log_in_which_an_editor_never_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPBRIDGE_GODOT4", str(tmp_path))
    with pytest.raises(UserError, match=f"^Can't start the editor: {re.escape(str(tmp_path))} is") as told:
        demo(tmp_path / "out")
    assert "demo.log" not in str(told.value)


@pytest.mark.parametrize(
    ("env", "platform", "shown"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "win32", True),
        ({}, "darwin", True),
    ],
)
def test_windows_are_shown_where_there_is_a_screen(env: dict[str, str], platform: str, shown: bool) -> None:
    assert has_display(env, platform) is shown


@pytest.mark.parametrize(
    ("tty", "ci", "asked"), [(True, "", True), (True, "true", False), (False, "", False)]
)
def test_nobody_is_asked_in_a_build_or_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, tty: bool, ci: str, asked: bool
) -> None:
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: tty)
    assert is_interactive({"CI": ci}) is asked


def test_labels_of_both_languages_are_as_wide() -> None:
    assert pad("Page", 9) == "Page     " and pad("\u9875\u9762", 9) == "\u9875\u9762     "
    assert pad("quite long", 4) == "quite long "


class Camera:
    """Answers each request at once, or never."""

    command: Sequence[str] = ()
    env: Mapping[str, str] = {}

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers
        self.requests: list[tuple[str, str, str, bool]] = []

    def install(self) -> None: ...

    def request(self, name: str, *, select: str = "", press: str = "", alone: bool = False) -> None:
        self.requests.append((name, select, press, alone))

    def is_done(self, name: str) -> bool:
        return self.answers

    def picture(self, name: str) -> bytes:
        return name.encode()

    def remove(self) -> None: ...


async def python(code: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", code)


async def test_a_picture_is_waited_for_and_a_press_has_none() -> None:
    camera, process = Camera(answers=True), await python("input()")
    try:
        assert await ask(camera, process, "before", select="a.png", alone=True) == b"before"
        assert await ask(camera, process, "press", press="apply") == b""
    finally:
        process.kill()
        await process.wait()
    assert camera.requests == [("before", "a.png", "", True), ("press", "", "apply", False)]


async def test_no_picture_is_waited_for_once_the_editor_has_ended_or_its_time_is_over() -> None:
    process = await python("raise SystemExit(3)")
    await process.wait()
    with pytest.raises(PictureError, match="code 3"):
        await ask(Camera(answers=False), process, "before")
    living = await python("import time; time.sleep(60)")
    try:
        with pytest.raises(PictureError, match="before"):
            await ask(Camera(answers=False), living, "before", timeout_s=0.2)
    finally:
        living.kill()
        await living.wait()


@pytest.mark.skipif(not has_virtual_screen(), reason="Xvfb isn't installed")
def test_a_virtual_screen_is_one_of_its_own() -> None:
    with virtual_screen((640, 480)) as first, virtual_screen((640, 480)) as second:
        assert first["DISPLAY"] != second["DISPLAY"] and first["WAYLAND_DISPLAY"] == ""
