"""Unity's text assets (scenes, prefabs, materials), read line by line: what refers to which file, and
by which name.

"Each object is a separate document", headed `--- !u!{class id} &{file id}` (Unity's manual, format of text
serialized files).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEAD = re.compile(rb"--- !u!(\d+) ")
_KEY = re.compile(rb"\s*(?:- )?([A-Za-z_][^:{}]*):")
_GUID = re.compile(rb"\bguid: ([0-9a-f]{32})\b")
_HEADS = (b":\n", b":\r\n")
_FILE_ID = re.compile(rb"\{fileID: (-?\d+)")


@dataclass(frozen=True)
class Reference:
    """Another file that a value refers to."""

    key: str
    """Of a material's texture its property, for example `_BumpMap`; else the value's own name."""
    guid: str
    file_id: int
    """Which object of that file."""


@dataclass
class Document:
    """One object; `kind` is its class id, for example 21 for a material."""

    kind: int
    references: list[Reference] = field(default_factory=list)

    def refers(self, key: str) -> Reference | None:
        """What the first value of that name refers to."""
        return next((one for one in self.references if one.key == key), None)


def read(path: Path) -> Iterator[Document]:
    """The objects of a text asset, in their order; none of a binary one. Raises OSError."""
    document, heading = Document(0), ""
    with path.open("rb") as text:
        for line in text:
            if line.startswith(b"--- ") and (head := _HEAD.match(line)):
                yield document
                document, heading = Document(int(head.group(1))), ""
            # Most lines of a scene are numbers, some of them megabytes long.
            elif line.endswith(_HEADS):
                heading = _key(line)
            elif b"guid: " in line and (named := _GUID.search(line)):
                # `- _BumpMap:` heads `m_Texture: {…}`, and what that refers to is the property's.
                key = _key(line) or heading
                known = heading if key == "m_Texture" and heading.startswith("_") else key
                number = _FILE_ID.search(line)
                file_id = int(number.group(1)) if number else 0
                document.references.append(Reference(known, named.group(1).decode(), file_id))
    yield document


def _key(line: bytes) -> str:
    found = _KEY.match(line)
    return found.group(1).decode("utf-8", "replace") if found else ""
