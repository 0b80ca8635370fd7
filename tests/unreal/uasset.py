"""Writes the headers of `.uasset` files as editors of several versions do."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

TAG = 0x9E2A83C1
LAYOUTS = {
    "4.13": (-6, 504, 0), "4.25": (-7, 518, 0), "4.27": (-7, 522, 0), "5.0": (-8, 522, 1004),
    "5.3": (-8, 522, 1009), "5.7": (-9, 522, 1018),
}  # fmt: skip
"""By engine version: the layout of the summary, and the object versions of Unreal 4 and 5."""
TAGS = {
    "Dimensions": "512x512", "HasAlphaChannel": "False", "Format": "DXT1", "AssetImportData": "[]",
    "AddressX": "TA_Wrap", "AddressY": "TA_Wrap", "CompressionSettings": "TC_Default", "Filter": "TF_Default",
    "LODGroup": "TEXTUREGROUP_World", "SRGB": "True", "VirtualTextureStreaming": "False",
    "NeverStream": "False",
}  # fmt: skip
"""What an imported colour texture has."""
NORMAL_MAP = {
    "CompressionSettings": "TC_Normalmap", "SRGB": "False", "LODGroup": "TEXTUREGROUP_WorldNormalMap",
    "Format": "BC5",
}  # fmt: skip


def write_texture(
    file: Path, tags: Mapping[str, str] = {}, engine: str = "5.3", kind: str = "Texture2D"
) -> None:
    """Writes an asset with the tags of `TAGS`, of which `tags` replaces some."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(package({file.stem: (kind, {**TAGS, **tags})}, *LAYOUTS[engine]))


def package(
    objects: Mapping[str, tuple[str, Mapping[str, str]]],
    layout: int,
    version: int,
    newer: int,
    flags: int = 0,
) -> bytes:
    """Returns a package whose objects have a class and tags."""
    cooked = bool(flags & 0x80000000)

    def head(offset: int) -> bytes:
        out = struct.pack("<Iiii", TAG, layout, 864, version)
        out += struct.pack("<i", newer) if layout <= -8 else b""
        out += struct.pack("<i", 0)
        versions = struct.pack("<i", 1) + bytes(16) + struct.pack("<i", 7)
        if newer >= 1016:
            out += bytes(20) + struct.pack("<i", 0) + versions
        else:
            out += versions + struct.pack("<i", 0)
        out += text("None") + struct.pack("<Iii", flags, 3, 500)
        out += struct.pack("<ii", 0, 0) if newer >= 1008 else b""
        out += text("A" * 32) if version >= 516 and not cooked else b""
        out += struct.pack("<ii", 0, 0) if version >= 459 else b""
        out += struct.pack("<iiii", 1, 600, 2, 700)
        out += struct.pack("<iiii", 0, 0, 0, 0) if newer >= 1015 else b""
        out += struct.pack("<i", 0) if newer >= 1014 else b""
        out += struct.pack("<iii", 800, 0, 0)
        out += struct.pack("<i", 0) if version >= 510 else b""
        out += struct.pack("<i", 900)
        out += struct.pack("<ii", 0, 0) if newer >= 1018 else b""
        out += bytes(16) if newer < 1016 else b""
        if not cooked:
            out += bytes(16) if version >= 518 else b""
            out += bytes(16) if 518 <= version < 520 else b""
        out += struct.pack("<iii", 1, 1, 3)
        for _ in range(2):
            out += struct.pack("<HHHI", 5, 3, 0, 0) + text("++UE5+Release-5.3")
        out += struct.pack("<IiIi", 0, 0, 0, 0)
        out += struct.pack("<i", 0) if layout > -7 else b""
        return out + struct.pack("<i", offset)

    registry = struct.pack("<q", 0) if version >= 521 and not cooked else b""
    registry += struct.pack("<i", len(objects))
    for name, (kind, tags) in objects.items():
        prefix = "/Script/Engine." if newer >= 1007 else ""
        registry += text(name) + text(prefix + kind) + struct.pack("<i", len(tags))
        registry += b"".join(text(each) for tag in tags.items() for each in tag)
    start = len(head(0))
    return head(start) + registry + bytes(64)


def text(value: str) -> bytes:
    if value.isascii():
        return struct.pack("<i", len(value) + 1) + value.encode() + b"\0"
    return struct.pack("<i", -len(value) - 1) + value.encode("utf-16-le") + b"\0\0"
