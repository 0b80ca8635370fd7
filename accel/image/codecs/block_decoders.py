"""Decoders for block compression: BC1 to BC7, ETC2, EAC and ASTC."""

from __future__ import annotations

import struct
import tempfile
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import texture2ddecoder
from astc_encoder import (
    ASTCConfig,
    ASTCConfigFlags,
    ASTCContext,
    ASTCImage,
    ASTCProfile,
    ASTCSwizzle,
    ASTCType,
)
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.codecs.exr import library
from accel.image.codecs.gpu_formats import reorder_channels, with_blue, without_full_alpha
from accel.image.codecs.stream import Picture, Stream
from accel.image.pixel_data import Pixels
from accel.image.records import Compression

Bytes = NDArray[np.uint8]
"""Blocks x bytes per block."""


_STRIP = 4096
"""Blocks decoded at a time, to stay in the cache."""


class Block(Struct, frozen=True):
    compression: Compression
    size: int
    """In bytes."""
    width: int = 4
    """In texels."""
    height: int = 4
    """In texels."""


_ASTC = ((4, 4), (5, 4), (5, 5), (6, 5), (6, 6), (8, 5), (8, 6), (8, 8), (10, 5), (10, 6), (10, 8), (10, 10),
         (12, 10), (12, 12))  # fmt: skip
"""Block sizes in the order of Vulkan's formats."""

ASTC = tuple(f"astc{width}x{height}" for width, height in _ASTC)

BLOCKS: dict[str, Block] = {
    "bc1": Block("bc1", 8), "bc2": Block("bc2", 16), "bc3": Block("bc3", 16),
    "bc4": Block("bc4", 8), "bc4s": Block("bc4", 8), "bc5": Block("bc5", 16), "bc5s": Block("bc5", 16),
    "bc6h": Block("bc6h", 16), "bc6hs": Block("bc6h", 16), "bc7": Block("bc7", 16),
    "etc2": Block("etc2", 8), "etc2a1": Block("etc2", 8), "etc2a8": Block("etc2", 16),
    "eacr": Block("etc2", 8), "eacr_signed": Block("etc2", 8),
    "eacrg": Block("etc2", 16), "eacrg_signed": Block("etc2", 16),
    **{name: Block("astc", 16, *size) for name, size in zip(ASTC, _ASTC, strict=True)},
}  # fmt: skip
"""Block formats by codec. `s` and `_shift_signed` mark values of -1 to 1, which map to 0 to full scale."""


def unpack_blocks(stream: Stream, codec: str, data: bytes, width: int, height: int) -> Picture:
    """Decodes `data`, exactly the blocks of an image of this size. Raises WorkloadError."""
    if codec.startswith("bc6h"):
        try:
            return Picture(decode_hdr(codec, data, width, height), "rgb", False, "bc6h")
        except ValueError as error:
            raise stream.broken(str(error)) from None
    return _to_picture(codec, decode_plain(codec, data, width, height))


