"""Reads Unity's text assets: the references of their objects, and the few values that matter to textures.

In a text asset "each object is a separate document", headed `--- !u!{class id} &{file id}` (Unity's manual,
format of text serialized files).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

TRANSFORM, CAMERA, MATERIAL, PARTICLES_OLD, ANIMATION, TRAIL = 4, 20, 21, 26, 74, 96
SCRIPT, LINE, PARTICLES, SPRITE_RENDERER, CANVAS, RECT_TRANSFORM = 114, 120, 199, 212, 223, 224
MESH_RENDERER, SKINNED_RENDERER, SPRITE_MASK, TERRAIN_LAYER = 23, 137, 331, 1953259897
"""Class ids (Unity's manual, YAML class ID reference)."""

_OWN = b"  m_GameObject: "
_PLACE = (_OWN, b"  m_Father: ", b"  m_LocalScale: ")
_VALUES: Mapping[int, tuple[bytes, ...]] = {
    TRANSFORM: _PLACE,
    RECT_TRANSFORM: (*_PLACE, b"  m_SizeDelta: ", b"  m_AnchorMin: ", b"  m_AnchorMax: "),
    CANVAS: (_OWN, b"  m_RenderMode: "),
    SCRIPT: (_OWN, b"  m_Type: "),
    SPRITE_RENDERER: (_OWN, b"  m_DrawMode: "),
    CAMERA: (b"  orthographic: ", b"  orthographic size: "),
    MATERIAL: (b"    - _Mode: ", b"    - _Surface: ", b"    - _AlphaClip: ",
               b"    - _SmoothnessTextureChannel: "),
}  # fmt: skip
"""The starts of the lines whose values are read, by class id."""

_DOCUMENT = re.compile(rb"--- !u!(\d+) &(-?\d+)")
_KEY = re.compile(rb"\s*(?:- )?([A-Za-z_][^:{}]*):")
_GUID = re.compile(rb"\bguid: ([0-9a-f]{32})\b")
_MAPPING_ENDS = (b":\n", b":\r\n")
_FILE_ID = re.compile(rb"\{fileID: (-?\d+)")
_VECTOR = re.compile(r"\{x: ([-+.\deE]+), y: ([-+.\deE]+)")
_INNER_ID = re.compile(r"\{fileID: (-?\d+)\}")


@dataclass(frozen=True)
class Reference:
    """A reference from a value to another file."""

    key: str
    """The property of a material's texture, such as `_BumpMap`; otherwise the name of the value."""
    guid: str
    file_id: int
    """The object within that file."""


@dataclass
class Document:
    """One object; `kind` is its class id, such as 21 for a material."""

    kind: int
    file_id: int = 0
    """Identifies the object in its file."""
    references: list[Reference] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    """The text of the values that are read."""

    def reference(self, key: str) -> Reference | None:
        """Returns the reference of the first value of that name."""
        return next((ref for ref in self.references if ref.key == key), None)

    def number(self, key: str) -> float:
        """Returns a value; 0 if it is missing or isn't a number."""
        try:
            return float(self.values.get(key, "0"))
        except ValueError:
            return 0.0

    def vector(self, key: str) -> tuple[float, float] | None:
        """Returns the first two components of a value; None if it is missing."""
        found = _VECTOR.match(self.values.get(key, ""))
        try:
            return (float(found[1]), float(found[2])) if found else None
        except ValueError:
            return None

    def inner(self, key: str) -> int:
        """Returns the object of the same file that a value refers to; 0 for none."""
        found = _INNER_ID.match(self.values.get(key, ""))
        return int(found[1]) if found else 0


def read_documents(path: Path) -> Iterator[Document]:
    """Yields the objects of a text asset in order; none of a binary one. Raises OSError."""
    document, parent, name = Document(0), "", ""
    values: tuple[bytes, ...] = ()
    with path.open("rb") as text:
        for line in text:
            if line.startswith(b"--- ") and (header := _DOCUMENT.match(line)):
                yield document
                document, parent = Document(int(header.group(1)), int(header.group(2))), ""
                values = _VALUES.get(document.kind, ())
            # Most lines of a scene are numbers, some of them megabytes long.
            elif line.endswith(_MAPPING_ENDS):
                parent = _key(line)
            elif b"guid: " in line and (guid := _GUID.search(line)):
                number = _FILE_ID.search(line)
                file_id = int(number.group(1)) if number else 0
                key = _key(line) or parent
                if key == "m_Texture" and document.kind == MATERIAL:
                    # `m_Texture: {…}` follows `- _BumpMap:`; in Unity 5, `name: _BumpMap` and `second:`.
                    key = name if parent == "second" else parent
                document.references.append(Reference(key, guid.group(1).decode(), file_id))
            elif values and line.startswith(values):
                key_text, _, value = line.partition(b": ")
                document.values[key_text.strip(b" -").decode()] = value.strip().decode("utf-8", "replace")
            elif document.kind == MATERIAL and line.lstrip().startswith(b"name: "):
                name = line.partition(b": ")[2].strip().decode("utf-8", "replace")
    yield document


def _key(line: bytes) -> str:
    found = _KEY.match(line)
    return found.group(1).decode("utf-8", "replace") if found else ""


class Layout:
    """The places of the objects of one scene or prefab: their scale, and their size in a user interface."""

    def __init__(self) -> None:
        self._transforms: dict[int, Document] = {}
        self._of_object: dict[int, int] = {}
        """The transform of each game object."""
        self._canvases: dict[int, int] = {}
        """The render mode of each game object with a canvas."""

    def add(self, document: Document) -> None:
        """Adds an object of the file."""
        if document.kind in (TRANSFORM, RECT_TRANSFORM):
            self._transforms[document.file_id] = document
            self._of_object[document.inner("m_GameObject")] = document.file_id
        elif document.kind == CANVAS:
            self._canvases[document.inner("m_GameObject")] = int(document.number("m_RenderMode"))

    def scale(self, game_object: int) -> float:
        """Returns the scale of a game object in its file, without that of its canvas."""
        scale = 1.0
        for transform in self._above(game_object):
            # Unity sets the scale of a canvas itself.
            if transform.inner("m_GameObject") in self._canvases:
                break
            own = transform.vector("m_LocalScale") or (1.0, 1.0)
            scale *= max(abs(own[0]), abs(own[1]))
        return scale

    def size(self, game_object: int) -> tuple[float, float] | None:
        """Returns the width and height of a rectangle in pixels; None if it depends on the screen's size."""
        size = self._unscaled(self._of_object.get(game_object, 0), 0)
        scale = self.scale(game_object)
        return (size[0] * scale, size[1] * scale) if size and min(size) > 1 and scale else None

    def is_in_world(self, game_object: int) -> bool:
        """Whether a game object is in a canvas that stands in the 3D world."""
        modes = (self._canvases.get(each.inner("m_GameObject")) for each in self._above(game_object))
        return next((mode == WORLD_SPACE for mode in modes if mode is not None), False)

    def _above(self, game_object: int) -> Iterator[Document]:
        """Yields the transform of a game object and those above it."""
        at, seen = self._of_object.get(game_object, 0), set[int]()
        while at in self._transforms and at not in seen:
            seen.add(at)
            yield self._transforms[at]
            at = self._transforms[at].inner("m_Father")

    def _unscaled(self, at: int, depth: int) -> tuple[float, float] | None:
        transform = self._transforms.get(at)
        delta = transform.vector("m_SizeDelta") if transform else None
        if transform is None or delta is None or depth > MAX_DEPTH:
            return None
        least = transform.vector("m_AnchorMin") or (0.0, 0.0)
        most = transform.vector("m_AnchorMax") or (0.0, 0.0)
        stretch = most[0] - least[0], most[1] - least[1]
        if not any(stretch):
            return delta
        parent = self._unscaled(transform.inner("m_Father"), depth + 1)
        if parent is None:
            return None
        return stretch[0] * parent[0] + delta[0], stretch[1] * parent[1] + delta[1]


WORLD_SPACE = 2
"""`RenderMode.WorldSpace` of a canvas."""
MAX_DEPTH = 64
"""Rectangles in each other whose sizes are computed."""
