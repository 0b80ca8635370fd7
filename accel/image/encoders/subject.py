"""What is to be compressed: a raster as each format takes it, and which formats can't hold it."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from accel.image.decoded import Pixels
from accel.image.encoders.formats import BlockFormat
from accel.image.encoders.strips import opaque
from accel.image.light import at_depth, to_light
from accel.image.meaning import taken
from accel.image.raster import PixelKind, Raster, Transfer
from accel.image.readers.packed import reordered
from accel.image.writers.texels import TexelFormat
from accel.text import text
from accel.workload import WorkloadError

_TRANSPARENT = "bc3, bc7, etc2_rgba or an astc"


class Subject:
    """A raster with its levels and layers, as 8 bits and as light, each made when it is asked for."""

    def __init__(self, image: Raster, *, kind: PixelKind, drop_alpha: bool) -> None:
        images = (image, *image.layers)
        self.alpha = image.has_alpha and not all(
            opaque(level) for each in images for level in (each.pixels, *each.mips)
        )
        """Whether anything of it is transparent."""
        if drop_alpha and self.alpha:
            images = tuple(map(_without_alpha, images))
            self.alpha = False
        normal_map = kind == "normal"
        if normal_map and image.colors != 3:
            raise WorkloadError("unsupported", text("is grey, which no normal map is"), image.name)
        self.images = [taken(each, kind) for each in images]
        """The first, then its layers."""
        self.image = self.images[0]
        self.normal_map = normal_map

    @property
    def transfer(self) -> Transfer:
        """Of the 8 bit levels."""
        return "linear" if self.normal_map else self._eight[0].transfer

    def texels(self, format: BlockFormat) -> TexelFormat:
        """The format's variant for what `levels` gives."""
        if format.srgb is None or self.transfer == "linear":
            return format.linear
        return format.srgb

    @cached_property
    def _eight(self) -> list[Raster]:
        return [at_depth(image, np.uint8) for image in self.images]

    @cached_property
    def eight(self) -> list[list[Pixels]]:
        """Of each image all levels as 8 bits, largest first."""
        return [[image.pixels, *image.mips] for image in self._eight]

    @cached_property
    def light(self) -> list[list[Pixels]]:
        """Of each image all levels as light, floats of one or three channels."""
        return [[_light(level, image) for level in (image.pixels, *image.mips)] for image in self.images]

    def levels(self, format: BlockFormat) -> list[list[Pixels]]:
        """What the format's encoder takes: of each image the levels, largest first."""
        return self.light if format.floats else self.eight

    def check(self, format: BlockFormat) -> None:
        """Raises WorkloadError `unsupported` for a format that would lose what the image is about."""
        name = self.image.name
        if self.alpha and format.channels != "rgba":
            reason = text(
                "has transparency, which {format} can't hold: choose {transparent}, or alpha: drop",
                format=format.name,
                transparent=_TRANSPARENT,
            )
            raise WorkloadError("unsupported", reason, name)
        if format.channels == "rg" and self.image.colors == 1:
            single = "bc4" if format.family == "bc" else "eac_r11"
            raise WorkloadError(
                "unsupported",
                text("has one channel, {format} two: choose {single}", format=format.name, single=single),
                name,
            )
        if self.normal_map and (format.channels == "r" or format.floats):
            raise WorkloadError(
                "unsupported", text("is a normal map, which {format} can't hold", format=format.name), name
            )


def _without_alpha(image: Raster) -> Raster:
    levels = [reordered(level, range(image.colors)) for level in (image.pixels, *image.mips)]
    return image.with_pixels(levels[0], mips=tuple(levels[1:]), has_alpha=False)


def _light(pixels: Pixels, image: Raster) -> Pixels:
    return np.ascontiguousarray(to_light(pixels[..., : image.colors], image.colors, image.transfer))
