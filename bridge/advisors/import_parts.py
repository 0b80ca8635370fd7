"""Advice on thousands of files, a part at a time: all at once, it would hold up everybody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from bridge.advisors.advice import FileAdvice, Mark

PART = 64
"""Files that are read and dealt with in one go: about 2 ms."""
MAX_CHANGES = 200
"""Most changes in one command."""
MAX_CHANGES_BYTES = 96 * 1024
"""Most bytes of changes in one command: a frame holds 256 KiB."""

Value = TypeVar("Value")
Parts = Iterable[Sequence[FileAdvice]]
"""Files, for going through more than once."""

_decoder = msgspec.msgpack.Decoder(list[FileAdvice])


class Advice(Struct, frozen=True, tag_field="kind", tag="advice"):
    """The state of a popup that asks; the worst first."""

    files: list[FileAdvice] = field(default_factory=list)
    """As earlier versions kept them."""
    packed: list[bytes] = field(default_factory=list)
    """Parts of the files, encoded: a popup's state is read at once."""

    def __iter__(self) -> Iterator[Sequence[FileAdvice]]:
        yield from parted(self.files)
        yield from map(_decoder.decode, self.packed)


class Gist(Struct):
    """What all files of a popup come to."""

    marks: set[Mark] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)
    """Of what can be applied."""
    rules: set[tuple[str, str]] = field(default_factory=set)
    """The same by folder."""

    def add(self, files: Sequence[FileAdvice]) -> None:
        for file in files:
            self.marks |= file.marks()
            codes = {finding.code for finding in file.findings if finding.applicable}
            self.codes |= codes
            if codes:
                folder = file.folder
                self.rules.update((folder, code) for code in codes)


def packed(files: Sequence[FileAdvice]) -> Advice:
    """`files` as they are kept."""
    return Advice(packed=[msgspec.msgpack.encode(part) for part in parted(files)])


def parted(files: Sequence[FileAdvice]) -> Iterator[Sequence[FileAdvice]]:
    """`files`, so many at a time."""
    return (files[at : at + PART] for at in range(0, len(files), PART))


async def in_turns(parts: Iterable[Value]) -> AsyncIterator[Value]:
    """Each of `parts`; others are heard in between."""
    for part in parts:
        yield part
        await asyncio.sleep(0)


async def gist(parts: Parts) -> Gist:
    """What they come to."""
    found = Gist()
    async for files in in_turns(parts):
        found.add(files)
    return found


async def portions(parts: Parts) -> AsyncIterator[list[dict[str, Any]]]:
    """The changes of `texture.apply`, in portions that fit into a frame; the same for the same files."""
    portion: list[dict[str, Any]] = []
    size = 0
    async for files in in_turns(parts):
        for file in files:
            if not file.options:
                continue
            change = {"path": file.path, "options": file.options}
            own = len(msgspec.msgpack.encode(change))
            if portion and (len(portion) >= MAX_CHANGES or size + own > MAX_CHANGES_BYTES):
                yield portion
                portion, size = [], 0
            portion.append(change)
            size += own
    if portion:
        yield portion


async def let_go(files: dict[str, FileAdvice]) -> None:
    """Empties `files`, which nobody else holds."""
    while files:
        for path in list(files)[-PART:]:
            del files[path]
        await asyncio.sleep(0)
