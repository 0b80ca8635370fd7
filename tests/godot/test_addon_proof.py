"""The addons' proofs in the real engines, against the vectors that all clients have."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.godot.editor import Project

pytestmark = pytest.mark.engine

VECTORS = Path(__file__).parents[1] / "vectors" / "proof.json"
WAIT_S = 120


def test_its_proofs_are_those_of_the_vectors_and_it_accepts_no_other(project: Project) -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    (project.root / "vectors.json").write_text(json.dumps({"vectors": vectors}), encoding="utf-8")
    (project.root / "proof.gd").write_text(project.engine.script("proof.gd"), encoding="utf-8")
    ran = subprocess.run(
        [*project.engine.command(), "--path", str(project.root), "-s", "res://proof.gd"],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=True,
    )
    found = [line.split()[1:] for line in ran.stdout.splitlines() if line.startswith("proof: ")]
    accepted = [[each.lower() for each in (valid, damaged)] for _, _, valid, damaged in found]
    assert accepted == [["true", "false"]] * len(vectors)
    assert [line[:2] for line in found] == [[v["id"], v["client_proof"]] for v in vectors]
