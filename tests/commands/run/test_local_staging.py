"""Folders for what isn't in its place yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.commands.run.local import StagingFolders
from bridge.core.errors import UserError


def test_a_folder_is_lent_to_one_job_at_a_time_and_empty(tmp_path: Path) -> None:
    folders = StagingFolders(tmp_path)
    first, second = folders.acquire(), folders.acquire()
    assert first is not None and first != second
    (first / "left").write_bytes(b"of a job that failed")
    folders.release(first)
    assert folders.acquire() == first and not list(first.iterdir())


def test_a_disk_that_takes_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Can't create"):
        StagingFolders(tmp_path / "gone").acquire()


def test_there_are_none_where_nothing_is_kept() -> None:
    folders = StagingFolders(None)
    folders.release(folders.acquire())
    assert folders.acquire() is None
