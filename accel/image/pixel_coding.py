"""Decodes pixels for filtering, encodes the results and converts bit depths.

Also detects whether an image holds colours, normals or data.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from accel.image import compiled, kernels
from accel.image.color import Floats, decode_table, from_linear, premultiplied_to_linear, to_linear
from accel.image.kernels import MIN_WEIGHT, STEPS, Bytes
from accel.image.normal_maps import is_signed, to_unsigned, unit_share
from accel.image.operation import AnyKind
from accel.image.pixel_data import Pixels
from accel.image.raster import PixelKind, Raster
from accel.image.statistics import sample_pixels
from accel.text import text
from accel.workload import WorkloadError

WORTH_COMPILED = 4_000_000
"""Texels above which compiled loops pay: loading takes 0.4 s, as much as they save on six such images."""

STRIP = 1 << 19
"""Values per strip: a few such arrays fit into a core's cache."""

CANCELLED = 1e-4
"""Length below which an averaged vector has no direction."""


class Coding(Struct, frozen=True):
    """How to decode an image's pixels for a filter and encode the result."""

    dtype: Any
    """numpy dtype of the pixels."""
    channels: int
    colors: int
    curve: bool
    """Whether colours are sRGB codes to be averaged as linear light."""
    weighted: bool
    """Whether colours are weighted by alpha, the last channel."""
    vectors: bool
    """Whether the first three channels are unit vectors."""
    signed: bool
    """Whether vectors are stored as -1..1 instead of 0..1."""
    loops: ModuleType
    """The module with the inner loops, `kernels` or its compiled version."""
    range: tuple[float, float] = (0.0, 1.0)
    """Range of float colours. Division by a small alpha is clipped to it."""

    def empty(self, rows: int, width: int) -> Floats:
        """Returns uninitialized lines: rows x channels x width."""
        return np.empty((rows, self.channels, width), np.float32)

    def rows(self, width: int) -> int:
        """Returns the even number of rows in a strip of this width."""
        return max(2, STRIP // (width * self.channels) // 2 * 2)

    def decode(self, pixels: Pixels) -> Floats:
        """Decodes pixels (rows x width x channels) to lines (rows x channels x width)."""
        rows, width, _ = pixels.shape
        lines = self.empty(rows, width)
        if pixels.dtype.kind == "u":
            self.loops.decode(pixels, *self.tables(), self.colors, self.weighted, lines)
        else:
            lines[...] = pixels.swapaxes(1, 2)
            if self.weighted:
                weight = lines[:, -1:]
                np.add(weight.clip(0, 1), MIN_WEIGHT, out=weight)
                lines[:, :-1] *= weight
        if self.vectors:
            if not self.signed:
                lines[:, :3] = lines[:, :3] * 2 - 1
            normalize_lines(lines)
        return lines

    def halve(self, pixels: Pixels, lines: Floats) -> None:
        """Writes the mean of each 2 x 2 pixels to `lines`. Both sides must be even."""
        if self.vectors or self.dtype.kind == "f":
            self.loops.halve_lines(self.decode(pixels), lines)
        else:
            self.loops.halve_pixels(pixels, *self.tables(), self.colors, self.weighted, lines)

    def tables(self) -> tuple[Floats, Floats]:
        """Returns the decoding tables for colours and alpha."""
        return _table(self.dtype.name, self.curve), _alphas(self.dtype.name, self.weighted)

    def encode(self, lines: Floats, out: Pixels | None = None) -> Pixels:
        """Encodes lines as pixels, rounded to the nearest code; transparent colours are preserved."""
        rows, channels, width = lines.shape
        pixels = np.empty((rows, width, channels), self.dtype) if out is None else out
        if self.vectors:
            lines = lines.copy()
            normalize_lines(lines)
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
        """Encodes lines strip by strip."""
        height, channels, width = lines.shape
        result = np.empty((height, width, channels), self.dtype)
        each = self.rows(width)
        for begin in range(0, height, each):
            self.encode(lines[begin : begin + each], result[begin : begin + each])
        return result

    def clip_ringing(self, filtered: Pixels, source: Pixels) -> Pixels:
        """Clips each float channel to the range of the source, to remove a filter's ringing. Integers are
        clipped anyway, and vectors normalised."""
        if self.dtype.kind != "f" or self.vectors:
            return filtered
        # Clip whole rows: numpy is ten times slower along the channels of a pixel.
        low, high = source.min(axis=0).min(axis=0), source.max(axis=0).max(axis=0)
        row = np.tile(low, filtered.shape[1]), np.tile(high, filtered.shape[1])
        return filtered.reshape(len(filtered), -1).clip(*row).reshape(filtered.shape)

    def _floats(self, lines: Floats) -> Floats:
        if not self.weighted:
            return lines
        result = np.empty_like(lines)
        weight = lines[:, -1:]
        result[:, :-1] = lines[:, :-1] / np.where(np.abs(weight) > 1e-9, weight, 1)
        result[:, :-1].clip(*self.range, out=result[:, :-1])
        alpha = (weight - MIN_WEIGHT).clip(0, 1)
        # Smaller values are rounding errors of the weights.
        result[:, -1:] = alpha * (alpha >= MIN_WEIGHT)
        return result


def coding_of(image: Raster, kind: PixelKind, linear_light: bool, alpha_weighted: bool) -> Coding:
    """Returns the coding of an image. Raises WorkloadError `unsupported` for normals without three colour
    channels."""
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
        choose_loops(pixels),
        span,
    )


