"""Reads what Godot's text resources (`.tscn`, `.tres`) refer to, and the values that matter to textures."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bridge_godot.import_file import RES

VALUES = frozenset({
    b"billboard_mode", b"params_billboard_mode", b"transparency", b"flags_transparent",
    b"params_use_alpha_scissor", b"texture_filter", b"metallic_texture_channel",
    b"roughness_texture_channel", b"ao_texture_channel", b"refraction_texture_channel", b"scale",
    b"rect_scale", b"expand_mode", b"expand", b"ignore_texture_size", b"expand_icon",
    b"custom_minimum_size", b"rect_min_size", b"offset_left", b"offset_top", b"offset_right",
    b"offset_bottom", b"margin_left", b"margin_top", b"margin_right", b"margin_bottom", b"anchor_left",
    b"anchor_top", b"anchor_right", b"anchor_bottom", b"layout_mode",
})  # fmt: skip
"""The properties whose values are read."""
SHADERS = frozenset({"Shader", "VisualShader"})
MAX_CODE = 1 << 20
"""Bytes of a shader inside a resource."""

_HEAD = re.compile(rb"\[(gd_scene|gd_resource|ext_resource|sub_resource|node|resource)\b([^\r\n]*)\]")
_ATTRIBUTE = re.compile(rb'\b(type|path|uid|id|name|parent)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|(\d+))')
_KEY = re.compile(rb'([^\s=\["{(](?:[^=\r\n"]*[^\s="])?)\s*=')
_REFERENCE = re.compile(rb'\b(Ext|Sub)Resource\(\s*(?:"([^"]*)"|(\d+))\s*\)')
_STRING_END = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SIZE = re.compile(r"Vector2i?\(\s*([-+.\deE]+)\s*,\s*([-+.\deE]+)\s*\)")


@dataclass(frozen=True)
class File:
    """A file that a resource refers to. Either name may be missing or outdated."""

    path: str
    """Below the project, with `/`."""
    uid: str


@dataclass(slots=True)
class Block:
    """A node, a sub-resource, or the resource itself."""

    type: str
    id: str = ""
    """The id of a sub-resource."""
    node: str = ""
    """The path of a node in its scene; `.` for the root."""
    parent: str = ""
    """The path of its parent; empty for the root."""
    files: list[tuple[str, File]] = field(default_factory=list)
    """Each property that refers to a file, with the file."""
    subresources: list[tuple[str, str]] = field(default_factory=list)
    """Each property that refers to a sub-resource, with its id."""
    values: dict[str, str] = field(default_factory=dict)
    """The literals of VALUES."""
    code: str = ""
    """The source of a shader."""

    def number(self, *names: str) -> float | None:
        """Returns the value of the first of these properties that the block has; None for another type."""
        literal = next((self.values[name] for name in names if name in self.values), None)
        if literal in ("true", "false"):
            return float(literal == "true")
        try:
            return None if literal is None else float(literal)
        except ValueError:
            return None

    def size(self, *names: str) -> tuple[float, float] | None:
        """Returns the 2D vector of the first of these properties that the block has one of."""
        found = (_SIZE.match(self.values[name]) for name in names if name in self.values)
        try:
            return next(((float(vector[1]), float(vector[2])) for vector in found if vector), None)
        except ValueError:
            return None


def local_path(path: str, folder: str) -> str:
    """Returns a path of a resource in `folder` as one below the project; empty for one outside.

    Paths without `res://` are relative to the resource's folder.
    """
    below = path.removeprefix(RES)
    if "://" in below or "\0" in below:
        return ""
    if below == path and path:
        below = posixpath.normpath(posixpath.join(folder, path))
    return "" if below.startswith(("/", "../")) else below


def read_resource(path: Path, folder: str = "") -> Iterator[Block]:
    """Yields the blocks of a text resource in `folder` of the project; none of a binary one.

    Raises OSError.
    """
    files: dict[str, File] = {}
    block, resource, key = Block(""), "", b""
    with path.open("rb") as lines:
        for line in lines:
            if line.startswith(b"[") and (head := _HEAD.match(line)):
                yield block
                attributes = _attributes(head.group(2))
                block, key = Block(""), b""
                match head.group(1):
                    case b"gd_scene" | b"gd_resource":
                        resource = attributes.get("type", "")
                    case b"ext_resource":
                        place = local_path(attributes.get("path", ""), folder)
                        files[attributes.get("id", "")] = File(place, attributes.get("uid", ""))
                    case b"resource":
                        block = Block(resource)
                    case b"node":
                        block = _node(attributes)
                    case _:
                        block = Block(attributes.get("type", ""), attributes.get("id", ""))
                continue
            if found := _KEY.match(line):
                key = found.group(1)
                if key in VALUES:
                    block.values[key.decode()] = _decode(line[found.end() :].strip())
                elif key == b"code" and block.type in SHADERS:
                    block.code = _string(line[found.end() :], lines)
                    continue
            # Most lines of a scene are numbers, some of them megabytes long.
            if b"Resource(" in line:
                _add_references(line, _decode(key), files, block)
    yield block


def _node(attributes: dict[str, str]) -> Block:
    name, parent = attributes.get("name", ""), attributes.get("parent", "")
    path = "." if not parent else name if parent == "." else f"{parent}/{name}"
    return Block(attributes.get("type", ""), node=path, parent=parent)


def _string(line: bytes, lines: Iterator[bytes]) -> str:
    """Returns a string that begins in `line` and ends in it or in one of the next `lines`."""
    parts, length = [], 0
    line = line.lstrip()[1:]
    # Escapes don't span lines: each line can be searched alone.
    while not (end := _STRING_END.match(line)) and line and length < MAX_CODE:
        parts.append(line)
        length += len(line)
        line = next(lines, b"")
    return _decode(b"".join([*parts, line[: end.end() - 1] if end else line]))


def _add_references(line: bytes, key: str, files: dict[str, File], block: Block) -> None:
    for kind, name, number in _REFERENCE.findall(line):
        reference = _decode(name or number)
        if kind == b"Sub":
            block.subresources.append((key, reference))
        elif reference in files:
            block.files.append((key, files[reference]))


def _attributes(head: bytes) -> dict[str, str]:
    return {name.decode(): _decode(quoted or number) for name, quoted, number in _ATTRIBUTE.findall(head)}


def _decode(data: bytes) -> str:
    text = data.decode("utf-8", "surrogateescape")
    return text.replace('\\"', '"').replace("\\\\", "\\") if "\\" in text else text
