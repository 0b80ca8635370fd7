"""Translates the Godot addon's templates, which are in Godot 4's language, for Godot 3.

Only what the templates use is translated. Where the two engines differ by more than syntax and names, a
template has both versions:

    #if godot4
    ...
    #else
    ...
    #endif
"""

from __future__ import annotations

import re
from collections.abc import Callable

NAMES = {
    "@tool": "tool",
    "RefCounted": "Reference",
    "Texture2D": "Texture",
    "PackedByteArray": "PoolByteArray",
    "PackedStringArray": "PoolStringArray",
    "TYPE_FLOAT": "TYPE_REAL",
    "TYPE_PACKED_BYTE_ARRAY": "TYPE_RAW_ARRAY",
    "SIZE_SHRINK_BEGIN": "0",
    "PRESET_FULL_RECT": "PRESET_WIDE",
    "HORIZONTAL_ALIGNMENT_CENTER": "Button.ALIGN_CENTER",
    "HORIZONTAL_ALIGNMENT_RIGHT": "Label.ALIGN_RIGHT",
    "MOUSE_BUTTON_LEFT": "BUTTON_LEFT",
    "WHITE": "white",
    "button_pressed": "pressed",
    "clip_contents": "rect_clip_content",
    "custom_minimum_size": "rect_min_size",
    "fit_content": "fit_content_height",
    "font_focus_color": "font_color_focus",
    "font_hover_color": "font_color_hover",
    "font_pressed_color": "font_color_pressed",
    "horizontal_alignment": "align",
    "icon_alignment": "icon_align",
    "is_absolute_path": "is_abs_path",
    "is_ancestor_of": "is_a_parent_of",
    "is_empty": "empty",
    "item_count": "get_item_count()",
    "lerp": "linear_interpolate",
    "path_join": "plus_file",
    "queue_redraw": "update",
    "set_tooltip_text": "set_tooltip",
    "show_percentage": "percent_visible",
    "tooltip_text": "hint_tooltip",
    "unicode_at": "ord_at",
    "to_utf8_buffer": "to_utf8",
    "update_minimum_size": "minimum_size_changed",
    "var_to_str": "var2str",
}
"""Words of Godot 4 that are called otherwise in Godot 3."""

MATHS = {
    "absf": "abs({})",
    "ceilf": "ceil({})",
    "clampf": "clamp({})",
    "ceili": "int(ceil({}))",
    "floorf": "floor({})",
    "maxf": "max({})",
    "maxi": "int(max({}))",
    "minf": "min({})",
    "mini": "int(min({}))",
    "roundf": "round({})",
}
"""Functions for numbers. Godot 3 has only those that return floats."""


