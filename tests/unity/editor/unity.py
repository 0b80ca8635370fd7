"""The versions of Unity whose defines the package's sources are compiled with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.unity.editor.session import PACKAGE

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


def module_defines() -> list[str]:
    """Returns the defines of Unity's modules that the package can do without."""
    assembly = json.loads((PACKAGE / "Editor/PopBridge.Editor.asmdef").read_text("utf-8"))
    return [each["define"] for each in assembly["versionDefines"]]


def distinct(sources: Iterable[Path], known: str) -> Sequence[str]:
    """Returns the oldest version of each that the sources tell apart from others and from `known`."""
    files = (file for source in sources for file in source.rglob("*.cs"))
    asked = {name for file in files for line in DIRECTIVE.findall(file.read_text("utf-8"))
             for name in re.findall(r"\w+", line)}  # fmt: skip
    found: dict[frozenset[str], str] = {}
    for version in (known, *VERSIONS):
        found.setdefault(frozenset(defines(version)) & asked, version)
    return [version for version in found.values() if version != known]
