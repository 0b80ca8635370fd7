"""One texture with its engine's options: what they say, and what they take of the GPU's memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packaging.version import Version

from accel.image.inspection import Inspection
from accel.texture.examine import Examination
from bridge import supports
from bridge.advisors.subject import Memory, Texture, facts_of, subject
from bridge.api import Adapter
from bridge.core.memory import PLATFORMS, GpuFormat, Platform
from bridge.core.textures import TextureIntent


def texture_of(
    examination: Examination,
    file: str,
    options: Mapping[str, Any],
    adapter: Adapter,
    version: Version,
    max_size: int = 4096,
) -> Texture:
    """A texture with these options, as its engine has it; `max_size` is the longest side that is accepted."""
    image = examination.inspection
    return subject(
        examination,
        file,
        present=supports.checked_intent(adapter.read_texture(options, version), adapter.name),
        decides=frozenset(adapter.texture_fields),
        srgb_kinds=frozenset(adapter.srgb_kinds),
        resizes=adapter.resizes,
        max_size=max_size,
        formats=lambda intent: _forms(image, adapter, version, intent).values(),
        memory=lambda intent: memory_of(image, _with(options, intent, adapter, version), adapter, version),
    )


def _with(
    options: Mapping[str, Any], intent: TextureIntent, adapter: Adapter, version: Version
) -> dict[str, Any]:
    """The options that have become `intent`, as far as the engine's decide it."""
    todo = adapter.compile_texture(intent.only(adapter.texture_fields), options, version)
    return {**options, **supports.checked_options(todo, adapter.name)}


def memory_of(image: Inspection, options: Mapping[str, Any], adapter: Adapter, version: Version) -> Memory:
    """Bytes of the GPU's memory by platform, where they are known."""
    facts = facts_of(image)
    sizes = {
        platform: supports.checked_memory(adapter.gpu_memory(options, facts, platform, version))
        for platform in PLATFORMS
    }
    return {platform: size for platform, size in sizes.items() if size is not None}


def _forms(
    image: Inspection, adapter: Adapter, version: Version, intent: TextureIntent
) -> dict[Platform, GpuFormat]:
    """The formats with these settings, by platform, where they are known."""
    facts = facts_of(image)
    forms = {platform: adapter.gpu_format(intent, facts, platform, version) for platform in PLATFORMS}
    return {platform: form for platform, form in forms.items() if form is not None}
