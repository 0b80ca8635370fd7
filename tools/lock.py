"""Pins every dependency by hash, for all platforms and Pythons at once: writes both lock files.

Needs `uv` on PATH (`pip install uv`); no address of a registry ends up in them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"requirements.lock": ("build",), "requirements-dev.lock": ("build", "dev")}
COMMAND = (
    "uv", "pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes",
    "--no-header", "--no-annotate", "--quiet",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """`--upgrade` takes the newest versions; without it those in the files stay where they fit."""
    for lock, extras in LOCKS.items():
        chosen = [part for extra in extras for part in ("--extra", extra)]
        if status := subprocess.call([*COMMAND, *chosen, *arguments, "setup.cfg", "-o", lock], cwd=ROOT):
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
