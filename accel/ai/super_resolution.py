"""Enlarges images by a model, tile by tile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.ai.sessions import Network, networks, with_smaller_batches
from accel.ai.workloads import Upscale
from accel.image.color import encode_srgb
from accel.image.inpaint import bleed_colors
from accel.image.operation import Operated, check_size
from accel.image.pixel_coding import channel_kind, channel_semantics
from accel.image.pixel_data import Pixels, full_scale
from accel.image.raster import Raster
from accel.progress import part, progress
from accel.text import text
from accel.workload import Limits, WorkloadError

LEAST_TILE = 32
"""Pixels a side of the smallest tiles, of which most are margins already."""


class TileFunction(Struct, frozen=True):
    """A function that enlarges a piece of an image."""

    run: Callable[[Floats], Floats]
    """From height x width x 3 with a margin on each side, to what lies within the margins, enlarged."""
    factor: int
    margin: int
    """Pixels around each one by which it is decided: how much tiles overlap."""
    tile: int
    """Pixels a side, without the margins, of a square piece that suits the network."""


def run_tiled(
    enlarger: TileFunction,
    source: Pixels,
    take: Callable[[Pixels], Floats],
    give: Callable[[Floats], Pixels],
    *,
    wrap: bool,
) -> Pixels:
    """`source`, enlarged; only one tile at a time is held as floats.

    `take` makes a piece of it what the network wants, `give` the other way round. Beyond the edges lies the
    last pixel, or with `wrap` the opposite edge. Where memory is full, tiles become smaller.
    """
    # Of several tiles all have that size, of one it may be less.
    tile = min(enlarger.tile, max(source.shape[:2]))
    made = with_smaller_batches(lambda: _tiled(enlarger, source, take, give, wrap), tile > LEAST_TILE)
    if made is not None:
        return made
    smaller = msgspec.structs.replace(enlarger, tile=max(LEAST_TILE, tile // 2))
    return run_tiled(smaller, source, take, give, wrap=wrap)


def _tiled(
    enlarger: TileFunction,
    source: Pixels,
    take: Callable[[Pixels], Floats],
    give: Callable[[Floats], Pixels],
    wrap: bool,
) -> Pixels:
    height, width = source.shape[:2]
    k = enlarger.factor
    high, wide = _sides(enlarger, height, width)
    made: Pixels | None = None
    done, tiles = 0, -(-height // high) * -(-width // wide)
    for top, bottom in _spans(height, high):
        rows = _around(top, bottom, height, enlarger.margin, wrap)
        for left, right in _spans(width, wide):
            progress(done, tiles)
            done += 1
            columns = _around(left, right, width, enlarger.margin, wrap)
            piece = give(enlarger.run(take(source[rows][:, columns])))
            if made is None:
                made = np.empty((height * k, width * k, piece.shape[2]), piece.dtype)
            made[top * k : bottom * k, left * k : right * k] = piece
    assert made is not None
    return made


def _sides(enlarger: TileFunction, height: int, width: int) -> tuple[int, int]:
    """Pixels of a tile down and across. Along a thin image it is several times as long, with no more pixels
    than a square one has: there are fewer margins to compute."""
    tile, margins = enlarger.tile, 2 * enlarger.margin

    def along(thickness: int) -> int:
        longest = (tile + margins) ** 2 // (min(thickness, tile) + margins) - margins
        return tile * max(1, longest // tile)

    return along(width), along(height)


def _spans(length: int, tile: int) -> Iterator[tuple[int, int]]:
    for begin in range(0, length, tile):
        yield begin, min(begin + tile, length)


def _around(begin: int, end: int, length: int, margin: int, wrap: bool) -> NDArray[np.intp]:
    at = np.arange(begin - margin, end + margin)
    return at % length if wrap else at.clip(0, length - 1)


Floats = NDArray[np.float32]

FAITHFUL, SHARP = "waifu2x-upconv7-2x", "realesr-animevideo-4x"


def upscale(images: Sequence[Raster], params: Upscale, limits: Limits) -> Operated:
    (image,) = images
    if params.normals is None:
        # Floats may be vectors of -1 to 1, which the networks don't know.
        normals = image.pixels.dtype.kind == "u" and channel_kind(image) == "normal"
        params = msgspec.structs.replace(params, normals=normals)
    check_size(image.name, image.width * params.factor, image.height * params.factor, limits)
    return Operated({"upscaled": _upscale(image, params, limits)})


def _upscale(image: Raster, params: Upscale, limits: Limits) -> Raster:
    _check(image, params)
    enlarger = tile_function(params.style, params.factor, limits)
    coded = image.pixels.dtype.kind == "f" and image.colors == 3 and not (params.normals or image.data)
    seen = _seen(image, params)
    with part(0, 1 + image.has_alpha):
        made = _part(enlarger, _plane(seen.pixels, 0, image.colors), params, coded)
    meaning = channel_semantics(image, "normal") if params.normals else {}
    if not image.has_alpha:
        return image.with_pixels(made, **meaning)
    alpha = _plane(image.pixels, image.colors, 1)
    with part(1, 2):
        larger = _settled(_part(enlarger, alpha, params, False), alpha, enlarger.factor, params.wrap)
    return image.with_pixels(np.concatenate([made, larger], axis=2), **meaning)


def _settled(made: Pixels, alpha: Pixels, factor: int, wrap: bool) -> Pixels:
    """Transparency that is what it was where a pixel and all beside it are opaque, or none is visible: the
    networks are off by a code or two, and what is opaque would be so no more."""
    height, width = alpha.shape[:2]
    blocks = made.reshape(height, factor, width, factor)
    for value in (0, 1 if made.dtype.kind == "f" else np.iinfo(made.dtype).max):
        same = np.pad(alpha[..., 0] == value, 1, "wrap" if wrap else "edge")
        for axis in (0, 1):
            first, middle, last = (same.take(range(at, same.shape[axis] - 2 + at), axis) for at in range(3))
            same = first & middle & last
        np.copyto(blocks, made.dtype.type(value), where=same[:, None, :, None])
    return made


def _seen(image: Raster, params: Upscale) -> Raster:
    """The image whose colours are enlarged: those of what is transparent would be mixed with others."""
    if not params.alpha_weighted or params.normals or image.data:
        return image
    return bleed_colors(image, 0.0, "wrap" if params.wrap else "clamp")


def tile_function(style: str, factor: int, limits: Limits) -> TileFunction:
    """Raises WorkloadError where the model isn't on this machine."""
    if style == "faithful":
        network = networks(limits).get(FAITHFUL)
        return (
            TileFunction(lambda piece: _twice(network, piece), 2, 7, 128)
            if factor == 2
            else TileFunction(lambda piece: _four_times(network, piece), 4, 11, 128)
        )
    network = networks(limits).get(SHARP)
    if factor == 4:
        return TileFunction(lambda piece: _sharply(network, piece), 4, 18, 256)
    return TileFunction(lambda piece: _halved(_sharply(network, piece)), 2, 18, 256)


