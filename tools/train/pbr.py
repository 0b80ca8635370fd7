"""Trains the surface network on a bare machine: `python tools/train/pbr.py`.

Uses the virtual environment of `tools/train/run.py`, `.train/venv`. Unpacks the materials of materials.tsv,
renders procedural ones, trains, writes accel/texture/surface.onnx and records it, evaluates on packages that
weren't trained on, and writes the model card estimate-pbr.md. Takes about half an hour on two cores; `.train`
caches the materials. Arguments are passed to surfaces/train.py.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Returns the exit code of the training, or of the installation if that failed."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from tools.train import run

    return run.main(arguments, "tools.train.surfaces.train")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
