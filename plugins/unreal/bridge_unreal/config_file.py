"""Reads Unreal's `.ini` files: console variables and the texture groups of device profiles.

Lines are `key=value` below a `[section]`; a mark before the key changes a list: `+Key`, `.Key`, `-Key`,
`!Key`. The last value of a key counts. Names ignore case.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from bridge.api import walk

MAX_BYTES = 4 << 20
MARKS = "+-.!*@"
PROFILE = " deviceprofile"
"""Ends the name of a device profile's section."""
GROUPS = "texturelodgroups"
_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Unreal writes UTF-16 if a text isn't ASCII."""
_FIELD = re.compile(r"\s*(\w+)\s*=\s*(\"[^\"]*\"|[^,()\"]*)")


class ConfigLine(Struct, frozen=True):
    """A line with a value."""

    section: str
    """As the file has it, without the brackets."""
    mark: str
    key: str
    value: str
    number: int
    """From 1."""


class TextureGroup(Struct, frozen=True):
    """A line about a texture group in a device profile."""

    profile: str
    """`GlobalDefaults`, `Android`, …"""
    name: str
    """`TEXTUREGROUP_World`."""
    values: Mapping[str, str]
    """By lower-case names: `maxlodsize`, `mipgensettings`, …"""
    number: int

    def size(self) -> int | None:
        """Returns the longest side that textures of the group have in the game; None if it sets none."""
        found = self.values.get("maxlodsize", "")
        return int(found) if found.isascii() and found.isdecimal() and int(found) > 0 else None


def read_lines(file: Path) -> list[ConfigLine]:
    """Returns the lines with values; none if the file can't be read or is too large."""
    return list(_parse(read_config(file)))


def read_config(file: Path) -> str:
    """Returns the text of a file; empty if it can't be read or is too large."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError):
        return ""
    if len(content) > MAX_BYTES:
        return ""
    mark, encoding = next((each for each in _ENCODINGS if content.startswith(each[0])), (b"", "utf-8"))
    return content[len(mark) :].decode(encoding, "replace")


def config_files(project: Path) -> list[str]:
    """Returns the paths of the project's `.ini` files, those of its platforms included."""
    folders = ["Config"]
    platforms = project / "Platforms"
    if platforms.is_dir():
        folders += [f"Platforms/{each.name}/Config" for each in sorted(platforms.iterdir()) if each.is_dir()]
    return [
        f"{folder}/{found.file}"
        for folder in folders
        if (project / folder).is_dir()
        for found in walk(project / folder)
        if found.file.lower().endswith(".ini")
    ]


def turns_on(lines: list[ConfigLine], variable: str) -> bool:
    """Whether a line sets a console variable to anything but zero or false, in any section."""
    values = [each.value for each in lines if each.key.lower() == variable.lower()]
    # Device profiles: CVars=r.VirtualTextures=1
    start = f"{variable.lower()}="
    values += [
        each.value.partition("=")[2]
        for each in lines
        if each.key.lower() == "cvars" and each.value.lower().startswith(start)
    ]
    return any(value.strip().lower() not in ("0", "false", "off", "no", "") for value in values)


def texture_groups(lines: list[ConfigLine]) -> list[TextureGroup]:
    """Returns the texture groups of all device profiles, in the file's order."""
    found = []
    for line in lines:
        is_profile = line.section.lower().endswith(PROFILE) or "texturelodsettings" in line.section.lower()
        if not is_profile or line.key.lower() != GROUPS or line.mark in ("-", "!", "*", "@"):
            continue
        values = {name.lower(): value.strip().strip('"') for name, value in _FIELD.findall(line.value)}
        if name := values.get("group", ""):
            profile = (
                line.section[: -len(PROFILE)] if line.section.lower().endswith(PROFILE) else line.section
            )
            found.append(TextureGroup(profile, name, values, line.number))
    return found


def _parse(content: str) -> Iterator[ConfigLine]:
    section = ""
    for number, line in enumerate(content.splitlines(), 1):
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip()
        elif line and not line.startswith((";", "//")) and "=" in line:
            key, _, value = line.partition("=")
            mark = key[0] if key[0] in MARKS else ""
            yield ConfigLine(section, mark, key[len(mark) :].strip(), value.strip(), number)
