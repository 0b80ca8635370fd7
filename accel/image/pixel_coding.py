"""Pixels to averageable values and back."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from accel.image import compiled, kernels
from accel.image.color import Floats, decode_table, from_linear, light_of_premultiplied, to_linear
from accel.image.kernels import SLIGHT, STEPS, Bytes
from accel.image.normal_maps import is_signed, unit_share, unsigned
from accel.image.operation import AnyKind
from accel.image.pixel_data import Pixels
from accel.image.raster import PixelKind, Raster
from accel.image.statistics import sample_pixels
from accel.text import text
from accel.workload import WorkloadError

WORTH_COMPILED = 4_000_000
"""Texels from which compiled loops are loaded: that takes 0.4 s, as much as they save in six such images."""

STRIP = 1 << 19
"""Values that are worked on at a time: a few of their arrays stay in a core's own cache."""

CANCELLED = 1e-4
"""The length of an averaged vector below which it has no direction."""


class Coding(Struct, frozen=True):
    """How the pixels of one image are read for a filter, and written after it."""

    dtype: Any
    """numpy's type of the pixels."""
    channels: int
    colors: int
    curve: bool
    """Whether colours are sRGB's codes, to be averaged as light."""
    weighted: bool
    """Whether colours count in proportion to alpha, the last channel."""
    vectors: bool
    """Whether the first three channels are unit vectors."""
    signed: bool
    """Whether those are stored as they are, -1..1, not as 0..1."""
    loops: ModuleType
    """`kernels`, or the same compiled."""
    range: tuple[float, float] = (0.0, 1.0)
    """What colours of floats lie within, which no quotient by a small alpha may leave."""

    def empty(self, rows: int, width: int) -> Floats:
        """Lines without values: rows x channels x width."""
        return np.empty((rows, self.channels, width), np.float32)

    def rows(self, width: int) -> int:
        """Lines that are worked on at a time, as long as `width`: an even number."""
        return max(2, STRIP // (width * self.channels) // 2 * 2)

    def decode(self, pixels: Pixels) -> Floats:
        """Lines (rows x channels x width) of pixels (rows x width x channels)."""
        rows, width, _ = pixels.shape
        lines = self.empty(rows, width)
        if pixels.dtype.kind == "u":
            self.loops.decode(pixels, *self.tables(), self.colors, self.weighted, lines)
        else:
            lines[...] = pixels.swapaxes(1, 2)
            if self.weighted:
                weight = lines[:, -1:]
                np.add(weight.clip(0, 1), SLIGHT, out=weight)
                lines[:, :-1] *= weight
        if self.vectors:
            if not self.signed:
                lines[:, :3] = lines[:, :3] * 2 - 1
            unit_range(lines)
        return lines

    def halve(self, pixels: Pixels, lines: Floats) -> None:
        """Of each 2 x 2 pixels the mean, as lines; both sides are even."""
        if self.vectors or self.dtype.kind == "f":
            self.loops.halve_lines(self.decode(pixels), lines)
        else:
            self.loops.halve_pixels(pixels, *self.tables(), self.colors, self.weighted, lines)

    def tables(self) -> tuple[Floats, Floats]:
        """What colours and alpha mean, for each code."""
        return _table(self.dtype.name, self.curve), _alphas(self.dtype.name, self.weighted)

    def encode(self, lines: Floats, out: Pixels | None = None) -> Pixels:
        """Pixels of lines, rounded to the nearest code; colours of what is fully transparent are kept."""
        rows, channels, width = lines.shape
        pixels = np.empty((rows, width, channels), self.dtype) if out is None else out
        if self.vectors:
            lines = lines.copy()
            unit_range(lines)
            if not self.signed:
                lines[:, :3] = lines[:, :3] * 0.5 + 0.5
        if self.dtype.kind == "f":
            pixels[...] = self._floats(lines).swapaxes(1, 2)
        elif self.dtype.itemsize == 1:
            codes = _codes() if self.curve else _NONE
            self.loops.encode8(lines, self.colors, self.weighted, self.curve, *codes, pixels)
        else:
            self.loops.encode16(lines, self.colors, self.weighted, self.curve, pixels)
        return pixels

    def pixels(self, lines: Floats) -> Pixels:
        """`encode`, a strip at a time."""
        height, channels, width = lines.shape
        made = np.empty((height, width, channels), self.dtype)
        each = self.rows(width)
        for begin in range(0, height, each):
            self.encode(lines[begin : begin + each], made[begin : begin + each])
        return made

    def within(self, made: Pixels, given: Pixels) -> Pixels:
        """What a filter `made`, each channel of floats within what it was `given`: beyond lies nothing but
        the filter's ringing, which integers lose as well. Vectors are of length 1 whatever came in."""
        if self.dtype.kind != "f" or self.vectors:
            return made
        # By whole rows, as over parts of pixels numpy takes ten times as long.
        low, high = given.min(axis=0).min(axis=0), given.max(axis=0).max(axis=0)
        row = np.tile(low, made.shape[1]), np.tile(high, made.shape[1])
        return made.reshape(len(made), -1).clip(*row).reshape(made.shape)

    def _floats(self, lines: Floats) -> Floats:
        if not self.weighted:
            return lines
        made = np.empty_like(lines)
        weight = lines[:, -1:]
        made[:, :-1] = lines[:, :-1] / np.where(np.abs(weight) > 1e-9, weight, 1)
        made[:, :-1].clip(*self.range, out=made[:, :-1])
        alpha = (weight - SLIGHT).clip(0, 1)
        # What is left of the rounding of weights is nothing.
        made[:, -1:] = alpha * (alpha >= SLIGHT)
        return made


def coding(image: Raster, kind: PixelKind, linear_light: bool, alpha_weighted: bool) -> Coding:
    """How to filter an image. Raises WorkloadError `unsupported` for normals that aren't three colours."""
    pixels = image.pixels
    vectors = kind == "normal"
    if vectors and image.colors != 3:
        reason = text("is grey, but a normal map has three colours; set kind to data or give another file")
        raise WorkloadError("unsupported", reason, image.name)
    integers = pixels.dtype.kind == "u"
    curve = kind == "color" and integers and image.transfer == "srgb" and linear_light
    weighted = kind == "color" and image.has_alpha and alpha_weighted
    signed = vectors and is_signed(image)
    span = (0.0, 1.0)
    if weighted and not integers:
        span = float(pixels[..., :-1].min()), float(pixels[..., :-1].max())
    return Coding(
        pixels.dtype,
        image.channels,
        image.colors,
        curve,
        weighted,
        vectors,
        signed,
        choose_coding(pixels),
        span,
    )


def choose_coding(pixels: Pixels) -> ModuleType:
    """The loops for an image: compiled ones where they are there and pay, else numpy's.

    By the image alone, also where they are loaded: in some sums their last bits differ.
    """
    if pixels.shape[0] * pixels.shape[1] < WORTH_COMPILED or not compiled.available():
        return kernels
    from accel.image.compiled import kernels as loops

    return loops


def unit_range(lines: Floats) -> None:
    """Makes the first three channels unit vectors; those without a direction become (0, 0, 1), flat."""
    vectors = lines[:, :3]
    size = np.sqrt(np.einsum("rcw,rcw->rw", vectors, vectors))[:, None]
    vectors /= np.maximum(size, CANCELLED)
    lost = size[:, 0] < CANCELLED
    if lost.any():
        for channel, value in enumerate((0, 0, 1)):
            vectors[:, channel][lost] = value


@functools.cache
def _table(name: str, curve: bool) -> Floats:
    top = np.iinfo(name).max
    return decode_table(name) if curve else (np.arange(top + 1) / top).astype(np.float32)


@functools.cache
def _alphas(name: str, weighted: bool) -> Floats:
    table = _table(name, False)
    return table + SLIGHT if weighted else table


@functools.cache
def _codes() -> tuple[Bytes, Floats]:
    """For each step of light the code at its begin, and the light from which each code is the nearest."""
    halves = (np.arange(1, 256) - 0.5) / 255
    bounds = np.where(halves <= 0.04045, halves / 12.92, ((halves + 0.055) / 1.055) ** 2.4).astype(np.float32)
    steps = np.arange(STEPS + 1, dtype=np.float32) / np.float32(STEPS)
    guess = np.searchsorted(bounds, steps, side="right").astype(np.uint8)
    return guess, np.concatenate([[0], bounds, [np.inf]]).astype(np.float32)


_NONE = (np.zeros(1, np.uint8), np.zeros(1, np.float32))


NORMAL_SHARE = 0.9
"""Share of unit vectors from which colours are taken for a normal map's: more than is enough to look for a
convention, as colours that are taken for vectors by mistake come out wrong."""

TOWARDS = 0.2
"""By how much the mean vector points out of the surface, and more so than sideways. Grey that is light enough
has vectors of length 1 too, but they point sideways as much."""

UNIFORM = 0.03
"""Standard deviation of x, y and z, up to which an image is of one colour: four codes of 8 bit."""

UPRIGHT = 0.1
"""By how much the vectors of one colour may point sideways: many blues are unit vectors, too, but a surface
that is flat is so in tangent space."""


def channel_kind(image: Raster, said: AnyKind = "auto") -> PixelKind:
    """What is said of the channels, now or before (`Raster.kind`); else what they look like.

    Unit vectors that point out of a surface on the whole are `normal`; of one colour, if it is that of a flat
    surface. Grey without transparency is `data` unless it is sRGB's, and so is what was read as data; all
    else is `color`. Looks at a sample of at most about 256 x 256 texels.
    """
    if said != "auto":
        return said
    if image.kind:
        return image.kind
    if _is_normal_map(image):
        return "normal"
    colored = image.colors == 3 if image.pixels.dtype.kind == "f" else image.transfer == "srgb"
    return "color" if not image.data and (colored or image.has_alpha) else "data"


def channel_semantics(image: Raster, kind: PixelKind) -> dict[str, object]:
    """What is known of the result's channels, as fields of a raster: of data that no curve is put on them."""
    if kind == "color":
        return {"transfer": image.transfer, "kind": kind}
    return {"transfer": "linear", "data": True, "kind": kind}


def resolve_semantics(image: Raster, kind: PixelKind) -> Raster:
    """The image, its channels taken for that."""
    return msgspec.structs.replace(image, **channel_semantics(image, kind))


def _is_normal_map(image: Raster) -> bool:
    if image.colors != 3:
        return False
    planes = sample_pixels(image.pixels[..., :3])
    signed = is_signed(image)
    vectors = planes if signed else planes * 2 - 1
    x, y, z = (float(plane.mean()) for plane in vectors)
    sideways = max(abs(x), abs(y))
    # No colours are below 0, as vectors are that are stored as such.
    if not signed and sideways > UPRIGHT and max(float(plane.std()) for plane in vectors) <= UNIFORM:
        return False
    out = z - sideways
    return z > TOWARDS and out > TOWARDS and unit_share(vectors) >= NORMAL_SHARE


DEPTHS = {"8": "uint8", "16": "uint16", "32": "float32"}
"""The types of channels by their bits."""


def at_depth(image: Raster, dtype: Any) -> Raster:
    """The image with channels of another type: uint8, uint16 or float32. Floats become sRGB where there are
    three colours that aren't data; alpha, grey and data keep their proportion, and vectors of -1 to 1 become
    0 to full scale. What alpha was multiplied into as codes is multiplied as light in floats."""
    dtype = np.dtype(dtype)
    if image.pixels.dtype == dtype:
        return image
    if dtype.kind == "f":
        codes = image.multiplied == "codes" and image.has_alpha
        light = light_of_premultiplied if codes else to_linear
        levels = [light(level, image.colors, image.transfer) for level in (image.pixels, *image.mips)]
        multiplied = "light" if codes else image.multiplied
        return image.with_pixels(levels[0], mips=tuple(levels[1:]), transfer="linear", multiplied=multiplied)
    if image.pixels.dtype.kind == "f":
        transfer = "srgb" if image.colors == 3 and not image.data else "linear"
        levels = [image.pixels, *image.mips]
        if image.kind == "normal" and is_signed(image):
            levels = list(map(unsigned, levels))
        levels = [from_linear(level, image.colors, transfer, dtype) for level in levels]
        return image.with_pixels(levels[0], mips=tuple(levels[1:]), transfer=transfer)
    levels = [_rescaled(level, dtype) for level in (image.pixels, *image.mips)]
    return image.with_pixels(levels[0], mips=tuple(levels[1:]))


def _rescaled(pixels: Pixels, dtype: np.dtype[Any]) -> Pixels:
    if dtype.itemsize == 2:
        return pixels.astype(np.uint16) * np.uint16(257)
    # Nearest: 257 codes of 16 bit fall to each of 8 bit.
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
