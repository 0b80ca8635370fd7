"""Reads the header of a `.uasset`: the classes and the asset registry's tags of its objects.

The layout is that of files which editors from 4.8 to 5.7 saved: a summary of integers, in which the object
version decides on fields, and the tags at an offset that it names. Pixels aren't read: Unreal 5 compresses
them with Oodle.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from bridge.api import AnyText, text

TAG = 0x9E2A83C1
"""Begins every package, little-endian."""
LFS = b"version https://git-lfs"
"""Begins the pointer that Git LFS leaves in place of a file."""
HEAD_BYTES = 1 << 17
"""The summary; each of its variable parts is far smaller."""
TAG_BYTES = 8 << 20
"""The asset registry's part: tags of a texture take less than a kilobyte, those of some widgets over 60."""
MAX_TEXT = 1 << 15
"""Bytes; longer texts are skipped, as no texture has any."""
MAX_OBJECTS = 4096
MAX_TAGS = 1024

LFS_POINTER = text("a Git LFS pointer, not the asset; run `git lfs pull`")
UNKNOWN = text("its header is damaged, or of a version that PopBridge doesn't know")

FILTERED = 0x80000000
"""PKG_FilterEditorOnly: a cooked package."""
OLDEST, NEWEST = -9, -5
"""Versions of the summary's layout, which count down."""

# Object versions of Unreal 4, with which a field came.
TEXT_IN_PACKAGES, SEARCHABLE_NAMES, LOCALIZATION_ID = 459, 510, 516
PACKAGE_OWNER, OUTER_IMPORT, DEPENDENCY_FLAGS = 518, 520, 521
# Object versions of Unreal 5.
SOFT_OBJECT_PATHS, METADATA, VERSE_CELLS, SAVED_HASH, TYPE_HIERARCHIES = 1008, 1014, 1015, 1016, 1018


class HeaderError(ValueError):
    """A package can't be read; `args[0]` is the reason, for people."""

    @property
    def reason(self) -> AnyText:
        return self.args[0]  # type: ignore[no-any-return]


class PackageObject(Struct, frozen=True):
    """An object of a package, as the asset registry knows it."""

    name: str
    """Its name; the main one is the file's."""
    kind: str
    """Its class without the package of it: `Texture2D`."""
    tags: Mapping[str, str]
    """Values by the engine's names: `{"SRGB": "True"}`."""


def is_pointer(content: bytes) -> bool:
    """Whether a file begins as the pointer that Git LFS leaves in its place."""
    return content.startswith(LFS)


def read_header(file: Path) -> list[PackageObject]:
    """Returns the objects of a package. Raises HeaderError and OSError."""
    with file.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
        if is_pointer(head):
            raise HeaderError(LFS_POINTER)
        try:
            offset, has_dependencies = _tags_offset(_Reader(head))
            if offset <= 0:
                return []
            stream.seek(offset)
            return _objects(_Reader(stream.read(TAG_BYTES)), has_dependencies)
        except (struct.error, UnicodeDecodeError, OverflowError):
            raise HeaderError(UNKNOWN) from None


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def numbers(self, form: str) -> tuple[int, ...]:
        """Raises struct.error at the end."""
        found = struct.unpack_from(f"<{form}", self._content, self._at)
        self._at += struct.calcsize(f"<{form}")
        return found

    def number(self, form: str = "i") -> int:
        return self.numbers(form)[0]

    def skip(self, size: int) -> None:
        self._at += size

    def count(self, limit: int) -> int:
        found = self.number()
        if not 0 <= found <= limit:
            raise struct.error
        return found

    def text(self) -> str:
        """Returns a text of bytes, or of UTF-16 units if its length is negative; both end with zero."""
        length = self.number()
        size = length if length >= 0 else -2 * length
        if self._at + size > len(self._content):
            raise struct.error
        found = self._content[self._at : self._at + size]
        self._at += size
        if size > MAX_TEXT:
            return ""
        return (found[:-1].decode("utf-8") if length >= 0 else found[:-2].decode("utf-16-le")) if size else ""


def _tags_offset(reader: _Reader) -> tuple[int, bool]:
    """Returns the offset of the tags, 0 without any, and whether that of dependencies precedes them."""
    if reader.number("I") != TAG:
        raise HeaderError(text("it is no package of Unreal"))
    layout = reader.number()
    if not OLDEST <= layout <= NEWEST:
        raise HeaderError(UNKNOWN)
    reader.skip(4)
    version, newer = reader.number(), reader.number() if layout <= -8 else 0
    if not version:
        raise HeaderError(text("it is cooked"))
    reader.skip(4)
    if newer >= SAVED_HASH:
        reader.skip(20 + 4)
    for _ in range(reader.count(4096)):
        reader.skip(20)
        if layout > -6:
            reader.text()
    if newer < SAVED_HASH:
        reader.skip(4)
    reader.text()
    cooked = bool(reader.number("I") & FILTERED)
    reader.skip(8)
    reader.skip(8 * (newer >= SOFT_OBJECT_PATHS))
    if version >= LOCALIZATION_ID and not cooked:
        reader.text()
    reader.skip(8 * (version >= TEXT_IN_PACKAGES))
    # Exports and imports.
    reader.skip(16)
    reader.skip(16 * (newer >= VERSE_CELLS))
    reader.skip(4 * (newer >= METADATA))
    # Dependencies, soft references, searchable names, thumbnails.
    reader.skip(4 + 8)
    reader.skip(4 * (version >= SEARCHABLE_NAMES))
    reader.skip(4)
    reader.skip(8 * (newer >= TYPE_HIERARCHIES))
    reader.skip(16 * (newer < SAVED_HASH))
    if not cooked:
        reader.skip(16 * (version >= PACKAGE_OWNER))
        reader.skip(16 * (PACKAGE_OWNER <= version < OUTER_IMPORT))
    reader.skip(8 * reader.count(4096))
    for _ in range(2):
        # The engine that saved it, and the oldest that can read it.
        reader.skip(10)
        reader.text()
    reader.skip(4)
    if reader.number():
        raise HeaderError(text("it is a compressed package"))
    reader.skip(4)
    for _ in range(reader.count(MAX_OBJECTS)):
        reader.text()
    reader.skip(4 * (layout > -7))
    return reader.number(), version >= DEPENDENCY_FLAGS and not cooked


def _objects(reader: _Reader, has_dependencies: bool) -> list[PackageObject]:
    reader.skip(8 * has_dependencies)
    found = []
    for _ in range(reader.count(MAX_OBJECTS)):
        path, kind = reader.text(), reader.text()
        tags = {}
        for _ in range(reader.count(MAX_TAGS)):
            name = reader.text()
            tags[name] = reader.text()
        found.append(PackageObject(path.rpartition(".")[2], kind.rpartition(".")[2], tags))
    return found
