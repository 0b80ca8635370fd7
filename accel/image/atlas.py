"""Texture atlases: trims and packs sprites, draws the pages and writes the data files for importers.

`frame` is the sprite's rectangle on the page. Its `w` and `h` are those of the upright sprite, even if
`rotated` (90 degrees clockwise). `spriteSourceSize` is the part of `sourceSize` left after trimming. y points
down, except in the `lines` layout, where it is measured from the bottom of the page.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from accel.image.encode import WRITERS, clipped_in_format, requested_format
from accel.image.operation import Operated, check_size, first_layer
from accel.image.operations.textures import Atlas, AtlasPage, AtlasParams, Sprite
from accel.image.pixel_coding import at_depth
from accel.image.pixel_data import Pixels, full_scale
from accel.image.raster import Raster, Transfer
from accel.image.records import suffix_of
from accel.image.rect_packing import PackedPage, PageSizes, pack_pages
from accel.text import AnyText, text
from accel.workload import Limits, OutputFile, WorkloadError


class SpriteLayout(Struct, frozen=True):
    """The pixel type and transfer function shared by all pages."""

    dtype: Any
    """numpy dtype of the deepest sprite."""
    integers: Transfer
    """Transfer of integer sprites: sRGB if any of them is."""

    @property
    def transfer(self) -> Transfer:
        return "linear" if self.dtype.kind == "f" else self.integers

    def cut_out(self, image: Raster, box: Box) -> Pixels:
        """Returns the pixels in a box as RGBA of this layout."""
        part = np.ascontiguousarray(image.pixels[box.rows, box.columns])
        changes = {} if part.dtype.kind == "f" else {"transfer": self.integers}
        cut = at_depth(image.with_pixels(part, **changes), self.dtype)
        result = np.empty((*part.shape[:2], 4), self.dtype)
        # Grey is copied to all three colour channels.
        result[..., :3] = cut.pixels[..., : cut.colors]
        opaque = full_scale(result.dtype)
        result[..., 3] = cut.pixels[..., -1] if cut.has_alpha else opaque
        return result


class Box(Struct, frozen=True):
    """The part of an image that is drawn on the page."""

    x: int
    y: int
    width: int
    height: int

    @property
    def rows(self) -> slice:
        return slice(self.y, self.y + self.height)

    @property
    def columns(self) -> slice:
        return slice(self.x, self.x + self.width)


def common_sprite_layout(images: Sequence[Raster]) -> SpriteLayout:
    """Returns a layout that every image can be converted to.

    Grey integers use the transfer of the coloured images. Raises WorkloadError `unsupported` for an image
    that is neither grey nor RGB.
    """
    for image in images:
        if image.colors not in (1, 3):
            reason = text(
                "has {channels} channels; give grey or RGB, with or without alpha", channels=image.channels
            )
            raise WorkloadError("unsupported", reason, image.name)
    deepest = max((image.pixels.dtype for image in images), key=lambda dtype: dtype.itemsize)
    coded = any(image.transfer == "srgb" for image in images)
    return SpriteLayout(deepest, "srgb" if coded else "linear")


def trim(image: Raster, alpha: float, margin: int) -> Box:
    """Returns the bounding box of the pixels with alpha above `alpha` (0 to 1), grown by `margin` pixels.

    If there are none, it is the top left pixel.
    """
    if not image.has_alpha:
        return Box(0, 0, image.width, image.height)
    values = image.pixels[..., -1]
    top = float(full_scale(values.dtype))
    seen = values > alpha * top
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not len(rows):
        return Box(0, 0, 1, 1)
    left, upper = max(int(columns[0]) - margin, 0), max(int(rows[0]) - margin, 0)
    right, lower = int(columns[-1]) + 1 + margin, int(rows[-1]) + 1 + margin
    return Box(left, upper, min(right, image.width) - left, min(lower, image.height) - upper)


def find_aliases(images: Sequence[Raster], boxes: Sequence[Box], layout: SpriteLayout) -> list[int]:
    """Returns, for each sprite, the index of the first sprite with identical pixels after conversion."""
    first: dict[tuple[Any, ...], int] = {}
    found = []
    for index, (image, box) in enumerate(zip(images, boxes, strict=True)):
        digest = hashlib.blake2b(layout.cut_out(image, box).tobytes(), digest_size=32).digest()
        found.append(first.setdefault((box.width, box.height, digest), index))
    return found


def sprite_names(inputs: Sequence[str], folders: bool, extension: bool) -> list[str]:
    """Returns a unique name for each input, with `/` between folders.

    With `folders`, the name is the path below the deepest common folder, otherwise the file name. Raises
    WorkloadError `bad_params` if two names differ only in case: their files would overwrite each other.
    """
    paths = [[part for part in name.replace("\\", "/").split("/") if part] or [name] for name in inputs]
    shared = _shared_depth([path[:-1] for path in paths]) if folders else 0
    names = []
    for path in paths:
        parts = path[shared:] if folders else path[-1:]
        names.append("/".join(parts if extension else [*parts[:-1], _stem(parts[-1])]))
    _check_unique(inputs, names, folders, extension)
    return names


def _shared_depth(folders: list[list[str]]) -> int:
    """Returns the number of leading folders common to all paths."""
    first, last = min(folders), max(folders)
    equal = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return sum(1 for _ in equal)


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _check_unique(inputs: Sequence[str], names: list[str], folders: bool, extension: bool) -> None:
    seen: dict[str, str] = {}
    for source, name in zip(inputs, names, strict=True):
        other = seen.get(name.casefold())
        if other is not None:
            reason = text(
                "would be called {name} in the atlas, as {other} is; rename one of them",
                name=name,
                other=other,
            )
            if not (folders and extension):
                reason = text("{reason}, or keep folders and extensions", reason=reason)
            raise WorkloadError("bad_params", reason, source)
        seen[name.casefold()] = source


FORMATS = {"uint8": "RGBA8888", "uint16": "RGBA16161616", "float32": "RGBA32323232F"}

ESCAPED = "%#:;"
"""Characters with a special meaning in the `lines` layout."""


class Sheet(Struct, frozen=True):
    """The contents of an atlas's data files."""

    pages: list[AtlasPage]
    sprites: list[Sprite]
    pivot: tuple[float, float]
    """Relative to the untrimmed sprite: 0 to 1 from the left and from the top."""
    depth: str
    """numpy dtype name of the channels in the written files."""

    def on(self, page: int) -> Iterator[Sprite]:
        return (sprite for sprite in self.sprites if sprite.page == page)


