"""Which textures sprite atlases pack. An atlas has settings of its own, which replace those of its sprites.

"Ensure that the source Texture of the Sprite is always uncompressed […] only the Sprite Atlas Texture needs
to be compressed" (Unity's manual, prepare Sprite Atlases for distribution).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from bridge_unity.metafile import SUFFIX

ATLAS_SUFFIXES = (".spriteatlas", ".spriteatlasv2")
PACKABLES = "packables"
"""The property of an atlas that refers to sprites, and to folders of sprites."""
EDITOR_SETTINGS = "ProjectSettings/EditorSettings.asset"
MAX_META = 1 << 12
"""Bytes read of a folder's `.meta`."""

_SPRITE = re.compile(rb"^  textureType: 8\b", re.MULTILINE)
_GUID = re.compile(rb"^guid: ([0-9a-f]{32})\b", re.MULTILINE)
_DISABLED = re.compile(rb"^  m_SpritePackerMode: 0\b", re.MULTILINE)


class SpriteAtlases:
    """The atlases of a project. GUIDs identify textures and folders."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._atlases: dict[str, str] = {}
        """The atlas file of each packed texture or folder, by its GUID."""
        self._sprites: set[str] = set()
        self._secondary: dict[str, tuple[str, ...]] = {}
        self._metas: list[str] = []

    def add_texture(self, guid: str, meta: bytes, secondary: Iterable[str]) -> None:
        """Adds a texture with the content of its `.meta` and the GUIDs of its secondary textures."""
        if _SPRITE.search(meta):
            self._sprites.add(guid)
        if others := tuple(secondary):
            self._secondary[guid] = others

    def add_meta(self, file: str) -> None:
        """Adds the `.meta` of anything that isn't a texture: perhaps of a folder."""
        self._metas.append(file)

    def add(self, atlas: str, packables: Iterable[str]) -> None:
        """Adds the GUIDs that an atlas packs."""
        for guid in packables:
            self._atlases.setdefault(guid, atlas)

    def owners(self, images: Mapping[str, str]) -> dict[str, str]:
        """Returns the atlas of each packed texture, by file; `images` are the textures' files by GUID."""
        if not self._atlases or self._is_disabled():
            return {}
        found = {guid: atlas for guid, atlas in self._atlases.items() if guid in images}
        folders = dict(self._folders(self._atlases.keys() - images.keys()))
        if folders:
            for guid in self._sprites.difference(found):
                above = (parent.as_posix() for parent in Path(images[guid]).parents)
                if atlas := next((folders[folder] for folder in above if folder in folders), ""):
                    found[guid] = atlas
        # They are packed with their sprites.
        for guid, atlas in [*found.items()]:
            found |= {other: atlas for other in self._secondary.get(guid, ()) if other in images}
        return {images[guid]: atlas for guid, atlas in found.items()}

    def _folders(self, wanted: Collection[str]) -> Iterator[tuple[str, str]]:
        """Yields the folders with these GUIDs, and their atlases."""
        for file in self._metas if wanted else ():
            folder = file.removesuffix(SUFFIX)
            if not (self._project / folder).is_dir():
                continue
            try:
                with (self._project / file).open("rb") as meta:
                    named = _GUID.search(meta.read(MAX_META))
            except OSError:
                continue
            if named and (guid := named.group(1).decode()) in wanted:
                yield folder, self._atlases[guid]

    def _is_disabled(self) -> bool:
        """Whether the project packs no atlases."""
        try:
            return bool(_DISABLED.search((self._project / EDITOR_SETTINGS).read_bytes()))
        except OSError:
            return False
