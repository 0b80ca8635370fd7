"""Runs the long reliability tests and writes docs/reliability.md.

`python -m tools.bench.reliability [NAME...]`: with names, only those sections are measured again. Everything
runs on loopback and stops by itself; tests/faults has the short forms.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tools.bench.page import Page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"

SECTIONS = ("kills", "reconnects", "conformance", "frames", "bombs", "peers", "control", "idle")
"""The modules beside this one, in the order of the page."""

HEAD = """# Reliability

<!-- Written by `python -m tools.bench.reliability`; don't edit. -->

What was done to the bridge, at length, and what it made of it. The short forms run with every test
(tests/faults). Counts hold anywhere; times and memory are of the machine that each section names.
"""


def main(names: Sequence[str]) -> int:
    """Returns the exit code: 2 for an unknown name."""
    return Page(PAGE, HEAD, SECTIONS).main(names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
