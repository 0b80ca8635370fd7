"""Runs the benchmarks and writes docs/performance.md: `python -m tools.bench.report [NAME...]`.

With names, only their sections are measured anew: the others stay as they are. The peers that aren't
installed for the tests are in tools/bench/requirements.txt.
"""

from __future__ import annotations

import importlib
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"

SECTIONS = (
    "requests", "popup", "audit", "thumbnails", "parallel", "batching", "convert", "mips", "normals",
    "channels", "compress", "atlas", "networks", "pbr", "gpu", "store",
)  # fmt: skip
"""The modules beside this one, in the order of the page; `measure()` of each gives its section."""

HEAD = """# Performance

<!-- Written by `python -m tools.bench.report`; don't edit. -->

Figures are comparisons with a peer in the same run: take the ratios, not the absolute numbers, to another
machine.
"""


def machine() -> str:
    """The machine in words, without its name."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores of {_processor()}, {memory:.0f} GiB, {platform.system()}, "
        f"CPython {platform.python_version()}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def sections(page: str) -> dict[str, str]:
    """The sections of a page that this has written, by name."""
    parts = re.split(r"(?m)^<!-- section: (\w+) -->\n", page)
    return dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))


def written(found: Mapping[str, str]) -> str:
    """The page."""
    parts = [f"<!-- section: {name} -->\n{found[name].strip()}" for name in SECTIONS if name in found]
    return "\n\n".join([HEAD.strip(), *parts]) + "\n"


def section(name: str) -> str:
    """What a benchmark measures now, and where."""
    text: str = importlib.import_module(f"tools.bench.{name}").measure()
    return f"{text.strip()}\n\nMeasured on {machine()}."


def main(names: Sequence[str]) -> int:
    """The exit status; 2 for a name that is none."""
    if unknown := set(names) - set(SECTIONS):
        print(f"There is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}.")
        return 2
    for name in names or SECTIONS:
        found = sections(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
        found[name] = section(name)
        # After each, as the next may fail.
        PAGE.write_text(written(found), encoding="utf-8")
        print(found[name], end="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
