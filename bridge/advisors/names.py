"""What a texture's file name and folder say about it, by the conventions that artists use."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from msgspec import Struct

from bridge.core.textures import Kind, NormalConvention

NORMAL = frozenset({"n", "nm", "nrm", "nor", "norm", "normal", "normals", "normalmap", "nmap"})
GREY_DATA = frozenset({
    "roughness", "rough", "rgh", "metallic", "metalness", "ao", "occlusion", "ambientocclusion",
    "height", "heightmap", "displacement", "disp", "bump", "gloss", "glossiness", "smoothness",
})  # fmt: skip
PACKED = frozenset({"orm", "rma", "mra", "mrao", "aorm", "occlusionroughnessmetallic"})
# Not "color", "metal", "arm", "spec" or "mask": each is as often something else.
COLOR: dict[str, Kind] = {
    "albedo": "albedo", "alb": "albedo", "basecolor": "albedo", "diffuse": "albedo", "diff": "albedo",
    "emissive": "emissive", "emission": "emissive",
}  # fmt: skip
UI_FOLDERS = frozenset({
    "ui", "gui", "hud", "icon", "icons", "menu", "menus", "cursor", "cursors", "interface", "widgets",
    "button", "buttons",
})  # fmt: skip
UI_WORDS = frozenset({"ui", "gui", "hud", "icon", "icn", "btn", "button", "cursor", "crosshair"})
SHEETS = frozenset({"sheet", "spritesheet", "atlas", "tileset", "tilemap", "font", "flipbook"})
CONVENTIONS: dict[str, NormalConvention] = {
    "gl": "opengl", "ogl": "opengl", "opengl": "opengl", "dx": "directx", "directx": "directx",
}  # fmt: skip

# What stands behind the kind: rock_normal_2k, rock_nor_gl_1024, rock_roughness_01.
_VARIANT = re.compile(r"\d+[kx]?|tex|texture|map|v\d+")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+[kKx]?")


class Hints(Struct, frozen=True, kw_only=True):
    """What the name says; nothing of it is evidence by itself."""

    normal: bool = False
    convention: NormalConvention | None = None
    data: str = ""
    """The word that says that one grey channel is data."""
    packed: str = ""
    """The word that says that each channel is data of its own."""
    color: Kind | None = None
    ui: bool = False
    sheet: bool = False
    """Regions of it are addressed by pixels, so its size must stay."""

    @property
    def material(self) -> bool:
        """Whether it's named as a part of a 3D surface's material, a normal map aside."""
        return bool(self.data or self.packed or self.color)


def read_name(file: str) -> Hints:
    """The hints in a path with forward slashes, below the project's root."""
    path = PurePosixPath(file)
    words = [word.lower() for word in _WORDS.findall(path.stem)]
    sheet = not SHEETS.isdisjoint(words)
    convention = None
    while len(words) > 1 and (_VARIANT.fullmatch(words[-1]) or words[-1] in CONVENTIONS):
        convention = CONVENTIONS.get(words.pop(), convention)
    folders = {part.lower() for part in path.parts[:-1]}
    if not words:
        return Hints(ui=not UI_FOLDERS.isdisjoint(folders), sheet=sheet)
    if not (UI_FOLDERS.isdisjoint(folders) and UI_WORDS.isdisjoint((words[0], words[-1]))):
        # In ui/button_normal.png "normal" is a state of the button.
        return Hints(ui=True, sheet=sheet)
    if len(words) == 1 and len(words[0]) < 3:
        return Hints(sheet=sheet)
    ends = ("".join(words[-2:]), words[-1])
    return Hints(
        normal=not NORMAL.isdisjoint(ends),
        convention=convention,
        data=next((end for end in ends if end in GREY_DATA), ""),
        packed=next((end for end in ends if end in PACKED), ""),
        color=next((COLOR[end] for end in ends if end in COLOR), None),
        sheet=sheet,
    )
