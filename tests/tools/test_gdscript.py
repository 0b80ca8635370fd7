"""The translation of the addon's templates for Godot 3."""

from __future__ import annotations

import pytest

from tools.generators._gdscript import for_godot3, for_godot4

CASES = [
    ("@tool\nextends RefCounted\n", "tool\nextends Reference\n"),
    ("signal done(id: int, name: String)\nsignal lost\n", "signal done(id, name)\nsignal lost()\n"),
    ("var a := 1\nconst B: Array[int] = []\n", "var a = 1\nconst B = []\n"),
    ("var store: Store\n", "var store: Store\n"),
    ("func f(x: Variant, y := {}) -> void:\n", "func f(x, y = {}):\n"),
    ("for x: String in names:\n", "for x in names:\n"),
    ("button.pressed.connect(_on_pressed)\n", 'button.connect("pressed", self, "_on_pressed")\n'),
    ("pressed.connect(_on.bind(a, f(b)))\n", 'connect("pressed", self, "_on", [a, f(b)])\n'),
    ("\ta.b.connect(c.d, DEFERRED)\n", '\ta.connect("b", c, "d", [], DEFERRED)\n'),
    ("\ta.b.disconnect(c.d)\n", '\ta.disconnect("b", c, "d")\n'),
    ("done.emit()\ndone.emit(a, b)\n", 'emit_signal("done")\nemit_signal("done", a, b)\n'),
    ("var a := maxi(mini(b, c), 0)\n", "var a = int(max(int(min(b, c)), 0))\n"),
    ("_list.size.y = size.x + a.size()\n", "_list.rect_size.y = rect_size.x + a.size()\n"),
    ("func f() -> bool:\n\treturn await g(a)\n", 'func f():\n\treturn yield(g(a), "completed")\n'),
    ("a.text_overrun_behavior = X\nb.is_empty()\n", "b.empty()\n"),
    ("a.changed.connect(queue_redraw)\n", 'a.connect("changed", self, "update")\n'),
    ("row.set_tooltip_text(0, ceilf(a))\n", "row.set_tooltip(0, ceil(a))\n"),
]


@pytest.mark.parametrize(("template", "godot3"), CASES)
def test_a_script_is_translated_for_godot_3_and_is_as_it_is_for_godot_4(template: str, godot3: str) -> None:
    assert for_godot3(template) == godot3
    assert for_godot4(template) == template


def test_a_block_is_in_the_script_of_its_engine_alone() -> None:
    template = "a()\n#if godot4\nb()\n#else\nc()\n#endif\n#if godot3\nd()\n#endif\ne()\n"
    assert for_godot4(template) == "a()\nb()\ne()\n"
    assert for_godot3(template) == "a()\nc()\nd()\ne()\n"
