"""Rules of popbridge.toml for folders that aren't there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bridge.project.config import NAME, nowhere, read
from tests.messages import in_chinese
from tests.test_projectfile import written


def test_rules_for_folders_that_arent_there_are_told(tmp_path: Path) -> None:
    (tmp_path / "art").mkdir()
    names = [".", "art", "./art/", "arts", *(f"gone{n}" for n in range(6))]
    text = "".join(f"[[always]]\nfolder = '{name}'\nadvice = ['no_mipmaps']\n" for name in names)
    told = nowhere(tmp_path, read(written(tmp_path, text)))
    assert told[0] == f"{NAME}: always[3]: there is no folder `arts`." and len(told) == 6
    assert told[-1] == f"{NAME}: 2 more rules are for folders that aren't there."
    assert in_chinese(told[0]) == f"{NAME} 的 always[3]：没有文件夹 `arts`。"
    assert in_chinese(told[-1]) == f"{NAME}：还有 2 条规则的文件夹不存在。"


def test_a_rule_for_a_folder_whose_name_is_too_long_is_told_as_any_other(tmp_path: Path) -> None:
    text = "".join(f"[[always]]\nfolder = '{name}'\nadvice = ['no_mipmaps']\n" for name in ("a" * 300, "b"))
    assert [str(said)[-4:] for said in nowhere(tmp_path, read(written(tmp_path, text)))] == ["aa`.", "`b`."]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions don't bind this user")
def test_nothing_is_told_of_a_folder_that_nobody_can_look_for(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(0)
    found = read(written(tmp_path, "[[always]]\nfolder = 'shut/art'\nadvice = ['no_mipmaps']\n"))
    try:
        assert nowhere(tmp_path, found) == []
    finally:
        (tmp_path / "shut").chmod(0o700)
