"""Enlarges images with a neural network, tile by tile."""

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

MIN_TILE = 32
"""Minimum side length of a tile in pixels; smaller tiles would be mostly margins."""


class TileFunction(Struct, frozen=True):
    """A function that enlarges a tile of an image."""

    run: Callable[[Floats], Floats]
    """Takes height x width x 3 with margins and returns the enlarged tile without them."""
    factor: int
    margin: int
    """Pixels that the network sees around each pixel, by which tiles overlap."""
    tile: int
    """Side length in pixels of a square tile that suits the network, without margins."""


def run_tiled(
    enlarger: TileFunction,
    source: Pixels,
    take: Callable[[Pixels], Floats],
    give: Callable[[Floats], Pixels],
    *,
    wrap: bool,
) -> Pixels:
    """Enlarges `source` one tile at a time.

    `take` converts pixels to the network's input, `give` converts its output back. Margins outside the image
    repeat the edge pixels, or with `wrap` continue at the opposite edge. Tiles shrink if memory runs out.
    """
    # If there is only one tile, it may be smaller.
    tile = min(enlarger.tile, max(source.shape[:2]))
    result = with_smaller_batches(lambda: _run_tiles(enlarger, source, take, give, wrap), tile > MIN_TILE)
    if result is not None:
        return result
    smaller = msgspec.structs.replace(enlarger, tile=max(MIN_TILE, tile // 2))
    return run_tiled(smaller, source, take, give, wrap=wrap)


def _run_tiles(
    enlarger: TileFunction,
    source: Pixels,
    take: Callable[[Pixels], Floats],
    give: Callable[[Floats], Pixels],
    wrap: bool,
) -> Pixels:
    height, width = source.shape[:2]
    k = enlarger.factor
    high, wide = _tile_size(enlarger, height, width)
    result: Pixels | None = None
    done, tiles = 0, -(-height // high) * -(-width // wide)
    for top, bottom in _spans(height, high):
        rows = _padded_indices(top, bottom, height, enlarger.margin, wrap)
        for left, right in _spans(width, wide):
            progress(done, tiles)
            done += 1
            columns = _padded_indices(left, right, width, enlarger.margin, wrap)
            piece = give(enlarger.run(take(source[rows][:, columns])))
            if result is None:
                result = np.empty((height * k, width * k, piece.shape[2]), piece.dtype)
            result[top * k : bottom * k, left * k : right * k] = piece
    assert result is not None
    return result


def _tile_size(enlarger: TileFunction, height: int, width: int) -> tuple[int, int]:
    """Returns the height and width of a tile. Thin images get longer tiles with as many pixels as a square
    one, which saves margins."""
    tile, margins = enlarger.tile, 2 * enlarger.margin

    def along(thickness: int) -> int:
        longest = (tile + margins) ** 2 // (min(thickness, tile) + margins) - margins
        return tile * max(1, longest // tile)

    return along(width), along(height)


def _spans(length: int, tile: int) -> Iterator[tuple[int, int]]:
    for begin in range(0, length, tile):
        yield begin, min(begin + tile, length)


def _padded_indices(begin: int, end: int, length: int, margin: int, wrap: bool) -> NDArray[np.intp]:
    at = np.arange(begin - margin, end + margin)
    return at % length if wrap else at.clip(0, length - 1)


Floats = NDArray[np.float32]

FAITHFUL, SHARP = "waifu2x-upconv7-2x", "realesr-animevideo-4x"


def upscale(images: Sequence[Raster], params: Upscale, limits: Limits) -> Operated:
    (image,) = images
    if params.normals is None:
        # Floats may be vectors of -1 to 1, which the networks weren't trained on.
        normals = image.pixels.dtype.kind == "u" and channel_kind(image) == "normal"
        params = msgspec.structs.replace(params, normals=normals)
    check_size(image.name, image.width * params.factor, image.height * params.factor, limits)
    return Operated({"upscaled": _upscale(image, params, limits)})


def _upscale(image: Raster, params: Upscale, limits: Limits) -> Raster:
    _check(image, params)
    enlarger = tile_function(params.style, params.factor, limits)
    coded = image.pixels.dtype.kind == "f" and image.colors == 3 and not (params.normals or image.data)
    seen = _bleed_colors(image, params)
    with part(0, 1 + image.has_alpha):
        result = _enlarge(enlarger, _plane(seen.pixels, 0, image.colors), params, coded)
    meaning = channel_semantics(image, "normal") if params.normals else {}
    if not image.has_alpha:
        return image.with_pixels(result, **meaning)
    alpha = _plane(image.pixels, image.colors, 1)
    with part(1, 2):
        larger = _restore_flat_alpha(
            _enlarge(enlarger, alpha, params, False), alpha, enlarger.factor, params.wrap
        )
    return image.with_pixels(np.concatenate([result, larger], axis=2), **meaning)


def _restore_flat_alpha(made: Pixels, alpha: Pixels, factor: int, wrap: bool) -> Pixels:
    """Restores fully opaque or transparent areas, where the network's alpha is off by a code or two."""
    height, width = alpha.shape[:2]
    blocks = made.reshape(height, factor, width, factor)
    for value in (0, 1 if made.dtype.kind == "f" else np.iinfo(made.dtype).max):
        same = np.pad(alpha[..., 0] == value, 1, "wrap" if wrap else "edge")
        for axis in (0, 1):
            first, middle, last = (same.take(range(at, same.shape[axis] - 2 + at), axis) for at in range(3))
            same = first & middle & last
        np.copyto(blocks, made.dtype.type(value), where=same[:, None, :, None])
    return made


def _bleed_colors(image: Raster, params: Upscale) -> Raster:
    """Replaces the colours of transparent texels, which the network would mix into visible ones."""
    if not params.alpha_weighted or params.normals or image.data:
        return image
    return bleed_colors(image, 0.0, "wrap" if params.wrap else "clamp")


def tile_function(style: str, factor: int, limits: Limits) -> TileFunction:
    """Returns the function for a style and factor. Raises WorkloadError if the model isn't installed."""
    if style == "faithful":
        network = networks(limits).get(FAITHFUL)
        return (
            TileFunction(lambda piece: _upscale_2x(network, piece), 2, 7, 128)
            if factor == 2
            else TileFunction(lambda piece: _upscale_4x(network, piece), 4, 11, 128)
        )
    network = networks(limits).get(SHARP)
    if factor == 4:
        return TileFunction(lambda piece: _upscale_sharp(network, piece), 4, 18, 256)
    return TileFunction(lambda piece: _halve(_upscale_sharp(network, piece)), 2, 18, 256)


def _upscale_2x(network: Network, piece: Floats) -> Floats:
    """Enlarges by two. The network crops seven pixels on each side."""
    return network.image(piece).transpose(1, 2, 0)


def _upscale_4x(network: Network, piece: Floats) -> Floats:
    """Enlarges by two, twice. The margin of 11 pixels becomes 8, of which the second run needs 7."""
    return _upscale_2x(network, _upscale_2x(network, piece)[1:-1, 1:-1])


def _upscale_sharp(network: Network, piece: Floats) -> Floats:
    """Enlarges by four and crops the margin, which is affected by the network's black padding."""
    return network.image(piece).transpose(1, 2, 0)[72:-72, 72:-72]


def _halve(values: Floats) -> Floats:
    high, wide, channels = values.shape
    result: Floats = values.reshape(high // 2, 2, wide // 2, 2, channels).mean((1, 3), dtype=np.float32)
    return result


def _check(image: Raster, params: Upscale) -> None:
    if params.normals and image.colors != 3:
        raise WorkloadError("unsupported", text("has one colour channel; a normal map has three"), image.name)
    if image.pixels.dtype.kind == "f":
        low, high = float(image.pixels.min()), float(image.pixels.max())
        if low < 0 or high > 1:
            reason = text(
                "has values from {low} to {high}; the networks only support 0 to 1",
                low=f"{low:.4g}",
                high=f"{high:.4g}",
            )
            raise WorkloadError("unsupported", reason, image.name)


def _plane(pixels: Pixels, first: int, count: int) -> Pixels:
    return pixels[..., first : first + count]


def _enlarge(enlarger: TileFunction, source: Pixels, params: Upscale, coded: bool) -> Pixels:
    """Enlarges colours or alpha. `coded` converts floats to sRGB for the network."""
    first = source[:1, :1]
    if bool((source == first).all()):
        # Usually an opaque alpha channel.
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
            values = normalize_vectors(values)
        if kind.kind == "f":
            return srgb_to_linear(values) if coded else values
        return (values * top + np.float32(0.5)).astype(kind)

    return run_tiled(enlarger, source, take, give, wrap=params.wrap)


def srgb_to_linear(coded: Floats) -> Floats:
    """Converts sRGB to linear values (IEC 61966-2-1), both 0 to 1."""
    result = ((coded + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(coded <= 0.04045, coded / np.float32(12.92), result).astype(np.float32)


def normalize_vectors(values: Floats) -> Floats:
    """Normalises vectors stored as 0 to 1. Those without a direction point straight out of the surface."""
    vectors = values * 2 - 1
    length = np.sqrt((vectors * vectors).sum(2, keepdims=True))
    vectors = np.where(
        length > 1e-6, vectors / np.maximum(length, np.float32(1e-6)), np.array([0, 0, 1], np.float32)
    )
    result: Floats = (vectors * np.float32(0.5) + np.float32(0.5)).astype(np.float32)
    return result
