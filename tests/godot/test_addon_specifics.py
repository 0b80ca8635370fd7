"""What only one of the two generations of Godot can be asked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgpack
import pytest

from tests.godot.codec import in_engine
from tests.godot.editor import Project
from tests.godot.engine import GODOT3, GODOT4, Engine

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("engine", [GODOT3], ids=["godot3"], indirect=True)
def test_what_godot_3s_strings_cannot_hold_is_left_out(project: Project) -> None:
    frames = [msgpack.packb(text).hex() for text in ("a\0b", "\ufeffab", "\0", "\ufeff")]
    assert [reading.again for reading in in_engine(project, frames)] == ["a26162", "a26162", "a0", "a0"]


@pytest.mark.parametrize("engine", [GODOT4], ids=["godot4"], indirect=True)
def test_no_script_gives_a_warning_of_godot_4s_analyzer(engine: Engine, project: Project) -> None:
    strict = Path(__file__).with_name("strict.godot").read_text(encoding="utf-8")
    with (project.root / "project.godot").open("a", encoding="utf-8") as settings:
        settings.write(strict)
    # Scripts are compiled when the editor loads the addon, warnings as errors.
    ran = subprocess.run(
        [*engine.command(), "--path", str(project.root), "--editor", "--quit"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert [line for line in (ran.stdout + ran.stderr).splitlines() if "SCRIPT ERROR" in line] == []
