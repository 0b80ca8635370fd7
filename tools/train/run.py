"""Trains the texture-kind model on a bare machine: `python tools/train/run.py`.

Creates a virtual environment in `.train/venv`, downloads the packages of sources.tsv with the clients of
their registries (apt-get, npm, pip), renders procedural textures, trains, evaluates on sources that weren't
trained on, and writes accel/texture/kinds.onnx, accel/texture/context.npz and the card texture-kind.md.
Takes more than an hour on two cores; `.train` caches every step. Arguments are passed to train.py.

Then, in the same environment, `python -m tools.train.project_calibration` sets the weights of names and the
thresholds by real projects, and `python -m tools.train.measure` writes the accuracy in others to the card.
They clone the repositories of repositories.tsv, or read them from `--mirror FOLDER`, and take minutes.
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
MIN_PYTHON = (3, 11)


def main(arguments: list[str], module: str = "tools.train.train") -> int:
    """Returns the exit code of the training module, or of the installation if that failed."""
    if sys.version_info < MIN_PYTHON:
        print(
            f"Training needs Python {'.'.join(map(str, MIN_PYTHON))} or newer, not {sys.version.split()[0]}."
        )
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
