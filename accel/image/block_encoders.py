"""The formats of block compression (BC1 to BC7, ETC2, EAC, ASTC) and their encoders.

ispc-texcomp encodes BC, etcpak ETC2 and EAC, astc-encoder ASTC. BC7 blocks of opaque pixels are corrected so
that their alpha is exactly 255.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache, lru_cache, partial
from typing import Any, Literal

import ispc_texcomp
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image import compiled
from accel.image.codecs.block_decoders import ASTC, BLOCKS, Block
from accel.image.codecs.gpu_formats import ALPHA, Kind, Sample, TexelFormat, reorder_channels
from accel.image.compiled.constants import BC7_WEIGHTS
from accel.image.pixel_data import Pixels, full_scale
from accel.progress import progress

Family = Literal["bc", "etc2", "astc"]


class BlockFormat(Struct, frozen=True):
    """A format of block compression."""

    name: str
    """Name in the parameters of `image.compress`."""
    family: Family
    codec: str
    """Name of its decoder: a key of `BLOCKS`."""
    channels: Literal["r", "rg", "rgb", "rgba"]
    """Encoded channels; others of an image are dropped, missing ones are filled in."""
    linear: TexelFormat
    srgb: TexelFormat | None = None
    """The variant that GPUs decode as sRGB; None without one."""
    floats: bool = False
    """Whether it stores linear floats; the other formats store 8 bits."""

    @property
    def block(self) -> Block:
        """The size of a block in bytes and pixels."""
        return BLOCKS[self.codec]

    @property
    def bits_per_pixel(self) -> float:
        """The average over whole blocks."""
        return 8 * self.block.size / (self.block.width * self.block.height)


# Colour models and their channels: Khronos Data Format Specification 1.3, section 5.6.
_BC1, _BC3, _BC4, _BC5, _BC6H, _BC7, _ETC2, _ASTC = 128, 130, 131, 132, 133, 134, 161, 162
_COLOR = 2
"""The id of ETC2's colour channel."""


def _format(
    name: str,
    family: Family,
    codec: str,
    channels: Literal["r", "rg", "rgb", "rgba"],
    model: int,
    vulkan: tuple[int, ...],
    dxgi: tuple[int, ...] = (),
    *,
    places: tuple[int, ...] = (0,),
    kind: Kind = "unorm",
    four: bytes = b"",
) -> BlockFormat:
    """`vulkan` and `dxgi`: the number of the linear variant, then sRGB's."""
    block = BLOCKS[codec]
    bits = 8 * block.size // len(places)
    samples = tuple(Sample(place, index * bits, bits, kind) for index, place in enumerate(places))
    size = (block.width, block.height)
    linear, srgb = (
        TexelFormat(number, code, block.size, samples, model, size, srgb=index == 1, four=four)
        if number
        else None
        for index, (number, code) in enumerate(zip((*vulkan, 0)[:2], (*dxgi, 0, 0)[:2], strict=True))
    )
    assert linear is not None
    return BlockFormat(name, family, codec, channels, linear, srgb, floats=kind == "ufloat")


_ALL = (
    _format("bc1", "bc", "bc1", "rgb", _BC1, (131, 132), (71, 72), four=b"DXT1"),
    _format("bc3", "bc", "bc3", "rgba", _BC3, (137, 138), (77, 78), places=(ALPHA, 0), four=b"DXT5"),
    _format("bc4", "bc", "bc4", "r", _BC4, (139,), (80,)),
    _format("bc5", "bc", "bc5", "rg", _BC5, (141,), (83,), places=(0, 1)),
    _format("bc6h", "bc", "bc6h", "rgb", _BC6H, (143,), (95,), kind="ufloat"),
    _format("bc7", "bc", "bc7", "rgba", _BC7, (145, 146), (98, 99)),
    _format("etc2_rgb", "etc2", "etc2", "rgb", _ETC2, (147, 148), places=(_COLOR,)),
    _format("etc2_rgba", "etc2", "etc2a8", "rgba", _ETC2, (151, 152), places=(ALPHA, _COLOR)),
    _format("eac_r11", "etc2", "eacr", "r", _ETC2, (153,)),
    _format("eac_rg11", "etc2", "eacrg", "rg", _ETC2, (155,), places=(0, 1)),
    *(
        _format(
            name.replace("astc", "astc_"), "astc", name, "rgba", _ASTC, (157 + 2 * index, 158 + 2 * index)
        )
        for index, name in enumerate(ASTC)
    ),
)

FORMATS: dict[str, BlockFormat] = {each.name: each for each in _ALL}


_STRIP = 1 << 16
"""Pixels of a strip: few enough for the cache, so many that the cost of a call doesn't count."""


