"""An atlas's data, as importers of sprite sheets read it.

What they agree on: `frame` is where the sprite lies on the page, its `w` and `h` those of the sprite upright,
also where `rotated` says that it lies there turned clockwise by 90 degrees; `spriteSourceSize` is what was
left of `sourceSize` by trimming; y runs down. The text of `lines` counts y from the page's lower edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from accel.image.sprites import AtlasPage, Sprite
from accel.workload import OutputFile

FORMATS = {"uint8": "RGBA8888", "uint16": "RGBA16161616", "float32": "RGBA32323232F"}

ESCAPED = "%#:;"
"""What has a meaning of its own in a line."""


class Sheet(Struct, frozen=True):
    """All that the data tells."""

    pages: list[AtlasPage]
    sprites: list[Sprite]
    pivot: tuple[float, float]
    """0 to 1, from the left and from above, of the untrimmed sprite."""
    depth: str
    """The type of the files' channels, numpy's name."""

    def on(self, page: int) -> Iterator[Sprite]:
        """The sprites of one page."""
        return (sprite for sprite in self.sprites if sprite.page == page)


class Layout(Struct, frozen=True):
    """One way to lay the data out."""

    files: Callable[[Sheet], list[OutputFile]]
    for_each_page: bool
    """Whether each page has a file; else there is one for all."""
    rotated: bool
    """Whether it can say that a sprite is turned."""


def _hash(sheet: Sheet) -> list[OutputFile]:
    return [
        _json(
            page.data, {"frames": {s.name: _frame(sheet, s) for s in sheet.on(at)}, "meta": _meta(sheet, at)}
        )
        for at, page in enumerate(sheet.pages)
    ]


def _array(sheet: Sheet) -> list[OutputFile]:
    return [
        _json(page.data, {"frames": _frames(sheet, at), "meta": _meta(sheet, at)})
        for at, page in enumerate(sheet.pages)
    ]


def _multi(sheet: Sheet) -> list[OutputFile]:
    textures = [{**_texture(sheet, at), "frames": _frames(sheet, at)} for at in range(len(sheet.pages))]
    return [_json(sheet.pages[0].data, {"textures": textures, "meta": _APP})]


def _regions(sheet: Sheet) -> list[OutputFile]:
    textures = [
        {
            "image": page.image,
            "size": {"w": page.width, "h": page.height},
            "sprites": [_region(sprite) for sprite in sheet.on(at)],
        }
        for at, page in enumerate(sheet.pages)
    ]
    return [_json(sheet.pages[0].data, {"textures": textures, "meta": _APP}, "application/x-tpsheet")]


def _lines(sheet: Sheet) -> list[OutputFile]:
    files = []
    for at, page in enumerate(sheet.pages):
        head = [
            ":format=40300", f":texture={page.image}", f":size={page.width}x{page.height}",
            ":pivotpoints=enabled", ":borders=disabled", "",
        ]  # fmt: skip
        text = "\n".join([*head, *(_line(sheet, page, sprite) for sprite in sheet.on(at)), ""])
        files.append(OutputFile(page.data, "text/x-tpsheet", text.encode()))
    return files


LAYOUTS = {
    "hash": Layout(_hash, for_each_page=True, rotated=True),
    "array": Layout(_array, for_each_page=True, rotated=True),
    "multi": Layout(_multi, for_each_page=False, rotated=True),
    "regions": Layout(_regions, for_each_page=False, rotated=False),
    "lines": Layout(_lines, for_each_page=True, rotated=False),
}

_APP = {"app": "popbridge image.atlas", "version": "1"}


def _json(name: str, value: Any, media_type: str = "application/json") -> OutputFile:
    text = msgspec.json.format(msgspec.json.encode(value), indent=1)
    return OutputFile(name, media_type, text)


def _frames(sheet: Sheet, page: int) -> list[dict[str, Any]]:
    return [{"filename": sprite.name, **_frame(sheet, sprite)} for sprite in sheet.on(page)]


def _frame(sheet: Sheet, sprite: Sprite) -> dict[str, Any]:
    x, y = sheet.pivot
    return {
        "frame": {"x": sprite.x, "y": sprite.y, "w": sprite.width, "h": sprite.height},
        "rotated": sprite.rotated,
        "trimmed": sprite.trimmed,
        "spriteSourceSize": {
            "x": sprite.offset_x, "y": sprite.offset_y, "w": sprite.width, "h": sprite.height,
        },
        "sourceSize": {"w": sprite.source_width, "h": sprite.source_height},
        "pivot": {"x": x, "y": y},
    }  # fmt: skip


def _texture(sheet: Sheet, at: int) -> dict[str, Any]:
    page = sheet.pages[at]
    size = {"w": page.width, "h": page.height}
    return {"image": page.image, "format": FORMATS[sheet.depth], "size": size, "scale": "1"}


def _meta(sheet: Sheet, at: int) -> dict[str, Any]:
    others = [f"{page.data}.json" for number, page in enumerate(sheet.pages) if number != at]
    more = {"related_multi_packs": others} if others else {}
    return {**_APP, **_texture(sheet, at), **more}


def _region(sprite: Sprite) -> dict[str, Any]:
    """Its `margin`: what was trimmed on the left and above, and in all across and down."""
    return {
        "filename": sprite.name,
        "region": {"x": sprite.x, "y": sprite.y, "w": sprite.width, "h": sprite.height},
        "margin": {
            "x": sprite.offset_x,
            "y": sprite.offset_y,
            "w": sprite.source_width - sprite.width,
            "h": sprite.source_height - sprite.height,
        },
    }


def _line(sheet: Sheet, page: AtlasPage, sprite: Sprite) -> str:
    """The pivot is that of the trimmed sprite and may lie outside of it; y runs up."""
    name = "".join(quote(each) if each in ESCAPED else each for each in sprite.name)
    x = (sheet.pivot[0] * sprite.source_width - sprite.offset_x) / sprite.width
    y = 1 - (sheet.pivot[1] * sprite.source_height - sprite.offset_y) / sprite.height
    below = page.height - sprite.y - sprite.height
    return f"{name};{sprite.x};{below};{sprite.width};{sprite.height};{x:.6g};{y:.6g};0;0;0;0"
