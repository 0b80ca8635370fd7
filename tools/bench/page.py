"""A page of measurements: sections between markers, each with the machine that it was measured on."""

from __future__ import annotations

import importlib
import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from msgspec import Struct


class Page(Struct, frozen=True):
    """A page under docs that only benchmarks write."""

    path: Path
    head: str
    """The text above the sections."""
    names: Sequence[str]
    """The modules beside this one, in the order of the page; `measure()` of each gives its section."""

    def main(self, names: Sequence[str]) -> int:
        """Measures the named sections, or all, and returns the exit code: 2 for an unknown name."""
        if unknown := set(names) - set(self.names):
            print(f"There is no section {', '.join(sorted(unknown))}; there are {', '.join(self.names)}.")
            return 2
        for name in names or self.names:
            text = section(name)
            # Read and written for each section: the next one may fail, or another run may write too.
            found = sections(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}
            self.path.write_text(self.written({**found, name: text}), encoding="utf-8", newline="\n")
            print(text, end="\n\n")
        return 0

    def written(self, found: Mapping[str, str]) -> str:
        """Returns the text of the page."""
        parts = [f"<!-- section: {name} -->\n{found[name].strip()}" for name in self.names if name in found]
        return "\n\n".join([self.head.strip(), *parts]) + "\n"


def machine() -> str:
    """Describes the machine, without its host name."""
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
    """Returns the sections of a page, by name."""
    parts = re.split(r"(?m)^<!-- section: (\w+) -->\n", page)
    return dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))


def section(name: str) -> str:
    """Runs a benchmark and returns its section, with the machine."""
    text: str = importlib.import_module(f"tools.bench.{name}").measure()
    return f"{text.strip()}\n\nMeasured on {machine()}."
