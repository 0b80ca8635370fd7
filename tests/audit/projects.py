"""Projects to audit: textures that are drawn here, imported with the engine's own defaults."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bridge.demo.textures import DemoTexture, save, textures

GODOT3 = 'config_version=4\n\n[application]\n\nconfig/name="Game"\n'
GODOT4 = 'config_version=5\n\n[application]\n\nconfig/name="Game"\nconfig/features=PackedStringArray("{}")\n'

IMPORT3 = """\
[remap]

importer="texture"
type="StreamTexture"
path="res://.import/{name}-0.stex"
metadata={{
"vram_texture": false
}}

[deps]

source_file="res://{file}"
dest_files=[ "res://.import/{name}-0.stex" ]

[params]

compress/mode=0
compress/lossy_quality=0.7
compress/hdr_mode=0
compress/bptc_ldr=0
compress/normal_map=0
flags/repeat=0
flags/filter=true
flags/mipmaps=false
flags/anisotropic=false
flags/srgb=2
process/fix_alpha_border=true
process/premult_alpha=false
process/HDR_as_SRGB=false
process/invert_color=false
process/normal_map_invert_y=false
stream=false
size_limit=0
detect_3d=true
svg/scale=1.0
"""
IMPORT4 = """\
[remap]

importer="texture"
type="CompressedTexture2D"
uid="uid://{uid}"
path="res://.godot/imported/{name}-0.ctex"
metadata={{
"vram_texture": false
}}

[deps]

source_file="res://{file}"
dest_files=["res://.godot/imported/{name}-0.ctex"]

[params]

compress/mode=0
compress/high_quality=false
compress/lossy_quality=0.7
compress/hdr_compression=1
compress/normal_map=0
compress/channel_pack=0
mipmaps/generate=false
mipmaps/limit=-1
roughness/mode=0
roughness/src_normal=""
process/fix_alpha_border=true
process/premult_alpha=false
process/normal_map_invert_y=false
process/hdr_as_srgb=false
process/hdr_clamp_exposure=false
process/size_limit=0
detect_3d/compress_to=1
"""


_NO_9 = str.maketrans("9", "8")
"""Godot's uids have the digits to 8."""


def game(root: Path, version: str = "4.6", only: Iterable[str] = ()) -> Path:
    """A project of this version of Godot; `only` are the files that it has, else it has all of the demo."""
    wanted = [one for one in textures() if not only or one.file in only]
    root.mkdir(parents=True, exist_ok=True)
    (root / "project.godot").write_text(
        GODOT3 if version.startswith("3") else GODOT4.format(version), encoding="utf-8"
    )
    for one in wanted:
        add(root, one, version)
    return root


def add(root: Path, texture: DemoTexture, version: str = "4.6", **replaced: str) -> Path:
    """Draws a texture and imports it."""
    save(texture.draw(), root / texture.file)
    return imported(root, texture.file, version, replaced)


def imported(root: Path, file: str, version: str = "4.6", replaced: Mapping[str, Any] | None = None) -> Path:
    """Writes the import settings of a file that is there; `replaced` are lines in the place of others."""
    template = IMPORT3 if version.startswith("3") else IMPORT4
    uid = "c" + hashlib.sha256(file.encode("utf-8", "surrogateescape")).hexdigest()[:12].translate(_NO_9)
    text = template.format(file=file, name=file.rpartition("/")[2], uid=uid)
    for old, new in (replaced or {}).items():
        assert old in text
        text = text.replace(old, new)
    path = root / f"{file}.import"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path
