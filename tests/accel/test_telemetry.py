"""What computes here tells nobody, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (
    "HOME",
    "USERPROFILE",
    "LOCALAPPDATA",
    "APPDATA",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
    "XDG_CONFIG_HOME",
)


def left_by(code: str, home: Path) -> list[str]:
    """The files that a process of a user with an empty `home` has left there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "ORT_"))}
    env = {**kept, **dict.fromkeys(FOLDERS, str(home))}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=True, timeout=120)
    return [path.name for path in home.rglob("*") if path.is_file()]


def test_judging_a_texture_leaves_no_identifier_and_nothing_to_be_sent(tmp_path: Path) -> None:
    assert left_by("from accel.texture.model import warm; warm()", tmp_path) == []


@pytest.mark.parametrize(("wanted", "set_to"), [({}, "1"), ({"ORT_DISABLE_TELEMETRY": "0"}, "0")])
def test_it_is_off_before_anything_is_loaded_unless_somebody_wants_it(
    wanted: dict[str, str], set_to: str
) -> None:
    code = (
        "import accel, os, sys; assert 'onnxruntime' not in sys.modules;"
        "sys.exit(os.environ['ORT_DISABLE_TELEMETRY'] != sys.argv[1])"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "ORT_"))}
    subprocess.run(
        [sys.executable, "-c", code, set_to], cwd=ROOT, env={**env, **wanted}, check=True, timeout=60
    )
