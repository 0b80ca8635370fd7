"""The two adapters: Godot 3.5 to 3.6, and Godot 4.2 and later."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from packaging.version import Version

from bridge.api import Adapter, Addon, EditorSupport, GpuFormat, ImageFacts, Platform, TextureIntent
from bridge_godot import textures3, textures4
from bridge_godot.install import GODOT3, GODOT4, Generation, GodotSupport
from bridge_godot.memory import gpu_format
from bridge_godot.versions import SCHEME


class _Godot(Adapter):
    """What both have in common."""

    godot: ClassVar[Generation]

    engine = "godot"
    scheme = SCHEME

    def gpu_format(
        self, intent: TextureIntent, facts: ImageFacts, platform: Platform, version: Version
    ) -> GpuFormat | None:
        return gpu_format(intent, facts, platform)

    @property
    def editor(self) -> EditorSupport:
        return GodotSupport(self.godot)

    @cached_property
    def addon(self) -> Addon | None:
        return GodotSupport(self.godot).addon()


class Godot3(_Godot):
    """Godot 3.5 and 3.6."""

    name = "godot3"
    godot = GODOT3
    versions = GODOT3.versions
    texture_fields = textures3.FIELDS

    def compile_texture(
        self, intent: TextureIntent, present: Mapping[str, Any], version: Version
    ) -> dict[str, Any]:
        return textures3.compile_intent(intent, present)

    def read_texture(self, options: Mapping[str, Any], version: Version) -> TextureIntent:
        return textures3.read_intent(options)

    def expressible(self, intent: TextureIntent, version: Version) -> TextureIntent:
        return textures3.expressible(intent)


class Godot4(_Godot):
    """Godot 4.2 and later. Toasts are no capability: only 4.4 and later have them."""

    name = "godot4"
    godot = GODOT4
    versions = GODOT4.versions
    texture_fields = textures4.FIELDS

    def compile_texture(
        self, intent: TextureIntent, present: Mapping[str, Any], version: Version
    ) -> dict[str, Any]:
        return textures4.compile_intent(intent, present)

    def read_texture(self, options: Mapping[str, Any], version: Version) -> TextureIntent:
        return textures4.read_intent(options)

    def expressible(self, intent: TextureIntent, version: Version) -> TextureIntent:
        return textures4.expressible(intent)