def _inside(text: str) -> tuple[str, str]:
    """Returns the text inside the parentheses at the start of `text`, and the rest."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[1:at], text[at + 1 :]
    raise ValueError(f"a parenthesis isn't closed: {text[:40]}")


def _untyped_signal(found: re.Match[str]) -> str:
    return re.sub(r": \w+", "", found[0])


def _connection(found: re.Match[str]) -> str:
    """Translates `signal.connect(object.method.bind(x), FLAGS)`."""
    tabs, sender, signal, verb, target, rest = found.groups()
    bound = target.endswith(".bind")
    receiver, _, method = target.removesuffix(".bind").rpartition(".")
    arguments = ""
    if bound:
        inside, rest = _inside(rest)
        arguments = f", [{inside}]"
    elif rest:
        arguments = ", []"
    call = f'{verb}("{signal}", {receiver or "self"}, "{method}"{arguments}{rest})'
    return f"{tabs}{sender}.{call}" if sender else f"{tabs}{call}"


PATTERNS: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    # Types that Godot 3 can't express, or infers.
    (r"(?m)^signal (\w+)\(.*\)$", _untyped_signal),
    (r"(?m)^signal (\w+)$", r"signal \1()"),
    (r" -> (?:void|Variant):", ":"),
    (r"(\w+): Variant\b", r"\1"),
    (r"\b(var|const) (\w+)(?:: [\w\[\]]+)? :?= ", r"\1 \2 = "),
    (r" := ", " = "),
    (r"(\w+): Status\b", r"\1: int"),
    (r"-> Error:", "-> int:"),
    (r"\bfor (\w+): [\w\[\]]+ in ", r"for \1 in "),
    # Godot 3 has no singleton: only the plugin has it.
    (r"\bEditorInterface\.", "get_editor_interface()."),
    # Files.
    (r"\bFileAccess\.(file_exists|get_modified_time)\(", r"File.new().\1("),
    (r"\bDirAccess\.(\w+)_absolute\(", r"Directory.new().\1("),
    # Controls.
    (r"\badd_theme_(\w+)_override\(", r"add_\1_override("),
    (r"\bremove_theme_(\w+)_override\((.*)\)", r"add_\1_override(\2, null)"),
    (r"\bget_theme_(color|constant|font|icon|stylebox)\(", r"get_\1("),
    (r"\bget_viewport\(\)\.gui_get_focus_owner\(\)", "get_focus_owner()"),
    (r"\b\w+\.get_tab_idx_from_control\((\w+)\)", r"\1.get_index()"),
    (r"\b(?<!\.)size\.([xy])\b", r"rect_size.\1"),
    (r"(\b_\w+)\.size\.([xy])\b", r"\1.rect_size.\2"),
    (r"\bautowrap_mode = TextServer\.AUTOWRAP_WORD_SMART", "autowrap = true"),
    (r"\bexpand_mode = TextureRect\.EXPAND_IGNORE_SIZE", "expand = true"),
    (
        r"\bhorizontal_scroll_mode = ScrollContainer\.SCROLL_MODE_DISABLED",
        "scroll_horizontal_enabled = false",
    ),
    # `clip_text` is set beside it.
    (r"(?m)^.*\btext_overrun_behavior = .*\n", ""),
    # Signals and coroutines.
    (
        r"(?m)^(\t*)(?:(.+)\.)?(\w+)\.(connect|disconnect)\(([a-zA-Z_.]+)(.*)\)$",
        _connection,
    ),
    (r"\b(\w+)\.emit\(\)", r'emit_signal("\1")'),
    (r"\b(\w+)\.emit\(", r'emit_signal("\1", '),
    (r"\bawait get_tree\(\)\.process_frame", 'yield(get_tree(), "idle_frame")'),
]


def for_godot4(template: str) -> str:
    """Returns the template's Godot 4 version."""
    return _choose(template, "godot4")


def for_godot3(template: str) -> str:
    """Returns the template's Godot 3 version."""
    text = _choose(template, "godot3")
    for pattern, by in PATTERNS:
        text = re.sub(pattern, by, text)
    text = re.sub(r"(?<!\w)(?:" + "|".join(NAMES) + r")\b", lambda found: NAMES[found[0]], text)
    for name, form in MATHS.items():
        text = _rewrite_calls(text, rf"\b({name})", form)
    # A coroutine of the addon's own is awaited by its signal `completed`.
    text = _rewrite_calls(text, r"\bawait ([\w.]+)", 'yield({called}({}), "completed")')
    return "".join(map(_without_coroutine_type, re.split(r"(?m)^(?=(?:static )?func )", text)))


def _choose(template: str, engine: str) -> str:
    lines, is_chosen = [], True
    for line in template.splitlines(keepends=True):
        match line.split():
            case ["#if", name]:
                is_chosen = name == engine
            case ["#else"]:
                is_chosen = not is_chosen
            case ["#endif"]:
                is_chosen = True
            case _ if is_chosen:
                lines.append(line)
    return "".join(lines)


def _rewrite_calls(text: str, pattern: str, form: str) -> str:
    """Rewrites each call of what `pattern` matches. Inner calls come later in the text and are done first."""
    for found in reversed(list(re.finditer(pattern + r"(?=\()", text))):
        inside, rest = _inside(text[found.end() :])
        text = text[: found.start()] + form.format(inside, called=found[1]) + rest
    return text


def _without_coroutine_type(function: str) -> str:
    # It returns the state of the function first.
    return re.sub(r"\) -> \w+:", "):", function, count=1) if "yield(" in function else function
