"""The versions of Unity whose defines the package's sources are compiled with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

VERSIONS = (
    "2021.3", "2022.1", "2022.2", "2022.3", "2023.1", "2023.2", "6000.0", "6000.1", "6000.2", "6000.3",
    "6000.4", "6000.5", "7000.0",
)  # fmt: skip
"""Versions whose `UNITY_…_OR_NEWER` Unity defines; 7000.0 is Unity 7."""
DIRECTIVE = re.compile(r"^\s*#(?:el)?if (.+)$", re.MULTILINE)


def defines(version: str) -> list[str]:
    """Returns what Unity of this version defines of its version."""
    reached = VERSIONS[: VERSIONS.index(version) + 1]
    return [f"UNITY_{each.replace('.', '_')}_OR_NEWER" for each in reached]


def distinct(sources: Iterable[Path]) -> Sequence[str]:
    """Returns the oldest version of each that the sources tell apart."""
    files = (file for source in sources for file in source.rglob("*.cs"))
    asked = {name for file in files for line in DIRECTIVE.findall(file.read_text("utf-8"))
             for name in re.findall(r"\w+", line)}  # fmt: skip
    found: dict[frozenset[str], str] = {}
    for version in VERSIONS:
        found.setdefault(frozenset(defines(version)) & asked, version)
    return list(found.values())
