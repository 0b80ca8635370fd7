"""The Godot 3 addon's codec and constants."""

from __future__ import annotations

from pathlib import Path

from tools.generators import _gdscript

ADDON = Path("plugins/godot/bridge_godot/editor/godot3/addons/popbridge")

_HEAD = "tool\nextends Reference\n"
# `tool` has to be a Godot 3 script's first word, comments aside.
_PROTOCOL = f"""\
{_gdscript.NOTICE.format(source="bridge/core/messages.py and bridge/core/errors.py")}
{_HEAD}
{{constants}}

const KINDS = {{{{
	"int": [TYPE_INT],
	"float": [TYPE_REAL, TYPE_INT],
	"str": [TYPE_STRING],
	"bool": [TYPE_BOOL],
	"bin": [TYPE_RAW_ARRAY],
	"list": [TYPE_ARRAY],
	"map": [TYPE_DICTIONARY],
}}}}


{{problem}}"""


def files() -> dict[Path, str]:
    """The text of each generated file, by its path below the repository."""
    return _gdscript.files(ADDON, "msgpack3.gd", _PROTOCOL)
