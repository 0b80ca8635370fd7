"""Judges examinations in tests: with an engine that decides every field, or as many as a test says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.advisors.findings import Finding, find
from bridge.advisors.texture_facts import texture_facts
from bridge.core.textures import (
    PLATFORMS,
    TextureIntent,
    TextureUse,
    TextureUses,
    texture_bytes,
    usual_format,
)
from tests.advisors.examinations import imagined

ALL = frozenset(TextureIntent.__struct_fields__) - {"filter", "mip_filter", "excludes"}
SETTLED = TextureIntent(
    color_space="srgb", normal_convention="opengl", mipmaps=True, alpha="transparency", max_size=0
)
"""As a colour texture with mipmaps is imported."""
AS_NORMAL = {"kind": "normal", "color_space": "linear"}
AS_DATA = {"color_space": "linear"}


def judged(examination: Any, file: str, decides: frozenset[str] = ALL, limit: int = 4096, packed: Any = None,
           srgb_kinds: Any = frozenset(), resizes: bool = False, formats: Any = (),
           uses: Sequence[TextureUse] = (), detects: frozenset[str] = frozenset(),
           **present: Any) -> dict[str, Finding]:  # fmt: skip
    def memory(intent: TextureIntent) -> Any:
        image = examination.inspection
        forms = {p: usual_format(intent, texture.facts, p) for p in PLATFORMS}
        return {
            p: texture_bytes(f, image.width, image.height, bool(intent.mipmaps))
            for p, f in forms.items()
            if f
        }

    settings = TextureIntent(**present).over(SETTLED)
    texture = texture_facts(
        examination,
        file,
        present=settings,
        decides=decides,
        max_size=limit,
        srgb_kinds=srgb_kinds,
        resizes=resizes,
        uses=TextureUses(tuple(uses)),
        detects=detects,
        formats=lambda _: formats,
        memory=memory,
    )
    return {finding.code: finding for finding in find(texture, packed)}


def imagine(file: str, what: Any, facts: dict[str, Any] | None = None, **more: Any) -> dict[str, Finding]:
    return judged(imagined(file, what, **(facts or {})), file, **more)


OPAQUE = {
    "used": False, "constant": 255, "min": 1.0, "max": 1.0, "share_opaque": 1.0, "share_transparent": 0.0,
}  # fmt: skip
USED = {
    "used": True, "constant": None, "min": 0.0, "max": 1.0, "share_opaque": 0.5, "share_transparent": 0.5,
}  # fmt: skip

VECTORS = {
    "unit_length": 0.99, "tolerance": 0.05, "mean": (0.5, 0.5, 0.9), "flat": 0.0, "convention": None,
    "convention_confidence": 0.0,
}  # fmt: skip
