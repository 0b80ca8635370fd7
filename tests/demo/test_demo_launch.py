"""Editors that can't be run, as the system refuses them."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from bridge.core.errors import UserError
from bridge.demo.demo import EditorError, Reader, launch
from bridge.demo.demo import run as demo


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
