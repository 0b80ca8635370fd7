"""How a database's tables are split over pages, by row number: read past SQLite, which stops at damage."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

INTERIOR = 5
"""The first byte of a page that says which rows lie in which pages (database file format, b-tree pages)."""
WAL_HEADER, FRAME_HEADER = 32, 24
"""Bytes before the first frame of a write-ahead log, and before each page in it."""


class Splits:
    """What the file and its log say; all of it may be wrong or old, so it only tells where to look."""

    def __init__(self, path: Path) -> None:
        """Reads both files once. Let no connection of this process have them open: closing a file ends
        its locks on it (fcntl(2))."""
        self._children: dict[int, set[int]] = {}
        self._rows: dict[int, set[int]] = {}
        # Windows refuses to read what another program has locked.
        with contextlib.suppress(OSError):
            for number, page in _pages(path):
                self._take(number, page)

    def of(self, root: int) -> list[int]:
        """The last row numbers of the pages of the table with this root page; its last page has none."""
        found: set[int] = set()
        seen, waiting = {root}, [root]
        while waiting:
            page = waiting.pop()
            found |= self._rows.get(page, set())
            children = self._children.get(page, set()) - seen
            seen |= children
            waiting.extend(children)
        return sorted(found)

    def _take(self, number: int, page: bytes) -> None:
        # Offsets 3, 8 and 12: how many cells, the right-most child, where each cell is.
        children, rows = self._children.setdefault(number, set()), self._rows.setdefault(number, set())
        children.add(int.from_bytes(page[8:12], "big"))
        for at in range(12, min(12 + 2 * int.from_bytes(page[3:5], "big"), len(page)), 2):
            cell = int.from_bytes(page[at : at + 2], "big")
            children.add(int.from_bytes(page[cell : cell + 4], "big"))
            rows.add(_varint(page[cell + 4 : cell + 13]))


def _pages(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each page, old or new, that tells of other pages. Raises OSError."""
    with path.open("rb") as file:
        # Offset 16: the size of a page, where 1 stands for 65536.
        size = int.from_bytes(file.read(18)[16:], "big")
        size = 65536 if size == 1 else size
        if size < 512:
            return
        file.seek(0)
        for number, page in enumerate(_read(file, size), 1):
            if page[0] == INTERIOR:
                yield number, page
    wal = path.with_name(f"{path.name}-wal")
    if not wal.exists():
        return
    with wal.open("rb") as file:
        file.seek(WAL_HEADER)
        for frame in _read(file, FRAME_HEADER + size):
            if frame[FRAME_HEADER] == INTERIOR:
                yield int.from_bytes(frame[:4], "big"), frame[FRAME_HEADER:]


def _read(file: BinaryIO, size: int) -> Iterator[bytes]:
    while len(piece := file.read(size)) == size:
        yield piece


def _varint(data: bytes) -> int:
    """SQLite's: seven bits of each byte, the most significant first, and all eight of the ninth."""
    value = 0
    for at, byte in enumerate(data):
        if at == 8:
            value = value << 8 | byte
        else:
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                break
    return value