def block_strips(pixels: Pixels, block: Block) -> Iterator[Pixels]:
    """Yields rows of whole blocks from the top; the last column and row are repeated to fill blocks."""
    height, width = pixels.shape[:2]
    right = -width % block.width
    step = block.height * max(1, _STRIP // (block.height * (width + right)))
    for top in range(0, height, step):
        strip = pixels[top : top + step]
        below = -len(strip) % block.height
        if right or below:
            strip = np.pad(strip, ((0, below), (0, right), (0, 0)), mode="edge")
        yield strip


def first_channels(strip: Pixels, count: int) -> Pixels:
    """Returns the first channels, contiguous."""
    if strip.dtype == np.uint8 and strip.shape[2] == 4 and count < 3 and strip.flags.c_contiguous:
        # Truncating 32 bit words takes a third of the time.
        return strip.view("<u4").astype(f"<u{count}").view(np.uint8)
    return reorder_channels(strip, range(count))


def to_rgba(strip: Pixels) -> Pixels:
    """Returns RGBA from one to four channels, the second of two being alpha; alpha is full if there is
    none.
    """
    channels = strip.shape[2]
    if channels == 4:
        return np.ascontiguousarray(strip)
    result = np.empty((*strip.shape[:2], 4), strip.dtype)
    # Copying plane by plane takes numpy a quarter of the time.
    for index in range(3):
        result[..., index] = strip[..., index if channels == 3 else 0]
    result[..., 3] = strip[..., 1] if channels == 2 else 255
    return result


def is_opaque(pixels: Pixels) -> bool:
    """Whether alpha, the last channel, is full in every pixel."""
    if pixels.dtype == np.uint8 and pixels.shape[2] == 4 and pixels.flags.c_contiguous:
        # Comparing 32 bit words takes a fifth of the time.
        return bool((pixels.view("<u4") >= 0xFF000000).all())
    top = full_scale(pixels.dtype)
    return bool((pixels[..., -1] >= top).all())


Effort = Literal["fast", "normal", "best"]

LARGEST = 65504.0
"""The largest half float."""

_BC6H_PROFILES: dict[Effort, Any] = {"fast": "veryfast", "normal": "basic", "best": "veryslow"}


def surface(pixels: Any) -> Any:
    """Wraps pixels for ispc-texcomp without a copy."""
    height, width = pixels.shape[:2]
    return ispc_texcomp.RGBASurface(pixels, width, height, pixels.strides[0])


def bc1(strip: Pixels, effort: Effort) -> bytes:
    """Encodes BC1 blocks, ignoring `effort`; the library's buffer is twice as long as the blocks."""
    data: bytes = ispc_texcomp.compress_blocks_bc1(surface(to_rgba(strip)))
    return data[: strip.shape[0] * strip.shape[1] // 2]


def bc3(strip: Pixels, effort: Effort) -> bytes:
    """Encodes BC3 blocks, ignoring `effort`."""
    data: bytes = ispc_texcomp.compress_blocks_bc3(surface(to_rgba(strip)))
    return data


def bc4(strip: Pixels, effort: Effort) -> bytes:
    """Encodes the first channel. There is one effort."""
    data: bytes = ispc_texcomp.compress_blocks_bc4(surface(first_channels(strip, 1)))
    return data


def bc5(strip: Pixels, effort: Effort) -> bytes:
    """Encodes the first two channels. There is one effort."""
    data: bytes = ispc_texcomp.compress_blocks_bc5(surface(first_channels(strip, 2)))
    return data


def bc6h(strip: Pixels, effort: Effort) -> bytes:
    """Encodes linear float32, one or three channels. Negative values become 0, as the format is unsigned."""
    halves = np.ones((*strip.shape[:2], 4), np.float16)
    halves[..., :3] = np.clip(strip, 0, LARGEST)
    settings = ispc_texcomp.BC6HEncSettings.from_profile(_BC6H_PROFILES[effort])
    data: bytes = ispc_texcomp.compress_blocks_bc6h(surface(halves), settings)
    return data


BC_ENCODERS = {"bc1": bc1, "bc3": bc3, "bc4": bc4, "bc5": bc5, "bc6h": bc6h}


Floats = NDArray[np.float32]
Words = NDArray[np.uint64]

# Mode 6 (Khronos Data Format Specification 1.3, section 20.1): seven bits 0000001, then for each channel two
# end points of 7 bits, one lowest bit for each end point that all its channels share, and 16 indices of 4
# bits (the first lacks its highest bit).
_MODE, _MODE_BITS = np.uint64(0x40), np.uint64(0x7F)
_SHARED, _ONE = np.uint64(63), np.uint64(1)
_SHIFTS = np.arange(7, 49, 7, dtype=np.uint64)[:, None]
"""The bit positions of the end points of red, green and blue."""
_SEVEN = np.uint64(127)


def _pairs() -> NDArray[np.float64]:
    """Returns the weights of the two indices in each byte: two float32 as one float64, for a single
    look-up.
    """
    byte = np.arange(256)
    return np.stack([BC7_WEIGHTS[byte & 15], BC7_WEIGHTS[byte >> 4]], -1).view(np.float64)[:, 0]


_PAIRS = _pairs()


def raise_alpha(words: Words, pixels: Pixels) -> Words:
    """Returns the blocks (n x 2 words) with alpha 255 in every pixel; `pixels` is the RGBA from which they
    were encoded.

    An end point's alpha is 254 if its shared lowest bit is 0. This sets the bit. All its colours become odd
    by that; each goes up or down by 1, whichever is nearer to the pixels.
    """
    low, high = words[:, 0], words[:, 1]
    clear = (low >> _SHARED) & high & _ONE == 0
    found = np.flatnonzero(clear & ((low & _MODE_BITS) == _MODE))
    result = words.copy()
    if found.size:
        result[found, 0], result[found, 1] = _raise_ends(
            low[found], high[found], _gather_blocks(pixels, found)
        )
    return result


def _gather_blocks(pixels: Pixels, indices: NDArray[Any]) -> Floats:
    """Returns the pixels of some blocks: n x 16 x RGBA."""
    across = pixels.shape[1] // 4
    blocks = pixels.reshape(-1, 4, across, 4, 4)
    return blocks[indices // across, :, indices % across].reshape(-1, 16, 4).astype(np.float32)


def _raise_ends(low: Words, high: Words, pixels: Floats) -> tuple[Words, Words]:
    # 3 colours x 2 end points x blocks.
    sevens = ((low >> _SHIFTS) & _SEVEN).reshape(3, 2, -1).astype(np.float32)
    shared = np.stack([low >> _SHARED, high & _ONE]).astype(np.float32)
    ends = 2 * sevens + shared
    shares = _shares(high)
    first, both, second = _squares(shares[:, 1])
    # Half the derivative of the squared error by each end point: positive if the decoded pixels are too
    # light.
    slope = np.stack([first * ends[:, 0] + both * ends[:, 1], both * ends[:, 0] + second * ends[:, 1]], 1)
    slope -= 64 * (shares @ pixels).transpose(2, 1, 0)[:3]
    down = ((shared == 0) & (slope > 0) & (sevens > 0)).reshape(6, -1)
    for shift, each in zip(_SHIFTS, down, strict=True):
        low = low - (each.astype(np.uint64) << shift)
    return low | _ONE << _SHARED, high | _ONE


def _squares(weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Returns the sums over each block's pixels of (64 - w)^2, (64 - w) w and w^2."""
    total = weights.sum(1)
    squares = np.einsum("ij,ij->i", weights, weights)
    return 65536 - 128 * total + squares, 64 * total - squares, squares


def _shares(high: Words) -> Floats:
    """Returns the weight of each end point in each pixel, of 64: blocks x 2 x 16."""
    # The first index has 3 bits, above the shared bit of the second end point.
    aligned = (high & ~np.uint64(0xF)) | (high & np.uint64(0xF)) >> _ONE
    shares = np.empty((len(high), 2, 16), np.float32)
    shares[:, 1] = _PAIRS.take(aligned.view(np.uint8)).view(np.float32).reshape(-1, 16)
    np.subtract(64, shares[:, 1], out=shares[:, 0])
    return shares


WORTH_COMPILED = 48_000_000
"""Texels after which loading numba pays: loading takes 0.4 s, which the compiled loop saves in so many."""

Loop = Callable[[Words, Pixels], Words]


class AlphaLoops:
    """Chooses the loop of this process by the number of texels so far."""

    def __init__(self) -> None:
        self._texels = 0

    def choose(self, texels: int) -> Loop:
        """Returns the loop for this many more texels."""
        self._texels += texels
        # Another operation may have loaded numba already.
        if (self._texels > WORTH_COMPILED or "numba" in sys.modules) and compiled.available():
            from accel.image.compiled import opaque

            return opaque.raise_alpha
        return raise_alpha


_LOOPS = AlphaLoops()


def make_opaque(data: bytes, pixels: Pixels) -> bytes:
    """Returns BC7 blocks with alpha 255 in every pixel; `pixels` is the RGBA from which they were encoded."""
    loop = _LOOPS.choose(pixels.shape[0] * pixels.shape[1])
    return loop(np.frombuffer(data, "<u8").reshape(-1, 2), pixels).tobytes()


_PROFILES = {"fast": "ultrafast", "normal": "fast", "best": "slow"}


def bc7(strip: Pixels, effort: Effort) -> bytes:
    """Encodes RGB or RGBA.

    Opaque blocks use the profile for RGB, which is several times faster and better than the one for RGBA.
    """
    pixels = to_rgba(strip)
    if is_opaque(pixels):
        return _encode_opaque(pixels, effort)
    down, across = len(strip) // 4, strip.shape[1] // 4
    full = (pixels[..., 3].reshape(down, 4, across, 4) == 255).all(axis=(1, 3))
    if not full.any():
        return _encode_bc7(pixels, "alpha_" + _PROFILES[effort])
    blocks = pixels.reshape(down, 4, across, 4, 4).swapaxes(1, 2)
    out = np.empty((down, across, 16), np.uint8)
    out[full] = _blocks(_encode_opaque(_block_row(blocks[full]), effort))
    out[~full] = _blocks(_encode_bc7(_block_row(blocks[~full]), "alpha_" + _PROFILES[effort]))
    return out.tobytes()


def _block_row(blocks: Pixels) -> Pixels:
    """Blocks side by side, as an image."""
    return np.ascontiguousarray(blocks.swapaxes(0, 1)).reshape(4, -1, 4)


def _blocks(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8).reshape(-1, 16)


def _encode_opaque(pixels: Pixels, effort: Effort) -> bytes:
    return make_opaque(_encode_bc7(pixels, _PROFILES[effort]), pixels)


def _encode_bc7(pixels: Pixels, profile: str) -> bytes:
    data: bytes = ispc_texcomp.compress_blocks_bc7(surface(pixels), _settings(profile))
    return data


@cache
def _settings(profile: Any) -> Any:
    return ispc_texcomp.BC7EncSettings.from_profile(profile)


_ETC_FUNCTIONS = {
    "etc2": ("compress_etc2_rgb", 8),
    "etc2a8": ("compress_etc2_rgba", 16),
    "eacr": ("compress_eac_r", 8),
    "eacrg": ("compress_eac_rg", 16),
}
"""etcpak's functions and the bytes of a block, by codec."""


def etc(strip: Pixels, codec: str) -> bytes:
    """Encodes ETC2 and EAC. There is one effort."""
    # Importing it takes 0.1 s, as it runs programs to find out what the processor can do.
    import etcpak

    name, size = _ETC_FUNCTIONS[codec]
    height, width = strip.shape[:2]
    # A copy, as etcpak swaps red and blue inside the bytes that it gets.
    data: bytes = getattr(etcpak, name)(to_rgba(strip).tobytes(), width, height)
    # The buffer for one channel is twice as long as its blocks.
    return data[: height * width // 16 * size]


_QUALITY = {"fast": 10, "normal": 60, "best": 98}
"""astc-encoder's presets fast, medium and thorough."""


# A context takes 20 ms to set up, a tenth of the time of a fast image.
@lru_cache(maxsize=4)
def astc(block: Block, effort: Effort, srgb: bool) -> Callable[[Pixels], bytes]:
    """Returns an encoder of strips, to be used by one thread at a time."""
    # Importing it takes as long as etcpak, for the same reason.
    from astc_encoder import ASTCConfig, ASTCContext, ASTCImage, ASTCProfile, ASTCSwizzle, ASTCType

    profile = ASTCProfile.LDR_SRGB if srgb else ASTCProfile.LDR
    config = ASTCConfig(profile, block.width, block.height, 1, _QUALITY[effort])
    context = ASTCContext(config)
    # Never `from_str`: it changes the case of the string in place, which is a constant of the program.
    identity = ASTCSwizzle()

    def encode(strip: Pixels) -> bytes:
        pixels = to_rgba(strip)
        image = ASTCImage(ASTCType.U8, pixels.shape[1], pixels.shape[0], 1, pixels.tobytes())
        data: bytes = context.compress(image, identity)
        return data

    return encode


Encoder = Callable[[Pixels], bytes]
"""Encodes a level: height x width x channels, uint8 (two channels are grey and alpha), or for formats of
floats linear float32 of one or three channels. Returns whole blocks, row by row from the top."""


def encoder(format: BlockFormat, effort: Effort, srgb: bool) -> Encoder:
    """Returns the encoder for the levels of an image. `srgb` matters to ASTC alone: its decoder rounds
    otherwise.
    """
    encode_strip = _strip_encoder(format, effort, srgb)

    def encode(level: Pixels) -> bytes:
        blocks, rows = [], 0
        for strip in block_strips(level, format.block):
            progress(rows, len(level))
            blocks.append(encode_strip(strip))
            rows += len(strip)
        return b"".join(blocks)

    return encode


def _strip_encoder(format: BlockFormat, effort: Effort, srgb: bool) -> Encoder:
    if format.family == "astc":
        return astc(format.block, effort, srgb)
    if format.family == "etc2":
        return partial(etc, codec=format.codec)
    return partial(bc7 if format.name == "bc7" else BC_ENCODERS[format.codec], effort=effort)
