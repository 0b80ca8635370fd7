"""What a project's textures take of a GPU's memory with their import settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accel.image.inspection import Inspection
from bridge.advisors.subject import facts_of
from bridge.audit.project import Project
from bridge.core.memory import Platform, limited, texture_bytes

PLATFORM: Platform = "desktop"
"""The one that reports sum up."""


def memory(project: Project, image: Inspection, settings: Mapping[str, Any] | None) -> int:
    """Bytes on the desktop; 0 where no engine says how the texture is kept."""
    adapter, version = project.adapter, project.version
    if adapter is None or version is None or settings is None:
        return 0
    intent = adapter.read_texture(settings, version)
    form = adapter.gpu_format(intent, facts_of(image), PLATFORM, version)
    if form is None:
        return 0
    width, height = limited(image.width, image.height, intent.max_size or 0)
    return texture_bytes(form, width, height, bool(intent.mipmaps))