class Layout(Struct, frozen=True):
    """A data file format."""

    files: Callable[[Sheet], list[OutputFile]]
    for_each_page: bool
    """Whether each page has its own file, instead of one file for all pages."""
    rotated: bool
    """Whether the format supports rotated sprites."""


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
    """`margin`: `x` and `y` are trimmed from the left and top, `w` and `h` in total."""
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
    """The pivot is relative to the trimmed sprite and may lie outside it; y points up."""
    name = "".join(quote(each) if each in ESCAPED else each for each in sprite.name)
    x = (sheet.pivot[0] * sprite.source_width - sprite.offset_x) / sprite.width
    y = 1 - (sheet.pivot[1] * sprite.source_height - sprite.offset_y) / sprite.height
    below = page.height - sprite.y - sprite.height
    return f"{name};{sprite.x};{below};{sprite.width};{sprite.height};{x:.6g};{y:.6g};0;0;0;0"


STEPS = {"any": 1, "multiple_of_4": 4, "power_of_two": 0}


def atlas(images: Sequence[Raster], params: AtlasParams, limits: Limits) -> Operated:
    layout = LAYOUTS[params.layout]
    if params.rotate and not layout.rotated:
        reason = text(
            "layout {layout} can't say that a sprite is turned; leave rotate off", layout=params.layout
        )
        raise WorkloadError("bad_params", reason)
    names = sprite_names([image.name for image in images], params.folders, params.extension)
    order = sorted(range(len(images)), key=lambda index: names[index])
    return _Composer(
        [images[index] for index in order], [names[index] for index in order], params, limits
    ).run()


