"""From images to an atlas: names, trimming, packing, drawing and data, in this order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from accel.image.first import first_of
from accel.image.operation import Operated, check_size
from accel.image.packing.cut import Box, Look, common_look, originals, trimmed
from accel.image.packing.layouts import LAYOUTS, Sheet
from accel.image.packing.names import sprite_names
from accel.image.packing.pages import Packed, pack_pages
from accel.image.packing.sizes import Sizes
from accel.image.raster import Raster
from accel.image.save import WRITERS, lost, wanted
from accel.image.sprites import Atlas, AtlasPage, Sprite
from accel.image.suffixes import suffix_of
from accel.text import text
from accel.workload import Limits, OutputFile, WorkloadError

if TYPE_CHECKING:
    from accel.image.atlas import AtlasParams
    from accel.image.decoded import Pixels

STEPS = {"any": 1, "multiple_of_4": 4, "power_of_two": 0}


def compose(images: Sequence[Raster], params: AtlasParams, limits: Limits) -> Operated:
    """Raises WorkloadError: `bad_params`, `unsupported` or `too_large`, as `image.atlas` does."""
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
    """One atlas in the making; its images are in the order of their names."""

    def __init__(self, images: list[Raster], names: list[str], params: AtlasParams, limits: Limits) -> None:
        self._images, self._names, self._params, self._limits = images, names, params, limits
        self._look = common_look(images)
        self._boxes = [self._box(image) for image in images]
        self._originals = (
            originals(images, self._boxes, self._look) if params.aliases else list(range(len(images)))
        )
        self._format = _format(images[0].format, self._look, params)

    def run(self) -> Operated:
        drawn = sorted(set(self._originals))
        packed = self._packed(drawn)
        places = {
            drawn[member]: (number, *place)
            for number, page in enumerate(packed)
            for member, place in zip(page.members.tolist(), page.places.tolist(), strict=True)
        }
        sprites = [self._sprite(index, places) for index in range(len(self._images))]
        pages = [self._page(number, page, len(packed), sprites) for number, page in enumerate(packed)]
        images = {page.name: self._image(number, page, sprites) for number, page in enumerate(pages)}
        depth = wanted(next(iter(images.values())), self._params)
        layout = LAYOUTS[self._params.layout]
        sheet = Sheet(pages, sprites, (self._params.pivot_x, self._params.pivot_y), depth)

        def described(files: Mapping[str, str], depth: str) -> Sequence[OutputFile]:
            renamed = [replace(page, image=files[page.name]) for page in pages]
            return layout.files(replace(sheet, pages=renamed, depth=depth))

        told = [replace(page, **lost(images[page.name], self._params)) for page in pages]
        atlas = Atlas(told, sprites, first_of=first_of(*self._images))
        return Operated(images, atlas, layout.files(sheet), described)

    def _box(self, image: Raster) -> Box:
        params = self._params
        if not params.trim:
            return Box(0, 0, image.width, image.height)
        return trimmed(image, params.trim_alpha, params.trim_margin)

    def _packed(self, drawn: list[int]) -> list[Packed]:
        params = self._params
        longest = min(params.max_size, math.isqrt(self._limits.max_pixels))
        sizes = Sizes(longest, STEPS[params.size], params.square, params.border, params.padding)
        more = 2 * params.extrude + params.padding
        widths = np.array([self._boxes[index].width + more for index in drawn], np.int64)
        heights = np.array([self._boxes[index].height + more for index in drawn], np.int64)
        for index, width, height in zip(drawn, widths.tolist(), heights.tolist(), strict=True):
            if not sizes.holds(width, height):
                raise self._too_large(index, sizes)
        return pack_pages(widths, heights, sizes, params.rotate, params.effort)

    def _too_large(self, index: int, sizes: Sizes) -> WorkloadError:
        box, params = self._boxes[index], self._params
        more = 2 * (params.extrude + params.border)
        with_edges = f" ({box.width + more} x {box.height + more} with extrude and border)" if more else ""
        limited = "max_size" if sizes.longest == params.max_size else "the limit of pixels"
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

    def _page(self, number: int, page: Packed, count: int, sprites: list[Sprite]) -> AtlasPage:
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
        pixels = np.zeros((page.height, page.width, 4), self._look.dtype)
        for index, sprite in enumerate(sprites):
            if sprite.page == number and not sprite.alias:
                drawn = self._look.drawn(self._images[index], self._boxes[index])
                draw(pixels, drawn, sprite, self._params.extrude)
        return Raster(page.name, pixels, True, self._look.transfer, self._format)


def draw(page: Pixels, sprite: Pixels, place: Sprite, extrude: int) -> None:
    """A sprite on a page, turned if it must be, its edges repeated outwards."""
    turned = np.rot90(sprite, -1) if place.rotated else sprite
    spread = np.pad(turned, ((extrude, extrude), (extrude, extrude), (0, 0)), "edge")
    height, width = spread.shape[:2]
    x, y = place.x - extrude, place.y - extrude
    page[y : y + height, x : x + width] = spread


def _format(first: str, look: Look, params: AtlasParams) -> str:
    """What pages are written in: `same` is the first sprite's if it holds them, else one that does."""
    if params.format != "same":
        return params.format
    able = [name for name, writer in WRITERS.items() if writer.alpha and look.dtype.name in writer.depths]
    return next((name for name in (first, "png", "exr", "tiff") if name in able), "png")
