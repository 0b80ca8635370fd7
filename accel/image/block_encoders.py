"""Block-compressed formats (BC1 to BC7, ETC2, EAC, ASTC) and their encoders.

BC is encoded by ispc-texcomp, ETC2 and EAC by etcpak, ASTC by astc-encoder. Opaque BC7 blocks are corrected
so that alpha decodes to exactly 255.
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
    name: str
    """The name in the parameters of `image.compress`."""
    family: Family
    codec: str
    """The decoder's key in `BLOCKS`."""
    channels: Literal["r", "rg", "rgb", "rgba"]
    """The channels it stores. Extra channels are dropped, missing ones filled in."""
    linear: TexelFormat
    srgb: TexelFormat | None = None
    """The variant that GPUs decode as sRGB, if there is one."""
    floats: bool = False
    """Whether it stores linear floats instead of 8-bit integers."""

    @property
    def block(self) -> Block:
        """The block's size in bytes and texels."""
        return BLOCKS[self.codec]

    @property
    def bits_per_pixel(self) -> float:
        return 8 * self.block.size / (self.block.width * self.block.height)


# Colour models and their channels: Khronos Data Format Specification 1.3, section 5.6.
_BC1, _BC3, _BC4, _BC5, _BC6H, _BC7, _ETC2, _ASTC = 128, 130, 131, 132, 133, 134, 161, 162
_COLOR = 2
"""The id of the colour channel in ETC2."""


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
    """`vulkan` and `dxgi` are the format numbers: linear, then sRGB."""
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
"""Pixels per strip: small enough for the cache, large enough to hide the overhead of a call."""


def block_strips(pixels: Pixels, block: Block) -> Iterator[Pixels]:
    """Yields rows of whole blocks from the top, padded by repeating the last row and column."""
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
    """Returns the first `count` channels as a contiguous array."""
    if strip.dtype == np.uint8 and strip.shape[2] == 4 and count < 3 and strip.flags.c_contiguous:
        # Truncating 32 bit words takes a third of the time.
        return strip.view("<u4").astype(f"<u{count}").view(np.uint8)
    return reorder_channels(strip, range(count))


def to_rgba(strip: Pixels) -> Pixels:
    """Expands one to four channels to RGBA. Two channels are grey and alpha; missing alpha becomes opaque."""
    channels = strip.shape[2]
    if channels == 4:
        return np.ascontiguousarray(strip)
    result = np.empty((*strip.shape[:2], 4), strip.dtype)
    # Four times as fast in numpy as copying whole pixels.
    for index in range(3):
        result[..., index] = strip[..., index if channels == 3 else 0]
    result[..., 3] = strip[..., 1] if channels == 2 else 255
    return result


def is_opaque(pixels: Pixels) -> bool:
    """Whether alpha, the last channel, is full in every pixel."""
    if pixels.dtype == np.uint8 and pixels.shape[2] == 4 and pixels.flags.c_contiguous:
        # Five times as fast as comparing the alpha bytes.
        return bool((pixels.view("<u4") >= 0xFF000000).all())
    top = full_scale(pixels.dtype)
    return bool((pixels[..., -1] >= top).all())


Effort = Literal["fast", "normal", "best"]

LARGEST = 65504.0
"""The largest half float."""

_BC6H_PROFILES: dict[Effort, Any] = {"fast": "veryfast", "normal": "basic", "best": "veryslow"}


def surface(pixels: Any) -> Any:
    """Wraps pixels for ispc-texcomp without copying."""
    height, width = pixels.shape[:2]
    return ispc_texcomp.RGBASurface(pixels, width, height, pixels.strides[0])


