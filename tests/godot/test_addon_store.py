"""What an addon keeps on a disk that is full, in the real engines."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.godot.editor import Project

pytestmark = pytest.mark.engine

LIMIT = 1 << 20
"""Bytes that a file may have, as in full.gd."""
WAIT_S = 120


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no process's files")
def test_a_full_disk_costs_nothing_that_was_kept_before_and_the_editor_says_so(project: Project) -> None:
    ran = on_a_full_disk(project)
    found = [line for line in ran.stdout.splitlines() if line.startswith("found: ")]
    assert found == ["found: before", "found: before"]
    assert "can't be written" in ran.stderr


def on_a_full_disk(project: Project) -> subprocess.CompletedProcess[str]:
    """What full.gd says."""
    import resource

    engine = project.engine
    (project.root / "full.gd").write_text(engine.script("full.gd"), encoding="utf-8")
    return subprocess.run(
        [*engine.command(), "--path", str(project.root), "-s", "res://full.gd"],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=True,
        # Else the signal ends the engine; so it has a part written, as a full disk does.
        restore_signals=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT)),
    )
