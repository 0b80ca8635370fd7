"""What the header of a texture's `.uasset` tells: import settings, size, format and source file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from msgspec import Struct

from bridge_unreal import labels
from bridge_unreal.package_header import PackageObject
from bridge_unreal.texture_intent import COMPRESSION, GROUP, SRGB

KIND = "Texture2D"
ENUMS = {
    "CompressionSettings": COMPRESSION, "LODGroup": GROUP, "AddressX": "address_x", "AddressY": "address_y",
    "Filter": "filter",
}  # fmt: skip
SWITCHES = {
    "SRGB": SRGB,
    "VirtualTextureStreaming": "virtual_texture_streaming",
    "NeverStream": "never_stream",
}
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})")
_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[0-9])(?=[A-Z])")


class TextureHeader(Struct, frozen=True):
    """A texture, as the asset registry knows it without loading it."""

    name: str
    options: Mapping[str, Any]
    """Import settings by the names of Unreal's Python API; those that have no tag are missing."""
    size: tuple[int, int] | None
    """Width and height, pixels."""
    format: str
    """Of the built texture on the desktop: `DXT1`, `BC5`, `B8G8R8A8`, …"""
    source: str
    """The source file, absolute or relative to the folder of the `.uasset`; empty without one."""
    digest: str
    """MD5 of the source file at its import, lower-case hex; empty if unknown."""


def texture_header(found: PackageObject) -> TextureHeader:
    """Returns what the tags of a `Texture2D` tell."""
    tags = found.tags
    options: dict[str, Any] = {}
    for tag, name in ENUMS.items():
        if value := tags.get(tag):
            options[name] = python_name(value)
    for tag, name in SWITCHES.items():
        if tags.get(tag) in ("True", "False"):
            options[name] = tags[tag] == "True"
    size = _SIZE.fullmatch(tags.get("Dimensions", ""))
    source, digest = _source(tags.get("AssetImportData", ""))
    return TextureHeader(
        name=found.name,
        options=options,
        size=(int(size[1]), int(size[2])) if size else None,
        format=tags.get("Format", ""),
        source=source,
        digest=digest,
    )


def python_name(value: str) -> str:
    """Returns the Python API's name of an enumeration's value: `TC_EditorIcon` is `TC_EDITOR_ICON`."""
    return _known().get(_plain(value)) or _BOUNDARY.sub("_", value).upper()


def _plain(value: str) -> str:
    return value.replace("_", "").upper()


@cache
def _known() -> Mapping[str, str]:
    return {_plain(name): name for name in labels.value_names()}


def _source(tag: str) -> tuple[str, str]:
    """Returns the first source file and its MD5; both are empty if the tag doesn't name them."""
    try:
        first = json.loads(tag)[0]
        source, digest = str(first["RelativeFilename"]), str(first.get("FileMD5", "")).lower()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return "", ""
    # Files on a network drive were stored with the digest 0010000000….
    is_digest = re.fullmatch(r"[0-9a-f]{32}", digest) and digest.strip("0") not in ("", "1")
    return source.replace("\\", "/"), digest if is_digest else ""
