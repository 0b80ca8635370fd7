"""Godot's text resources (`.tscn`, `.tres`), read line by line: who refers to which file by which name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEAD = re.compile(rb"\[(gd_scene|gd_resource|ext_resource|sub_resource|node|resource)\b([^\r\n]*)\]")
_ATTRIBUTE = re.compile(rb'\b(type|path|uid|id)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|(\d+))')
_KEY = re.compile(rb'([^\s=\["{(](?:[^=\r\n"]*[^\s="])?)\s*=')
_REFERENCE = re.compile(rb'\b(Ext|Sub)Resource\(\s*(?:"([^"]*)"|(\d+))\s*\)')


@dataclass(frozen=True)
class File:
    """Another file that a resource refers to; either name may be missing or stale."""

    path: str
    uid: str


@dataclass
class Block:
    """A node, a sub-resource or the resource itself."""

    type: str
    id: str = ""
    """What others call a sub-resource."""
    files: list[tuple[str, File]] = field(default_factory=list)
    """Each property that refers to a file, with the file."""
    subs: list[tuple[str, str]] = field(default_factory=list)
    """Each property that refers to a sub-resource, with its id."""


def read(path: Path) -> Iterator[Block]:
    """The blocks of a text resource, in their order; none of a binary one. Raises OSError."""
    files: dict[str, File] = {}
    block, resource, key = Block(""), "", ""
    with path.open("rb") as text:
        for line in text:
            if line.startswith(b"[") and (head := _HEAD.match(line)):
                yield block
                said = _attributes(head.group(2))
                block, key = Block(""), ""
                match head.group(1):
                    case b"gd_scene" | b"gd_resource":
                        resource = said.get("type", "")
                    case b"ext_resource":
                        files[said.get("id", "")] = File(said.get("path", ""), said.get("uid", ""))
                    case b"resource":
                        block = Block(resource)
                    case _:
                        block = Block(said.get("type", ""), said.get("id", ""))
                continue
            if found := _KEY.match(line):
                key = _text(found.group(1))
            # Most lines of a scene are numbers, some of them megabytes long.
            if b"Resource(" in line:
                _refer(line, key, files, block)
    yield block


def _refer(line: bytes, key: str, files: dict[str, File], block: Block) -> None:
    for kind, name, number in _REFERENCE.findall(line):
        reference = _text(name or number)
        if kind == b"Sub":
            block.subs.append((key, reference))
        elif reference in files:
            block.files.append((key, files[reference]))


def _attributes(head: bytes) -> dict[str, str]:
    return {_text(name): _text(quoted or number) for name, quoted, number in _ATTRIBUTE.findall(head)}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape").replace('\\"', '"').replace("\\\\", "\\")