def choose_loops(pixels: Pixels) -> ModuleType:
    """Returns the compiled loops for a large image if numba is installed, otherwise numpy's.

    The choice doesn't depend on what is already loaded, because the last bits of some sums differ.
    """
    if pixels.shape[0] * pixels.shape[1] < WORTH_COMPILED or not compiled.available():
        return kernels
    from accel.image.compiled import kernels as loops

    return loops


def normalize_lines(lines: Floats) -> None:
    """Normalises the vectors in the first three channels. Those without a direction become (0, 0, 1)."""
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
    return table + MIN_WEIGHT if weighted else table


@functools.cache
def _codes() -> tuple[Bytes, Floats]:
    """Returns the code at the start of each step of linear light, and the lowest light that rounds to each
    code."""
    halves = (np.arange(1, 256) - 0.5) / 255
    bounds = np.where(halves <= 0.04045, halves / 12.92, ((halves + 0.055) / 1.055) ** 2.4).astype(np.float32)
    steps = np.arange(STEPS + 1, dtype=np.float32) / np.float32(STEPS)
    guess = np.searchsorted(bounds, steps, side="right").astype(np.uint8)
    return guess, np.concatenate([[0], bounds, [np.inf]]).astype(np.float32)


_NONE = (np.zeros(1, np.uint8), np.zeros(1, np.float32))


NORMAL_SHARE = 0.9
"""Minimum share of unit vectors in a normal map. It is stricter than for detecting the convention, because
treating colours as vectors ruins them."""

OUTWARD = 0.2
"""Minimum outward component of a normal map's mean vector, and minimum excess over its sideways component.
Light grey also has unit vectors, but they point sideways just as much."""

UNIFORM = 0.03
"""Maximum standard deviation of x, y and z in an image of a single colour: four 8-bit codes."""

UPRIGHT = 0.1
"""Maximum sideways component of the mean vector of a single colour: many blues are unit vectors, but a flat
surface points straight out."""


def channel_kind(image: Raster, kind: AnyKind = "auto") -> PixelKind:
    """Returns the kind of the channels: `kind`, else `Raster.kind`, else the kind detected from the pixels.

    Unit vectors that mostly point outwards are `normal`; a single colour only if it is that of a flat
    surface. Images read as data, and grey without alpha unless it is sRGB, are `data`. Everything else is
    `color`. Examines a sample of at most about 256 x 256 texels.
    """
    if kind != "auto":
        return kind
    if image.kind:
        return image.kind
    if _is_normal_map(image):
        return "normal"
    colored = image.colors == 3 if image.pixels.dtype.kind == "f" else image.transfer == "srgb"
    return "color" if not image.data and (colored or image.has_alpha) else "data"


def channel_semantics(image: Raster, kind: PixelKind) -> dict[str, object]:
    """Returns the raster fields for a kind: normals and data are linear."""
    if kind == "color":
        return {"transfer": image.transfer, "kind": kind}
    return {"transfer": "linear", "data": True, "kind": kind}


def resolve_semantics(image: Raster, kind: PixelKind) -> Raster:
    """Returns the image with its fields set for this kind."""
    return msgspec.structs.replace(image, **channel_semantics(image, kind))


def _is_normal_map(image: Raster) -> bool:
    if image.colors != 3:
        return False
    planes = sample_pixels(image.pixels[..., :3])
    signed = is_signed(image)
    vectors = planes if signed else planes * 2 - 1
    x, y, z = (float(plane.mean()) for plane in vectors)
    sideways = max(abs(x), abs(y))
    # Signed vectors can't be colours, which are never negative.
    if not signed and sideways > UPRIGHT and max(float(plane.std()) for plane in vectors) <= UNIFORM:
        return False
    out = z - sideways
    return z > OUTWARD and out > OUTWARD and unit_share(vectors) >= NORMAL_SHARE


DEPTHS = {"8": "uint8", "16": "uint16", "32": "float32"}
"""numpy dtype names by bits per channel."""


def at_depth(image: Raster, dtype: Any) -> Raster:
    """Converts an image to uint8, uint16 or float32.

    RGB floats that aren't data become sRGB; alpha, grey and data stay linear, and vectors of -1 to 1 become 0
    to full scale. Premultiplied sRGB codes become premultiplied linear light.
    """
    dtype = np.dtype(dtype)
    if image.pixels.dtype == dtype:
        return image
    if dtype.kind == "f":
        codes = image.multiplied == "codes" and image.has_alpha
        light = premultiplied_to_linear if codes else to_linear
        levels = [light(level, image.colors, image.transfer) for level in (image.pixels, *image.mips)]
        multiplied = "light" if codes else image.multiplied
        return image.with_pixels(levels[0], mips=tuple(levels[1:]), transfer="linear", multiplied=multiplied)
    if image.pixels.dtype.kind == "f":
        transfer = "srgb" if image.colors == 3 and not image.data else "linear"
        levels = [image.pixels, *image.mips]
        if image.kind == "normal" and is_signed(image):
            levels = list(map(to_unsigned, levels))
        levels = [from_linear(level, image.colors, transfer, dtype) for level in levels]
        return image.with_pixels(levels[0], mips=tuple(levels[1:]), transfer=transfer)
    levels = [_rescale(level, dtype) for level in (image.pixels, *image.mips)]
    return image.with_pixels(levels[0], mips=tuple(levels[1:]))


def _rescale(pixels: Pixels, dtype: np.dtype[Any]) -> Pixels:
    if dtype.itemsize == 2:
        return pixels.astype(np.uint16) * np.uint16(257)
    # Round to nearest: each 8-bit code stands for 257 16-bit codes.
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
