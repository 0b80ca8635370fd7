"""Asks an addon's codec, in its engine, what it makes of frames."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from tests.godot.editor import Project

WAIT_S = 120


@dataclass
class Reading:
    """What became of one frame: `again` is it, decoded and encoded, in hex; else `refused` says why."""

    again: str = ""
    refused: str = ""
    problem: str = ""
    """Why it is no message from a daemon."""


def in_engine(project: Project, frames: list[str]) -> list[Reading]:
    """What codec.gd says to each frame (hex)."""
    # An empty line stands for no byte at all.
    (project.root / "vectors.txt").write_text("\n".join(frame or " " for frame in frames), encoding="ascii")
    engine = project.engine
    (project.root / "codec.gd").write_text(engine.script("codec.gd"), encoding="utf-8")
    ran = subprocess.run(
        [*engine.command(), "--path", str(project.root), "-s", "res://codec.gd"],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=True,
    )
    complaints = [line for line in (ran.stdout + ran.stderr).splitlines() if "ERROR" in line]
    assert not complaints, "Godot complained about what the codec had refused"
    return list(_readings(ran.stdout))


def _readings(output: str) -> list[Reading]:
    readings: list[Reading] = []
    for line in output.splitlines():
        name, _, value = line.partition(": ")
        if name == "frame":
            readings.append(Reading())
        elif name in ("again", "refused", "problem"):
            setattr(readings[-1], name, value)
    return readings
