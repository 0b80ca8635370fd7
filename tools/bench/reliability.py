"""Runs the long proofs for docs/explanation/reliability.md: `python -m tools.bench.reliability [NAME...]`.

With names, only their sections are measured anew: the others stay as they are. Everything goes over loopback
and stops by itself; tests/faults has the short forms.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tools.bench.page import Page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "reliability.md"

SECTIONS = ("kills", "reconnects", "conformance", "frames", "bombs", "peers", "control", "idle")
"""The modules beside this one, in the order of the page."""

HEAD = """# Reliability

<!-- Written by `python -m tools.bench.reliability`; don't edit. -->

These tests kill, cut and flood PopBridge for a long time, and count what was lost. Shorter versions are
part of the test suite (tests/faults). The counts don't depend on the machine; times and memory do, and
each section names the machine.
"""


def main(names: Sequence[str]) -> int:
    """The exit status; 2 for a name that is none."""
    return Page(PAGE, HEAD, SECTIONS).main(names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
