"""Folders for drafts: what killed runs left is cleared, what others use isn't."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridge.commands.run.outputs import ABANDONED_S, staging_folder
from bridge.core.errors import UserError


def of(folder: Path, pid: int, machine: str | None = None) -> Path:
    """The folder of another run, with a file in it."""
    mine = staging_folder(folder)
    _, own, _, rest = mine.name.split("-", 3)
    other = mine.rename(folder / f".popbridge-{machine or own}-{pid}-{rest}")
    (other / "0").mkdir()
    (other / "0" / "file").write_bytes(b"x")
    return other


def gone() -> int:
    """The id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(60)
    return process.pid


def age(folder: Path) -> None:
    old = time.time() - ABANDONED_S - 60
    for path in (folder / "0", folder):
        os.utime(path, (old, old))


def test_what_a_killed_run_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    left = of(tmp_path, gone())
    mine = staging_folder(tmp_path)
    assert mine.is_dir() and not left.exists()


def test_what_a_run_uses_is_left_alone(tmp_path: Path) -> None:
    other = of(tmp_path, os.getppid())
    elsewhere = of(tmp_path, gone(), "00000000")
    staging_folder(tmp_path)
    assert (other / "0" / "file").exists() and (elsewhere / "0" / "file").exists()


def test_what_is_older_than_a_day_is_cleared_whoever_left_it(tmp_path: Path) -> None:
    elsewhere = of(tmp_path, os.getppid(), "00000000")
    unnamed = elsewhere.rename(tmp_path / ".popbridge-ab_1")
    age(unnamed)
    mine, foreign = tmp_path / ".popbridge-my.folder", tmp_path / ".popbridge-file"
    mine.mkdir()
    foreign.write_bytes(b"x")
    staging_folder(tmp_path)
    assert not unnamed.exists() and mine.exists() and foreign.exists()


def test_a_folder_that_cant_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(UserError, match="Can't create or write to"):
        staging_folder(tmp_path / "file")
