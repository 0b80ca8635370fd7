"""Trains the network of surfaces, from a bare machine: `python tools/train/pbr.py`.

In the environment of `tools/train/run.py`, `.train/venv`. Brings the materials that materials.tsv names out
of their packages, renders procedural ones, learns, writes accel/texture/surface.onnx with its record,
measures on packages that weren't learned from, and writes docs/models/estimate-pbr.md. Takes about half an
hour on two cores; what was brought once is kept in `.train`. Arguments go to surfaces/train.py.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """The exit status of the training, or of what failed before it."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from tools.train import run

    return run.main(arguments, "tools.train.surfaces.train")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
