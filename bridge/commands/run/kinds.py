"""What a texture is for, asked before the workload runs: decides how its channels are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from accel.text import Text, text
from accel.texture.kinds import CLASS_OF, KINDS
from bridge.commands.terminal import say

UNIT_SHARE = 0.9
"""Share of texels with unit vectors from which the channels of a normal map are x, y and z; others are stored
in ways that only the engine decodes."""
SHOWN = 2


class TextureKind(Struct, frozen=True):
    """The classifier's answer for one file."""

    kind: str
    """The most probable kind."""
    share: float
    """Its probability."""
    sure: bool
    """Whether the answer is certain enough to decide how channels are read."""
    channels: str
    """The value for the parameter `kind` of image workloads; empty if unsure: they decide by pixels alone."""
    others: tuple[tuple[str, float], ...] = ()
    """The next most probable kinds, where unsure."""

    @classmethod
    def of(cls, examined: Mapping[str, Any]) -> TextureKind:
        """Returns the answer from the value of `texture.examine`."""
        found = examined["classification"]
        ranked = sorted(found["probabilities"].items(), key=lambda each: -each[1])
        kind, share = ranked[0]
        if not found["advise"]:
            return cls(kind, share, False, "", tuple(ranked[1:SHOWN]))
        return cls(kind, share, True, _channels(kind, examined["inspection"]))

    def describe(self) -> str:
        """Returns the answer for the line of a file."""
        if self.sure:
            return say(_TAKEN.fill(kind=self.kind, share=f"{self.share:.0%}"))
        shares = [f"{kind} {share:.0%}" for kind, share in ((self.kind, self.share), *self.others)]
        return say(text("unsure of its kind ({kinds})", kinds=shares))


_TAKEN: Text = text("taken for {kind} ({share})")


def _channels(kind: str, inspection: Mapping[str, Any]) -> str:
    # A plugin's classifier may know more kinds.
    family = CLASS_OF[kind] if kind in KINDS else ""  # type: ignore[index]
    if family == "normal":
        normals = inspection.get("normals")
        return "normal" if normals and normals["unit_length"] >= UNIT_SHARE else "data"
    if not family:
        return ""
    return "data" if family in ("data", "packed") else "color"
