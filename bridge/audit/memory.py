"""What a project's textures take of a GPU's memory with their import settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge import supports
from bridge.audit.project import Project
from bridge.audit.results import Row
from bridge.core.memory import Platform

PLATFORM: Platform = "desktop"
"""The one that reports sum up."""


def measure(project: Project, row: Row) -> None:
    """Says in the row what it takes as it is, and with its options."""
    row.memory = row.memory_after = _memory(project, row, row.settings)
    if row.options:
        row.memory_after = _memory(project, row, {**(row.settings or {}), **row.options})


def _memory(project: Project, row: Row, settings: Mapping[str, Any] | None) -> int:
    """Bytes on the desktop; 0 where no engine says how the texture is kept."""
    adapter, version = project.adapter, project.version
    if adapter is None or version is None or settings is None or row.facts is None:
        return 0
    return supports.checked_memory(adapter.gpu_memory(settings, row.facts, PLATFORM, version)) or 0
