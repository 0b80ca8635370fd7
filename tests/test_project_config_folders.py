"""Rules of popbridge.toml for folders that aren't there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bridge.project.config import NAME, missing_folder_notices, read
from tests.messages import in_chinese, is_chinese
from tests.test_project_config import written


def test_rules_for_folders_that_arent_there_are_told(tmp_path: Path) -> None:
    (tmp_path / "art").mkdir()
    names = [".", "art", "./art/", "arts", *(f"gone{n}" for n in range(6))]
    text = "".join(f"[[always]]\nfolder = '{name}'\nadvice = ['no_mipmaps']\n" for name in names)
    told = missing_folder_notices(tmp_path, read(written(tmp_path, text)))
    assert str(told[0]) == f"{NAME}: always[3]: folder `arts` does not exist." and len(told) == 6
    assert "2 more rules" in str(told[-1]) and all(map(is_chinese, map(in_chinese, told)))


def test_a_rule_for_a_folder_whose_name_is_too_long_is_told_as_any_other(tmp_path: Path) -> None:
    text = "".join(f"[[always]]\nfolder = '{name}'\nadvice = ['no_mipmaps']\n" for name in ("a" * 300, "b"))
    notices = missing_folder_notices(tmp_path, read(written(tmp_path, text)))
    assert [str(notice).count("`b`") for notice in notices] == [0, 1]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions don't bind this user")
def test_nothing_is_told_of_a_folder_that_nobody_can_look_for(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(0)
    found = read(written(tmp_path, "[[always]]\nfolder = 'shut/art'\nadvice = ['no_mipmaps']\n"))
    try:
        assert missing_folder_notices(tmp_path, found) == []
    finally:
        (tmp_path / "shut").chmod(0o700)