class _Composer:
    """Composes an atlas from images sorted by name."""

    def __init__(self, images: list[Raster], names: list[str], params: AtlasParams, limits: Limits) -> None:
        self._images, self._names, self._params, self._limits = images, names, params, limits
        self._layout = common_sprite_layout(images)
        self._boxes = [self._box(image) for image in images]
        self._originals = (
            find_aliases(images, self._boxes, self._layout) if params.aliases else list(range(len(images)))
        )
        self._format = _format(images[0].format, self._layout, params)

    def run(self) -> Operated:
        drawn = sorted(set(self._originals))
        packed = self._pack(drawn)
        places = {
            drawn[member]: (number, *place)
            for number, page in enumerate(packed)
            for member, place in zip(page.members.tolist(), page.places.tolist(), strict=True)
        }
        sprites = [self._sprite(index, places) for index in range(len(self._images))]
        pages = [self._page(number, page, len(packed), sprites) for number, page in enumerate(packed)]
        images = {page.name: self._image(number, page, sprites) for number, page in enumerate(pages)}
        depth = requested_format(next(iter(images.values())), self._params)
        layout = LAYOUTS[self._params.layout]
        sheet = Sheet(pages, sprites, (self._params.pivot_x, self._params.pivot_y), depth)

        def describe(files: Mapping[str, str], depth: str) -> Sequence[OutputFile]:
            renamed = [replace(page, image=files[page.name]) for page in pages]
            return layout.files(replace(sheet, pages=renamed, depth=depth))

        written = [replace(page, **clipped_in_format(images[page.name], self._params)) for page in pages]
        value = Atlas(written, sprites, first_of=first_layer(*self._images))
        return Operated(images, value, layout.files(sheet), describe)

    def _box(self, image: Raster) -> Box:
        params = self._params
        if not params.trim:
            return Box(0, 0, image.width, image.height)
        return trim(image, params.trim_alpha, params.trim_margin)

    def _pack(self, drawn: list[int]) -> list[PackedPage]:
        params = self._params
        longest = min(params.max_size, math.isqrt(self._limits.max_pixels))
        sizes = PageSizes(longest, STEPS[params.size], params.square, params.border, params.padding)
        more = 2 * params.extrude + params.padding
        widths = np.array([self._boxes[index].width + more for index in drawn], np.int64)
        heights = np.array([self._boxes[index].height + more for index in drawn], np.int64)
        for index, width, height in zip(drawn, widths.tolist(), heights.tolist(), strict=True):
            if not sizes.holds(width, height):
                raise self._too_large(index, sizes)
        return pack_pages(widths, heights, sizes, params.rotate, params.effort)

    def _too_large(self, index: int, sizes: PageSizes) -> WorkloadError:
        box, params = self._boxes[index], self._params
        more = 2 * (params.extrude + params.border)
        with_edges: AnyText = ""
        if more:
            with_edges = text(
                " ({width} x {height} with extrude and border)",
                width=box.width + more,
                height=box.height + more,
            )
        limited = "max_size" if sizes.longest == params.max_size else text("the limit of pixels")
        reason = text(
            "is {width} x {height}{with_edges}; a page is at most {side} x {side} by {limited}: "
            "raise that or give a smaller sprite",
            width=box.width,
            height=box.height,
            with_edges=with_edges,
            side=sizes.side,
            limited=limited,
        )
        return WorkloadError("too_large", reason, self._images[index].name)

    def _sprite(self, index: int, places: dict[int, tuple[int, ...]]) -> Sprite:
        image, box, original = self._images[index], self._boxes[index], self._originals[index]
        page, x, y, turned = places[original]
        edge = self._params.border + self._params.extrude
        alias = "" if original == index else self._names[original]
        return Sprite(
            self._names[index], page, x + edge, y + edge, box.width, box.height, bool(turned), box.x, box.y,
            image.width, image.height, alias,
        )  # fmt: skip

    def _page(self, number: int, page: PackedPage, count: int, sprites: list[Sprite]) -> AtlasPage:
        name = self._params.name if count == 1 else f"{self._params.name}.{number}"
        data = name if LAYOUTS[self._params.layout].for_each_page else self._params.name
        more = 2 * self._params.extrude
        covered = sum(
            (s.width + more) * (s.height + more) for s in sprites if s.page == number and not s.alias
        )
        image = name + suffix_of(WRITERS[self._format].media_type)
        fill = covered / (page.width * page.height)
        return AtlasPage(name, image, f"{data}.data", page.width, page.height, fill)

    def _image(self, number: int, page: AtlasPage, sprites: list[Sprite]) -> Raster:
        check_size(page.name, page.width, page.height, self._limits)
        pixels = np.zeros((page.height, page.width, 4), self._layout.dtype)
        for index, sprite in enumerate(sprites):
            if sprite.page == number and not sprite.alias:
                drawn = self._layout.cut_out(self._images[index], self._boxes[index])
                draw_sprite(pixels, drawn, sprite, self._params.extrude)
        return Raster(page.name, pixels, True, self._layout.transfer, self._format)


def draw_sprite(page: Pixels, sprite: Pixels, place: Sprite, extrude: int) -> None:
    """Draws a sprite on a page, rotated if required, with its edges repeated outwards by `extrude` pixels."""
    turned = np.rot90(sprite, -1) if place.rotated else sprite
    spread = np.pad(turned, ((extrude, extrude), (extrude, extrude), (0, 0)), "edge")
    height, width = spread.shape[:2]
    x, y = place.x - extrude, place.y - extrude
    page[y : y + height, x : x + width] = spread


def _format(first: str, layout: SpriteLayout, params: AtlasParams) -> str:
    """Returns the page format. `same` means that of the first sprite if it can store the pages, otherwise
    another format that can."""
    if params.format != "same":
        return params.format
    able = [name for name, writer in WRITERS.items() if writer.alpha and layout.dtype.name in writer.depths]
    return next((name for name in (first, "png", "exr", "tiff") if name in able), "png")
