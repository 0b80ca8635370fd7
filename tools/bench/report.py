"""Runs the benchmarks and writes docs/explanation/performance.md: `python -m tools.bench.report [NAME...]`.

With names, only those sections are measured again. Peers that the tests don't install are in
tools/bench/requirements.txt.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tools.bench.page import Page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "performance.md"

SECTIONS = (
    "requests", "cache", "blobs", "popup", "audit", "thumbnails", "parallel", "batching", "convert", "mips",
    "normals",
    "channels", "compress", "atlas", "networks", "pbr", "gpu", "store", "tls",
)  # fmt: skip
"""The modules beside this one, in the order of the page; `measure()` of each gives its section."""

HEAD = """# Performance

<!-- Written by `python -m tools.bench.report`; don't edit. -->

Every figure is a comparison with a peer in the same run. The ratios hold elsewhere; the absolute numbers
belong to the machine that each section names.
"""


def main(names: Sequence[str]) -> int:
    """Returns the exit code: 2 for an unknown name."""
    return Page(PAGE, HEAD, SECTIONS).main(names)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
