"""Memory layouts of texels in DDS and KTX2: compressed blocks, channels, bit fields and packed floats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from accel.image.codecs import exr
from accel.image.codecs.block_decoders import BLOCKS, unpack_blocks
from accel.image.codecs.gpu_formats import PLAIN, Texture, apply_masks, reorder_channels, with_blue
from accel.image.codecs.stream import Picture, Stream
from accel.image.operation import Writing
from accel.image.pixel_data import Pixels, full_scale
from accel.image.raster import Raster

Order = Literal["r", "rg", "rgb", "bgr", "rgba", "bgra", "rgbx", "bgrx", "a", "ra"]


class Blocks(Struct, frozen=True):
    codec: str
    """A key of `BLOCKS`."""


class Channels(Struct, frozen=True):
    """Integer or float channels, all of one type."""

    kind: str
    """numpy type u1, u2, f2 or f4; little-endian."""
    order: Order
    signed: bool = False
    """Whether integers represent -1 to 1, which maps to 0 to full scale."""


class Fields(Struct, frozen=True):
    """Bit fields in an integer."""

    size: int
    """Size of the integer in bytes, 1 to 4."""
    masks: tuple[int, ...]
    model: Literal["rgb", "grey"] = "rgb"


class Floats(Struct, frozen=True):
    """Three floats packed into 32 bits."""

    decode: Callable[[Pixels], Pixels]


Layout = Blocks | Channels | Fields | Floats
_TWO_CHANNELS = (
    *(Blocks(codec) for codec in ("bc5", "bc5s", "eacrg", "eacrg_signed")),
    *(Channels(kind, "rg", signed) for kind in ("u1", "u2", "f2", "f4") for signed in (False, True)),
)
"""Two-channel layouts, for which blue is reconstructed."""
Size = tuple[int, int]
"""Width and height in pixels."""


def level(layout: Layout, width: int, height: int) -> int:
    """Returns the size in bytes of an image with these dimensions."""
    if isinstance(layout, Blocks):
        block = BLOCKS[layout.codec]
        return -(-width // block.width) * -(-height // block.height) * block.size
    return width * height * _texel_size(layout)


def build_picture(
    stream: Stream, layout: Layout, data: bytes | memoryview, width: int, height: int
) -> Picture:
    """Decodes an image from its bytes. Raises WorkloadError."""
    if isinstance(layout, Blocks):
        # The libraries need bytes. Only memoryviews are copied here.
        return unpack_blocks(stream, layout.codec, bytes(data), width, height)
    if isinstance(layout, Channels):
        bits = 8 * np.dtype(layout.kind).itemsize if layout.kind[0] == "f" else 0
        return replace(_channels(layout, data, width, height), float_bits=bits)
    if isinstance(layout, Floats):
        return Picture(layout.decode(np.frombuffer(data, "<u4").reshape(height, width)), "rgb", False)
    values = np.frombuffer(data, np.uint8).reshape(height, width, layout.size)
    if layout.size == 3:
        values = np.concatenate([values, np.zeros_like(values[..., :1])], axis=2)
    words = values.view(f"<u{values.shape[2]}")[..., 0]
    pixels = apply_masks(words, layout.masks)
    return Picture(pixels, layout.model, pixels.shape[2] in (2, 4))


def smaller_size(
    stream: Stream, layout: Layout, first: Picture, data: Iterable[tuple[Size, bytes]]
) -> tuple[Pixels, ...]:
    """Decodes mip levels, given as sizes and bytes, to the channels of `first`.

    The texels of `first` decide whether alpha is used and blue reconstructed. Raises WorkloadError.
    """
    return tuple(
        _match_channels(build_picture(stream, layout, each, *size).pixels, layout, first.pixels)
        for size, each in data
    )


def read_images(
    stream: Stream, layout: Layout, first: Picture, data: Iterable[Iterable[tuple[Size, bytes]]]
) -> Picture:
    """Decodes the other images of a file, given as sizes and bytes of their levels, and adds them to `first`.

    If one image has alpha, all do. Raises WorkloadError.
    """
    found = [[build_picture(stream, layout, each, *size).pixels for size, each in levels] for levels in data]
    most = max((first.pixels, *(levels[0] for levels in found)), key=lambda pixels: pixels.shape[2])
    pixels, *mips = (_match_channels(level, layout, most) for level in (first.pixels, *first.mips))
    others = tuple(tuple(_match_channels(level, layout, most) for level in levels) for levels in found)
    alpha = first.has_alpha or most.shape[2] > first.pixels.shape[2]
    return replace(first, pixels=pixels, mips=tuple(mips), others=others, has_alpha=alpha)


def halve_size(width: int, height: int, levels: int) -> Iterator[Size]:
    """Yields the sizes of the levels after the first, down to 1 x 1."""
    for index in range(1, min(levels, max(width, height).bit_length())):
        yield max(1, width >> index), max(1, height >> index)


def _match_channels(pixels: Pixels, layout: Layout, first: Pixels) -> Pixels:
    # Reconstructed blue is never 0.
    if layout in _TWO_CHANNELS and bool(pixels[0, 0, 2]) != bool(first[0, 0, 2]):
        return with_blue(pixels[..., :2], bool(first[0, 0, 2]))
    if pixels.shape[2] > first.shape[2]:
        return reorder_channels(pixels, range(first.shape[2]))
    if pixels.shape[2] < first.shape[2]:
        return np.insert(pixels, pixels.shape[2], full_scale(pixels.dtype), axis=2)
    return pixels


def _texel_size(layout: Channels | Fields | Floats) -> int:
    if isinstance(layout, Channels):
        return np.dtype(layout.kind).itemsize * len(layout.order)
    return layout.size if isinstance(layout, Fields) else 4


def _channels(layout: Channels, data: bytes | memoryview, width: int, height: int) -> Picture:
    pixels = np.frombuffer(data, f"<{layout.kind}").reshape(height, width, len(layout.order))
    if pixels.dtype.kind == "f":
        pixels = pixels.astype(np.float32)
    elif layout.signed:
        pixels = pixels ^ np.array(1 << (8 * pixels.itemsize - 1), pixels.dtype)
    order = layout.order
    if order == "rg":
        return Picture(with_blue(pixels), "rgb", False, data=True)
    if order == "a":
        return Picture(np.concatenate([np.zeros_like(pixels), pixels], axis=2), "grey", True)
    if order[0] == "b" or order[-1] == "x":
        pixels = reorder_channels(pixels, [order.index(one) for one in "rgba" if one in order])
    return Picture(pixels, "grey" if order[0] == "r" and "g" not in order else "rgb", order[-1] == "a")


def shared_exponent(words: Pixels) -> Pixels:
    """Decodes R9G9B9E5 to RGB: mantissa * 2 ** (exponent - 24)."""
    scale = np.ldexp(np.float32(1), (words >> 27).astype(np.int32) - 24)
    mantissas = np.stack([words & 511, words >> 9 & 511, words >> 18 & 511], -1)
    return (mantissas * scale[..., None]).astype(np.float32)


def small_floats(words: Pixels) -> Pixels:
    """Decodes R11G11B10 to RGB: unsigned floats with 5-bit exponents, widened to half floats."""
    halves = [(words & 0x7FF) << 4, (words >> 11 & 0x7FF) << 4, (words >> 22) << 5]
    return np.stack(halves, -1).astype(np.uint16).view(np.float16).astype(np.float32)


def uncompressed(image: Raster, params: Writing) -> Texture:
    """Returns the image as a texture with one channel (grey) or four.

    GPUs support neither three channels of 8 or 16 bits nor single-channel sRGB, so sRGB grey becomes RGBA.
    """
    half = image.pixels.dtype.kind == "f" and pixel_bits(image, params) == 16
    first, *layers = (_levels(each, half) for each in (image, *image.layers))
    kind = f"{first[0].dtype.kind}{first[0].dtype.itemsize}"
    channels = first[0].shape[2]
    format = PLAIN[kind, channels, image.transfer == "srgb"]
    data, *others = ([_to_bytes(level) for level in levels] for levels in (first, *layers))
    swizzle = "rrr1" if channels == 1 else ""
    return Texture(
        format, image.width, image.height, data, swizzle, image.blends, others, image.cube, image.array
    )


def _levels(image: Raster, half: bool) -> list[Pixels]:
    """Returns the levels of one image, with one or four channels."""
    levels = [image.pixels, *image.mips]
    if image.channels == 2 or (image.channels == 1 and image.transfer == "srgb"):
        levels = [with_color_channels(level) for level in levels]
    if half:
        # The depth depends on the first level only; filters may overshoot in the others.
        levels = [level.clip(-exr.LARGEST, exr.LARGEST).astype(np.float16) for level in levels]
    return [with_alpha(level) if level.shape[2] == 3 else level for level in levels]


def _to_bytes(pixels: Pixels) -> bytes:
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()


def pixel_bits(image: Raster, params: Writing) -> int:
    """Returns the bits per channel that `uncompressed` writes; for floats 16 or 32, as in OpenEXR."""
    if image.bit_depth < 32:
        return image.bit_depth
    return max(exr.exr_bits(each, params) for each in (image, *image.layers))


def with_color_channels(pixels: Pixels) -> Pixels:
    """Converts grey to RGB, or grey with alpha to RGBA."""
    return reorder_channels(pixels, [0, 0, 0, 1][: pixels.shape[2] + 2])


def with_alpha(pixels: Pixels) -> Pixels:
    """Adds opaque alpha to RGB."""
    rgba = np.empty((*pixels.shape[:2], 4), pixels.dtype)
    for index in range(3):
        rgba[..., index] = pixels[..., index]
    rgba[..., 3] = full_scale(pixels.dtype)
    return rgba
