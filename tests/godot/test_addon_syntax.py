"""What Godot 4.2 doesn't know, the oldest that the addon promises to run in; no such editor is here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ADDONS = Path(__file__).parents[2] / "plugins" / "godot" / "bridge_godot" / "editor"
NEWER_THAN_4_2 = {
    "a method of a built-in type as a Callable (4.3)": r"\.emit\b(?!\()",
    "`is not` (4.3)": r"\bis not\b",
    "a Dictionary with types (4.4)": r"\bDictionary\[",
    "variadic parameters (4.5)": r"\bfunc\b.*\.\.\.",
    "`@abstract` (4.5)": r"@abstract\b",
    "`@warning_ignore_start` (4.4)": r"@warning_ignore_(start|restore)\b",
    "`@export_tool_button` (4.4)": r"@export_tool_button\b",
    "the toaster by its name (4.4)": r"\.get_editor_toaster\b",
    "the undo manager of the editor's interface (4.4)": r"EditorInterface\.get_editor_undo_redo\b",
    "an EditorDock (4.6)": r"\bEditorDock\b",
}
# 4.2.0 and 4.2.1 find none by its name there.
STATIC = re.compile(r"^static func (\w+)\(.*?(?=^\S|\Z)", re.MULTILINE | re.DOTALL)


def scripts() -> Iterator[tuple[str, str]]:
    """Name and code of each of Godot 4's, without comments and texts."""
    for path in sorted((ADDONS / "godot4").rglob("*.gd")):
        text = re.sub(r'"(\\.|[^"\\\n])*"', '""', path.read_text("utf-8"))
        yield path.name, re.sub(r"#.*", "", text)


@pytest.mark.parametrize("newer", NEWER_THAN_4_2)
def test_no_script_uses_what_godot_4_2_does_not_know(newer: str) -> None:
    found = {name: re.findall(f".*{NEWER_THAN_4_2[newer]}.*", code) for name, code in scripts()}
    assert found
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_no_static_function_takes_another_by_its_name() -> None:
    for name, code in scripts():
        names = "|".join(match[1] for match in STATIC.finditer(code))
        for match in STATIC.finditer(code):
            body = match[0].partition("\n")[2]
            assert re.findall(rf"(?<![\w.\"])(?:{names})\b(?!\()", body) == [], (name, match[1])
