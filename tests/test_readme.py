"""Both READMEs: what they show of Python runs, and is the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import pyvips

from bridge.paths import Paths
from tests.advisors import pictures
from tests.server.daemons import ProcessDaemon

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh-CN.md"))
PAGE = (ROOT / "docs" / "guides" / "operations.md").read_text("utf-8")
MOST_BYTES = 200 * 1024
EXAMPLES = re.findall(r"```python\n(.*?)```", ENGLISH, re.DOTALL)


class Served(ProcessDaemon):
    """`popbridge serve`."""

    command = ("-m", "bridge.cli", "serve", "--port", "0", "--workers", "1")


def test_both_languages_show_the_same_examples() -> None:
    assert EXAMPLES and re.findall(r"```python\n(.*?)```", CHINESE, re.DOTALL) == EXAMPLES


def test_each_language_shows_a_picture_of_its_own_of_the_same_size() -> None:
    shown = [re.findall(r"!\[.+\]\((docs/images/.+)\)", page) for page in (ENGLISH, CHINESE)]
    assert shown == [["docs/images/popup-godot4.png"], ["docs/images/popup-godot4.zh-CN.png"]]
    sizes = {pyvips.Image.new_from_file(str(ROOT / name)).numpy().shape for (name,) in shown}
    assert len(sizes) == 1
    assert sorted((ROOT / "docs" / "images").iterdir()) == sorted(ROOT / name for (name,) in shown)
    assert all((ROOT / name).stat().st_size <= MOST_BYTES for (name,) in shown)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_example_makes_a_thumbnail_and_says_what_is_wrong(tmp_path: Path, example: str) -> None:
    daemon = Served(tmp_path / "home")
    script = tmp_path / "script.py"
    script.write_text(example, "utf-8")
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    env = {**os.environ, "POPBRIDGE_HOME": str(tmp_path / "home"), "PYTHONPATH": path}

    def ran() -> str:
        command = [sys.executable, str(script)]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
        return done.stdout

    try:
        daemon.start()
        pictures.save(tmp_path / "rock.png", pictures.noise(3, 300))
        assert "128" in ran()
        small = pyvips.Image.new_from_file(str(tmp_path / "rock-small.png"))
        assert (small.width, small.height) == (128, 128)
        (tmp_path / "rock.png").write_bytes(b"no picture")
        assert "rock.png: isn't an image" in ran()
    finally:
        daemon.end()


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