def _twice(network: Network, piece: Floats) -> Floats:
    """The network takes seven pixels off each side by itself."""
    return network.image(piece).transpose(1, 2, 0)


def _four_times(network: Network, piece: Floats) -> Floats:
    """Twice and twice again: 11 pixels of margin become 8 after the first time, of which 7 are wanted."""
    return _twice(network, _twice(network, piece)[1:-1, 1:-1])


def _sharply(network: Network, piece: Floats) -> Floats:
    """The network pads by itself with black, which reaches as far as the margin."""
    return network.image(piece).transpose(1, 2, 0)[72:-72, 72:-72]


def _halved(values: Floats) -> Floats:
    high, wide, channels = values.shape
    made: Floats = values.reshape(high // 2, 2, wide // 2, 2, channels).mean((1, 3), dtype=np.float32)
    return made


def _check(image: Raster, params: Upscale) -> None:
    if params.normals and image.colors != 3:
        raise WorkloadError("unsupported", text("has no three colours, as a normal map has"), image.name)
    if image.pixels.dtype.kind == "f":
        low, high = float(image.pixels.min()), float(image.pixels.max())
        if low < 0 or high > 1:
            reason = text(
                "has values from {low} to {high}; the networks know none but those of 0 to 1",
                low=f"{low:.4g}",
                high=f"{high:.4g}",
            )
            raise WorkloadError("unsupported", reason, image.name)


def _plane(pixels: Pixels, first: int, count: int) -> Pixels:
    return pixels[..., first : first + count]


def _part(enlarger: TileFunction, source: Pixels, params: Upscale, coded: bool) -> Pixels:
    """The colours or the transparency, enlarged. `coded`: floats that the network sees by sRGB's curve."""
    first = source[:1, :1]
    if bool((source == first).all()):
        # Of one value: most often transparency that isn't any.
        high, wide = source.shape[0] * enlarger.factor, source.shape[1] * enlarger.factor
        return np.ascontiguousarray(np.broadcast_to(first, (high, wide, source.shape[2])))
    kind, channels = source.dtype, source.shape[2]
    top = np.float32(full_scale(kind))

    def take(piece: Pixels) -> Floats:
        values = piece.astype(np.float32) / top
        values = encode_srgb(values) if coded else values
        return values if channels == 3 else np.repeat(values, 3, axis=2)

    def give(values: Floats) -> Pixels:
        values = values if channels == 3 else values.mean(2, keepdims=True)
        values = np.clip(values, 0, 1)
        if params.normals and channels == 3:
            values = to_unit(values)
        if kind.kind == "f":
            return to_light_values(values) if coded else values
        return (values * top + np.float32(0.5)).astype(kind)

    return run_tiled(enlarger, source, take, give, wrap=params.wrap)


def to_light_values(coded: Floats) -> Floats:
    """sRGB's curve undone (IEC 61966-2-1); 0 to 1 both ways."""
    made = ((coded + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(coded <= 0.04045, coded / np.float32(12.92), made).astype(np.float32)


def to_unit(values: Floats) -> Floats:
    """Normals stored as 0 to 1, of length 1; where there is none it points out of the surface."""
    vectors = values * 2 - 1
    length = np.sqrt((vectors * vectors).sum(2, keepdims=True))
    vectors = np.where(
        length > 1e-6, vectors / np.maximum(length, np.float32(1e-6)), np.array([0, 0, 1], np.float32)
    )
    made: Floats = (vectors * np.float32(0.5) + np.float32(0.5)).astype(np.float32)
    return made