def decode_plain(codec: str, data: bytes, width: int, height: int) -> Pixels:
    """Decodes blocks with one to four 8-bit channels, without interpreting them.

    `data` must be exactly the blocks of an image of this size.
    """
    if codec in _NUMPY_DECODERS:
        return np.ascontiguousarray(
            _decode_in_strips(codec, data, -(-height // 4), -(-width // 4))[:height, :width]
        )
    return _decode_with_library(codec, data, width, height)


def decode_hdr(codec: str, data: bytes, width: int, height: int) -> Pixels:
    """Decodes BC6H to float32 RGB. Raises ValueError for invalid blocks.

    OpenImageIO reads them from a temporary DDS file, as texture2ddecoder truncates them to 8 bits.
    """
    with tempfile.TemporaryDirectory(prefix="popbridge-") as folder:
        path = Path(folder) / "blocks.dds"
        path.write_bytes(_dds(95 if codec == "bc6h" else 96, width, height) + data)
        oiio = library()
        file = oiio.ImageInput.open(str(path))
        pixels = file.read_image(0, 0, 0, 3, "float") if file is not None else None
        detail = file.geterror() if file is not None else oiio.geterror()
        if file is not None:
            file.close()
    if detail or pixels is None:
        raise ValueError(detail.strip()[:200] or "its blocks can't be read")
    return np.ascontiguousarray(pixels)


def _to_picture(codec: str, pixels: Pixels) -> Picture:
    compression = BLOCKS[codec].compression
    if pixels.shape[2] == 1:
        return Picture(pixels, "grey", False, compression)
    if pixels.shape[2] == 2:
        return Picture(with_blue(pixels), "rgb", False, compression, data=True)
    # In these formats alpha is optional in each block.
    if codec in ("bc1", "bc7", "etc2a1") or compression == "astc":
        pixels = without_full_alpha(pixels)
    return Picture(pixels, "rgb", pixels.shape[2] == 4, compression)


def _decode_with_library(codec: str, data: bytes, width: int, height: int) -> Pixels:
    if codec.startswith("astc"):
        # texture2ddecoder crashes on invalid ASTC blocks.
        return decode_astc(data, width, height, BLOCKS[codec].width, BLOCKS[codec].height)
    # The library doesn't check the length of `data`; callers do.
    raw = getattr(texture2ddecoder, f"decode_{codec}")(data, width, height)
    bgra = np.frombuffer(raw, np.uint8).reshape(height, width, 4)
    order = {"eacr": (2,), "eacrg": (2, 1), "etc2": (2, 1, 0)}.get(
        codec.removesuffix("_shift_signed"), (2, 1, 0, 3)
    )
    return reorder_channels(bgra, order)


# BC1 to BC5 (Direct3D 11.3 functional specification, 19.5) are decoded in numpy, at 10 ms per megapixel:
# texture2ddecoder ignores the transparent colour of BC1 and decodes the colours of BC2 and BC3 as BC1.


def _decode_in_strips(codec: str, data: bytes, down: int, across: int) -> Pixels:
    """Decodes rows of blocks in strips that stay in the cache."""
    rows = np.frombuffer(data, np.uint8).reshape(down, across, -1)
    step = max(1, _STRIP // across)
    strips = (rows[begin : begin + step] for begin in range(0, down, step))
    return np.concatenate(
        [_NUMPY_DECODERS[codec](strip.reshape(-1, rows.shape[2]), strip.shape[:2]) for strip in strips]
    )


def _bc1(rows: Bytes, blocks: tuple[int, int]) -> Pixels:
    return _decode_colors(rows, blocks, transparent=True)


def _bc2(rows: Bytes, blocks: tuple[int, int]) -> Pixels:
    pixels = _decode_colors(rows[:, 8:], blocks, transparent=False)
    nibbles = np.stack([rows[:, :8] & 15, rows[:, :8] >> 4], -1).reshape(-1, 16)
    pixels[..., 3] = _arrange(nibbles * np.uint8(17), blocks)
    return pixels


def _bc3(rows: Bytes, blocks: tuple[int, int]) -> Pixels:
    pixels = _decode_colors(rows[:, 8:], blocks, transparent=False)
    pixels[..., 3] = _decode_values(rows[:, :8], blocks)
    return pixels


def _bc4(rows: Bytes, blocks: tuple[int, int]) -> Pixels:
    return _decode_values(rows, blocks)[..., None]


def _bc5(rows: Bytes, blocks: tuple[int, int]) -> Pixels:
    return np.stack([_decode_values(rows[:, :8], blocks), _decode_values(rows[:, 8:], blocks)], -1)


def _shift_signed(rows: Bytes) -> Bytes:
    """Shifts the end points in each 8 bytes from -128..127 to 0..255. Interpolation works the same."""
    moved = rows.reshape(-1, 8).copy()
    moved[:, :2] ^= 0x80
    return moved.reshape(rows.shape)


def _decode_colors(rows: Bytes, blocks: tuple[int, int], transparent: bool) -> Pixels:
    """Decodes 8 bytes per block to RGBA: two 5:6:5 colours and sixteen 2-bit indices."""
    ends = np.ascontiguousarray(rows[:, :4]).view("<u2").astype(np.int32)
    palette = np.full((len(rows), 4, 4), 255, np.int32)
    for channel, (shift, size) in enumerate(((11, 5), (5, 6), (0, 5))):
        field = (ends >> shift) & ((1 << size) - 1)
        palette[:, :2, channel] = (field << (8 - size)) | (field >> (2 * size - 8))
    one, other = palette[:, 0, :3], palette[:, 1, :3]
    palette[:, 2, :3] = (2 * one + other + 1) // 3
    palette[:, 3, :3] = (one + 2 * other + 1) // 3
    if transparent:
        three = ends[:, 0] <= ends[:, 1]
        palette[three, 2, :3] = (one[three] + other[three] + 1) // 2
        palette[three, 3] = 0
    words = palette.astype(np.uint8).view("<u4")[..., 0]
    bits = np.ascontiguousarray(rows[:, 4:]).view("<u4")
    indices = (bits >> np.arange(0, 32, 2, dtype=np.uint32)) & 3
    chosen = _arrange(_look_up(words, indices), blocks)
    return chosen.view(np.uint8).reshape(*chosen.shape, 4)


def _decode_values(rows: Bytes, blocks: tuple[int, int]) -> Pixels:
    """Decodes 8 bytes per block to one channel: two values and sixteen 3-bit indices."""
    one, other = rows[:, 0].astype(np.int32), rows[:, 1].astype(np.int32)
    eight = (one > other)[:, None]
    palette = np.empty((len(rows), 8), np.int32)
    palette[:, 0], palette[:, 1] = one, other
    steps = np.arange(1, 7)
    of_eight = ((7 - steps) * one[:, None] + steps * other[:, None] + 3) // 7
    steps = np.arange(1, 5)
    of_six = ((5 - steps) * one[:, None] + steps * other[:, None] + 2) // 5
    palette[:, 2:] = of_eight
    palette[:, 2:6] = np.where(eight, palette[:, 2:6], of_six)
    palette[:, 6:] = np.where(eight, palette[:, 6:], [0, 255])
    wide = np.zeros((len(rows), 8), np.uint8)
    wide[:, :6] = rows[:, 2:]
    indices = (wide.view("<u8") >> np.arange(0, 48, 3, dtype=np.uint64)) & np.uint64(7)
    return _arrange(_look_up(palette.astype(np.uint8), indices), blocks)


def _look_up(palette: NDArray[Any], indices: NDArray[Any]) -> NDArray[Any]:
    """Looks up blocks x 16 indices in each block's palette."""
    begins = np.arange(0, palette.size, palette.shape[1], dtype=np.intp)[:, None]
    return palette.reshape(-1).take(begins + indices.astype(np.intp))


def _arrange(values: NDArray[Any], blocks: tuple[int, int]) -> NDArray[Any]:
    """Arranges blocks x 16 values as an image."""
    down, across = blocks
    return values.reshape(down, across, 4, 4).swapaxes(1, 2).reshape(down * 4, across * 4)


_NUMPY_DECODERS: dict[str, Callable[[Bytes, tuple[int, int]], Pixels]] = {
    "bc1": _bc1, "bc2": _bc2, "bc3": _bc3, "bc4": _bc4, "bc5": _bc5,
    "bc4s": lambda rows, blocks: _bc4(_shift_signed(rows), blocks),
    "bc5s": lambda rows, blocks: _bc5(_shift_signed(rows), blocks),
}  # fmt: skip


def _dds(format: int, width: int, height: int) -> bytes:
    """Returns a DDS header for a DXGI format."""
    header = struct.pack("<4s7I44x", b"DDS ", 124, 0x81007, height, width, 0, 0, 1)
    header += struct.pack("<2I4s5I", 32, 4, b"DX10", 0, 0, 0, 0, 0) + struct.pack("<5I", 0x1000, 0, 0, 0, 0)
    return header + struct.pack("<5I", format, 3, 0, 1, 0)


def decode_astc(data: bytes, width: int, height: int, block_width: int, block_height: int) -> Pixels:
    """Decodes ASTC to 8-bit RGBA; `data` must be exactly the blocks of an image of this size."""
    image = ASTCImage(ASTCType.U8, width, height, 1)
    context = _context(block_width, block_height, threading.get_ident())
    pixels = context.decompress(data, image, ASTCSwizzle()).data
    assert pixels is not None
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 4)


# Creating a context takes 5 to 17 ms, half the time of decoding a megapixel. Contexts aren't thread-safe.
@lru_cache(maxsize=4)
def _context(block_width: int, block_height: int, thread: int) -> ASTCContext:
    # With the sRGB profile, the decoder returns the upper 8 bits, which is what most files mean.
    config = ASTCConfig(
        ASTCProfile.LDR_SRGB, block_width, block_height, 1, 0, ASTCConfigFlags.DECOMPRESS_ONLY
    )
    return ASTCContext(config)
