"""The Godot 4 addon's codec and constants."""

from __future__ import annotations

from pathlib import Path

from tools.generators import _gdscript

ADDON = Path("plugins/godot/bridge_godot/editor/godot4/addons/popbridge")

_PROTOCOL = f"""\
{_gdscript.NOTICE.format(source="bridge/core/messages.py and bridge/core/errors.py")}
@tool
extends RefCounted

{{constants}}

const KINDS = {{{{
	"int": [TYPE_INT],
	"float": [TYPE_FLOAT, TYPE_INT],
	"str": [TYPE_STRING],
	"bool": [TYPE_BOOL],
	"bin": [TYPE_PACKED_BYTE_ARRAY],
	"list": [TYPE_ARRAY],
	"map": [TYPE_DICTIONARY],
}}}}


{{problem}}"""


def files() -> dict[Path, str]:
    """The text of each generated file, by its path below the repository."""
    return _gdscript.files(ADDON, "msgpack4.gd", _PROTOCOL)
