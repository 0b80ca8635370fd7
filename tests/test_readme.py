"""Both READMEs: they show an audit, and link to the same pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import pyvips

from bridge.paths import Paths

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh-CN.md"))
PAGE = (ROOT / "docs" / "guides" / "operations.md").read_text("utf-8")
MOST_BYTES = 200 * 1024


def test_both_languages_link_to_the_same_pages() -> None:
    english, chinese = (
        set(re.findall(r"\]\((docs/[^)#]+\.md|[A-Z]+\.md)", page)) for page in (ENGLISH, CHINESE)
    )
    own = {
        "README.md",
        "README.zh-CN.md",
        "docs/zh/installation.md",
        "docs/zh/first-audit.md",
        "docs/installation.md",
    }
    assert english - own == chinese - own


def test_each_language_shows_a_picture_of_its_own_of_the_same_size() -> None:
    shown = [re.findall(r"!\[.+\]\((docs/images/.+)\)", page) for page in (ENGLISH, CHINESE)]
    assert shown == [["docs/images/popup-godot4.png"], ["docs/images/popup-godot4.zh-CN.png"]]
    sizes = {pyvips.Image.new_from_file(str(ROOT / name)).numpy().shape for (name,) in shown}
    assert len(sizes) == 1
    own = {ROOT / name for (name,) in shown}
    assert {path for path in (ROOT / "docs" / "images").iterdir() if path.name.startswith("popup")} == own
    assert all((ROOT / name).stat().st_size <= MOST_BYTES for (name,) in shown)


@pytest.mark.parametrize("page", [ENGLISH, CHINESE])
def test_the_audit_that_is_shown_finds_something(page: str) -> None:
    (shown,) = re.findall(r"```console\n\$ popbridge audit game/project .*?\n(.*?)```", page, re.DOTALL)
    assert "materials/brick_normal.png" in shown and "process" not in shown and "Traceback" not in shown


def test_every_picture_is_shown_by_a_page() -> None:
    pages = [ENGLISH, CHINESE, *(page.read_text("utf-8") for page in (ROOT / "docs").rglob("*.md"))]
    names = [path.name for path in (ROOT / "docs" / "images").iterdir()]
    assert names and [name for name in names if not any(f"images/{name}" in page for page in pages)] == []


def test_the_page_on_operations_names_every_folder_and_file() -> None:
    windows = Paths.find({"LOCALAPPDATA": "L"}, "win32")
    assert windows.data.as_posix() == "L/popbridge" and windows.cache.as_posix() == "L/popbridge/Cache"
    linux = Paths.find({"HOME": "/h"}, "linux")
    folders = [linux.data, linux.runtime, linux.cache, Paths.find({"HOME": "/h"}, "darwin").cache]
    named = [f"~{folder.as_posix().removeprefix('/h')}" for folder in folders]
    files = [value.name for value in (getattr(linux, name) for name in dir(Paths)) if isinstance(value, Path)]
    files = [name for name in files if name != "popbridge"]
    assert {"popbridge.db", "connection.json", "routing.json"} <= set(files)
    assert [name for name in (*named, *files) if f"`{name}`" not in PAGE] == []