def bc1(strip: Pixels, effort: Effort) -> bytes:
    """Ignores `effort`. The library's buffer is twice as long as the blocks."""
    data: bytes = ispc_texcomp.compress_blocks_bc1(surface(to_rgba(strip)))
    return data[: strip.shape[0] * strip.shape[1] // 2]


def bc3(strip: Pixels, effort: Effort) -> bytes:
    """Ignores `effort`."""
    data: bytes = ispc_texcomp.compress_blocks_bc3(surface(to_rgba(strip)))
    return data


def bc4(strip: Pixels, effort: Effort) -> bytes:
    """Encodes the first channel. Ignores `effort`."""
    data: bytes = ispc_texcomp.compress_blocks_bc4(surface(first_channels(strip, 1)))
    return data


def bc5(strip: Pixels, effort: Effort) -> bytes:
    """Encodes the first two channels. Ignores `effort`."""
    data: bytes = ispc_texcomp.compress_blocks_bc5(surface(first_channels(strip, 2)))
    return data


def bc6h(strip: Pixels, effort: Effort) -> bytes:
    """Encodes linear float32 with one or three channels. The format is unsigned: negative values become 0."""
    halves = np.ones((*strip.shape[:2], 4), np.float16)
    halves[..., :3] = np.clip(strip, 0, LARGEST)
    settings = ispc_texcomp.BC6HEncSettings.from_profile(_BC6H_PROFILES[effort])
    data: bytes = ispc_texcomp.compress_blocks_bc6h(surface(halves), settings)
    return data


BC_ENCODERS = {"bc1": bc1, "bc3": bc3, "bc4": bc4, "bc5": bc5, "bc6h": bc6h}


Floats = NDArray[np.float32]
Words = NDArray[np.uint64]

# Mode 6 (Khronos Data Format Specification 1.3, section 20.1): the seven bits 0000001, then two 7-bit end
# points per channel, one lowest bit per end point, shared by its channels, and 16 indices of 4 bits (the
# first without its highest bit).
_MODE, _MODE_BITS = np.uint64(0x40), np.uint64(0x7F)
_SHARED, _ONE = np.uint64(63), np.uint64(1)
_SHIFTS = np.arange(7, 49, 7, dtype=np.uint64)[:, None]
"""Bit positions of the red, green and blue end points."""
_SEVEN = np.uint64(127)


def _pairs() -> NDArray[np.float64]:
    """Returns the weights of the two indices in each byte, two float32 packed as a float64 so that one
    look-up finds both."""
    byte = np.arange(256)
    return np.stack([BC7_WEIGHTS[byte & 15], BC7_WEIGHTS[byte >> 4]], -1).view(np.float64)[:, 0]


_PAIRS = _pairs()


def raise_alpha(words: Words, pixels: Pixels) -> Words:
    """Returns the blocks (n x 2 words) with alpha 255 in every pixel; `pixels` is the RGBA they encode.

    An end point has alpha 254 if its shared lowest bit is 0. Setting the bit makes all its colours odd, so
    each moves up or down by 1, whichever is closer to the pixels.
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
    """Returns the pixels of the blocks at `indices`: n x 16 x RGBA."""
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
    # Half the derivative of the squared error with respect to each end point: positive if the decoded pixels
    # are too bright.
    slope = np.stack([first * ends[:, 0] + both * ends[:, 1], both * ends[:, 0] + second * ends[:, 1]], 1)
    slope -= 64 * (shares @ pixels).transpose(2, 1, 0)[:3]
    down = ((shared == 0) & (slope > 0) & (sevens > 0)).reshape(6, -1)
    for shift, each in zip(_SHIFTS, down, strict=True):
        low = low - (each.astype(np.uint64) << shift)
    return low | _ONE << _SHARED, high | _ONE


def _squares(weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Returns the sums of (64 - w)^2, (64 - w) w and w^2 over each block's pixels."""
    total = weights.sum(1)
    squares = np.einsum("ij,ij->i", weights, weights)
    return 65536 - 128 * total + squares, 64 * total - squares, squares


def _shares(high: Words) -> Floats:
    """Returns the weight (of 64) of each end point in each pixel: blocks x 2 x 16."""
    # The first index has 3 bits, above the second end point's shared bit.
    aligned = (high & ~np.uint64(0xF)) | (high & np.uint64(0xF)) >> _ONE
    shares = np.empty((len(high), 2, 16), np.float32)
    shares[:, 1] = _PAIRS.take(aligned.view(np.uint8)).view(np.float32).reshape(-1, 16)
    np.subtract(64, shares[:, 1], out=shares[:, 0])
    return shares


WORTH_COMPILED = 48_000_000
"""Number of texels at which compiling pays: loading numba takes 0.4 s, which the faster loop saves by
then."""

Loop = Callable[[Words, Pixels], Words]


class AlphaLoops:
    """Chooses numpy or compiled loops by the number of texels this process has encoded."""

    def __init__(self) -> None:
        self._texels = 0

    def choose(self, texels: int) -> Loop:
        """Returns the loop to use for the next `texels` texels."""
        self._texels += texels
        # Another operation may already have loaded numba.
        if (self._texels > WORTH_COMPILED or "numba" in sys.modules) and compiled.available():
            from accel.image.compiled import opaque

            return opaque.raise_alpha
        return raise_alpha


_LOOPS = AlphaLoops()


def make_opaque(data: bytes, pixels: Pixels) -> bytes:
    """Returns the BC7 blocks with alpha 255 in every pixel; `pixels` is the RGBA they encode."""
    loop = _LOOPS.choose(pixels.shape[0] * pixels.shape[1])
    return loop(np.frombuffer(data, "<u8").reshape(-1, 2), pixels).tobytes()


_PROFILES = {"fast": "ultrafast", "normal": "fast", "best": "slow"}


def bc7(strip: Pixels, effort: Effort) -> bytes:
    """Encodes RGB or RGBA.

    Opaque blocks use the RGB profile, which is better and several times faster than the RGBA profile.
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
    """Returns the blocks side by side as an image."""
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
"""etcpak's function and block size in bytes, by codec."""


def etc(strip: Pixels, codec: str) -> bytes:
    """Encodes ETC2 and EAC."""
    # Importing takes 0.1 s because it runs programs to detect CPU features.
    import etcpak

    name, size = _ETC_FUNCTIONS[codec]
    height, width = strip.shape[:2]
    # Copy: etcpak swaps red and blue in place.
    data: bytes = getattr(etcpak, name)(to_rgba(strip).tobytes(), width, height)
    # For one channel, the buffer is twice as long as the blocks.
    return data[: height * width // 16 * size]


_QUALITY = {"fast": 10, "normal": 60, "best": 98}
"""The presets fast, medium and thorough of astc-encoder."""


# Creating a context takes 20 ms, a tenth of the time for a fast image.
@lru_cache(maxsize=4)
def astc(block: Block, effort: Effort, srgb: bool) -> Callable[[Pixels], bytes]:
    """Returns an encoder of strips. It isn't thread-safe."""
    # Slow to import for the same reason as etcpak.
    from astc_encoder import ASTCConfig, ASTCContext, ASTCImage, ASTCProfile, ASTCSwizzle, ASTCType

    profile = ASTCProfile.LDR_SRGB if srgb else ASTCProfile.LDR
    config = ASTCConfig(profile, block.width, block.height, 1, _QUALITY[effort])
    context = ASTCContext(config)
    # `from_str` changes the case of its argument in place, even if that is a string constant.
    identity = ASTCSwizzle()

    def encode(strip: Pixels) -> bytes:
        pixels = to_rgba(strip)
        image = ASTCImage(ASTCType.U8, pixels.shape[1], pixels.shape[0], 1, pixels.tobytes())
        data: bytes = context.compress(image, identity)
        return data

    return encode


Encoder = Callable[[Pixels], bytes]
"""Encodes a level (height x width x channels) as whole blocks, row by row from the top. Levels are uint8, two
channels being grey and alpha, or for float formats linear float32 with one or three channels."""


def encoder(format: BlockFormat, effort: Effort, srgb: bool) -> Encoder:
    """Returns an encoder for the levels of an image. `srgb` matters only for ASTC, which rounds
    differently."""
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
