"""Popups with lists, as the import advisor sends them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

COMPRESS = "Compress › Mode: Lossless → VRAM Compressed"
FIX: dict[str, Any] = {
    "id": "apply", "label": "Fix", "label_one": "Fix 1 texture", "label_many": "Fix {count} textures",
    "style": "primary", "default": True,
}  # fmt: skip
LATER: dict[str, Any] = {"id": "later", "label": "Not now"}
ALWAYS: dict[str, Any] = {
    "id": "always",
    "label": "Always…",
    "choices": [
        {"id": "r1", "label": "Correct the green channel in materials", "detail": "13 textures now"},
        {"id": "r2", "label": "Compress for the GPU in materials", "detail": "27 textures now"},
        {"id": "r3", "label": "Generate mipmaps everywhere", "detail": "29 textures now", "checked": False},
    ],
}
MENU: list[dict[str, Any]] = [
    {"id": "snooze", "label": "Snooze for 1 hour"},
    {"id": "never", "label": "Never in this project"},
]


def texture(
    id_: str, path: str, changes: Sequence[str], picture: str = "", checked: bool = True
) -> dict[str, Any]:
    """A texture with one leaf for each change: `{id_}.1`, `{id_}.2`, and so on."""
    folder, _, name = path.rpartition("/")
    leaves = [
        {"id": f"{id_}.{number}", "title": change, "checked": checked}
        for number, change in enumerate(changes, 1)
    ]
    shown = {"picture": picture} if picture else {}
    return {"id": id_, "title": name, "detail": f"{folder}/", "path": path, "children": leaves, **shown}


def group(
    id_: str, title: str, severity: str, textures: Sequence[dict[str, Any]], **more: Any
) -> dict[str, Any]:
    return {"id": id_, "title": title, "severity": severity, "children": list(textures), **more}


def findings(count: int, pictures: Sequence[str] = ("",)) -> list[dict[str, Any]]:
    """A group with `count` textures of one change each."""
    textures = [
        texture(f"1.{number}", f"textures/rock_{number:04}.png", [COMPRESS], pictures[number % len(pictures)])
        for number in range(count)
    ]
    title = f"{count} material textures aren't compressed for the GPU"
    return [group("1", title, "warning", textures, value="frees 17 MiB", detail="Usually ¼ of the memory")]


def popup(items: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """The fields of a popup with these items."""
    title = "Import settings to fix"
    return {"title": title, "items": list(items), "actions": [FIX, LATER, ALWAYS], "menu": MENU, **more}
