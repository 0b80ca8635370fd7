"""BC1-7, ETC2, EAC, ASTC: format table and encoders; opaque fix."""

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
    """One compression."""

    name: str
    """As `image.compress` calls it."""
    family: Family
    codec: str
    """As the readers call it: a name in `BLOCKS`."""
    channels: Literal["r", "rg", "rgb", "rgba"]
    """What it holds; what an image has beyond that is left out, and what it lacks is filled in."""
    linear: TexelFormat
    srgb: TexelFormat | None = None
    """None where there is no variant for sRGB."""
    floats: bool = False
    """Whether it holds light, in floats; all others hold 8 bits."""

    @property
    def block(self) -> Block:
        """Its size in bytes and pixels."""
        return BLOCKS[self.codec]

    @property
    def bits_per_pixel(self) -> float:
        """Of whole blocks."""
        return 8 * self.block.size / (self.block.width * self.block.height)


# Colour models and their channels: Khronos Data Format Specification 1.3, section 5.6.
_BC1, _BC3, _BC4, _BC5, _BC6H, _BC7, _ETC2, _ASTC = 128, 130, 131, 132, 133, 134, 161, 162
_COLOR = 2
"""ETC2's."""


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
"""Pixels in one go: what is made of them stays in the cache, and calling an encoder costs next to nothing."""


def strips(pixels: Pixels, block: Block) -> Iterator[Pixels]:
    """Rows of whole blocks from the top, the last column and row repeated where a block reaches beyond."""
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
    """The first channels, in one piece."""
    if strip.dtype == np.uint8 and strip.shape[2] == 4 and count < 3 and strip.flags.c_contiguous:
        # Cut off from whole words: a third of the time.
        return strip.view("<u4").astype(f"<u{count}").view(np.uint8)
    return reorder_channels(strip, range(count))


def rgba(strip: Pixels) -> Pixels:
    """Four channels of one to four, the second of two being alpha; full alpha where there is none."""
    channels = strip.shape[2]
    if channels == 4:
        return np.ascontiguousarray(strip)
    made = np.empty((*strip.shape[:2], 4), strip.dtype)
    # Plane by plane, which takes numpy a quarter of the time.
    for index in range(3):
        made[..., index] = strip[..., index if channels == 3 else 0]
    made[..., 3] = strip[..., 1] if channels == 2 else 255
    return made


def opaque(pixels: Pixels) -> bool:
    """Whether alpha, the last channel, is full throughout."""
    if pixels.dtype == np.uint8 and pixels.shape[2] == 4 and pixels.flags.c_contiguous:
        # As whole words: a fifth of the time.
        return bool((pixels.view("<u4") >= 0xFF000000).all())
    top = full_scale(pixels.dtype)
    return bool((pixels[..., -1] >= top).all())


Effort = Literal["fast", "normal", "best"]

LARGEST = 65504.0
"""The largest half."""

_BC6H_PROFILES: dict[Effort, Any] = {"fast": "veryfast", "normal": "basic", "best": "veryslow"}


def surface(pixels: Any) -> Any:
    """Pixels for ispc-texcomp, which works on them where they are."""
    height, width = pixels.shape[:2]
    return ispc_texcomp.RGBASurface(pixels, width, height, pixels.strides[0])


def bc1(strip: Pixels, effort: Effort) -> bytes:
    """One effort for all. The library gives twice as many bytes as there are, of which the first count."""
    data: bytes = ispc_texcomp.compress_blocks_bc1(surface(rgba(strip)))
    return data[: strip.shape[0] * strip.shape[1] // 2]


def bc3(strip: Pixels, effort: Effort) -> bytes:
    """One effort for all."""
    data: bytes = ispc_texcomp.compress_blocks_bc3(surface(rgba(strip)))
    return data


def bc4(strip: Pixels, effort: Effort) -> bytes:
    """Of the first channel; one effort for all."""
    data: bytes = ispc_texcomp.compress_blocks_bc4(surface(first_channels(strip, 1)))
    return data


def bc5(strip: Pixels, effort: Effort) -> bytes:
    """Of the first two channels; one effort for all."""
    data: bytes = ispc_texcomp.compress_blocks_bc5(surface(first_channels(strip, 2)))
    return data


def bc6h(strip: Pixels, effort: Effort) -> bytes:
    """Of light, one or three channels of float32; what is below 0 becomes 0, as these floats have no sign."""
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
# bits, of which the first lacks its highest.
_MODE, _MODE_BITS = np.uint64(0x40), np.uint64(0x7F)
_SHARED, _ONE = np.uint64(63), np.uint64(1)
_SHIFTS = np.arange(7, 49, 7, dtype=np.uint64)[:, None]
"""Where red's, green's and blue's end points are."""
_SEVEN = np.uint64(127)


def _pairs() -> NDArray[np.float64]:
    """The weights of the two indices in a byte: two float32, taken as one number that is looked up once."""
    byte = np.arange(256)
    return np.stack([BC7_WEIGHTS[byte & 15], BC7_WEIGHTS[byte >> 4]], -1).view(np.float64)[:, 0]


_PAIRS = _pairs()


def raise_alpha(words: Words, pixels: Pixels) -> Words:
    """The blocks (blocks x 2) with alpha 255 throughout; `pixels` is the RGBA that they are of, in whole
    blocks.

    An end point's alpha is 254 where its shared lowest bit is 0. The bit is set, and each of its colours,
    which all become odd by that, goes up or down by 1, whichever is nearer to the pixels.
    """
    low, high = words[:, 0], words[:, 1]
    clear = (low >> _SHARED) & high & _ONE == 0
    found = np.flatnonzero(clear & ((low & _MODE_BITS) == _MODE))
    made = words.copy()
    if found.size:
        made[found, 0], made[found, 1] = _lifted(low[found], high[found], _of(pixels, found))
    return made


def _of(pixels: Pixels, found: NDArray[Any]) -> Floats:
    """Blocks x 16 pixels x RGBA."""
    across = pixels.shape[1] // 4
    blocks = pixels.reshape(-1, 4, across, 4, 4)
    return blocks[found // across, :, found % across].reshape(-1, 16, 4).astype(np.float32)


def _lifted(low: Words, high: Words, pixels: Floats) -> tuple[Words, Words]:
    # 3 colours x 2 end points x blocks.
    sevens = ((low >> _SHIFTS) & _SEVEN).reshape(3, 2, -1).astype(np.float32)
    shared = np.stack([low >> _SHARED, high & _ONE]).astype(np.float32)
    ends = 2 * sevens + shared
    shares = _shares(high)
    first, both, second = _squares(shares[:, 1])
    # Half the slope of the squared error by each end point: upwards where what is decoded is too light.
    slope = np.stack([first * ends[:, 0] + both * ends[:, 1], both * ends[:, 0] + second * ends[:, 1]], 1)
    slope -= 64 * (shares @ pixels).transpose(2, 1, 0)[:3]
    down = ((shared == 0) & (slope > 0) & (sevens > 0)).reshape(6, -1)
    for shift, each in zip(_SHIFTS, down, strict=True):
        low = low - (each.astype(np.uint64) << shift)
    return low | _ONE << _SHARED, high | _ONE


def _squares(weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Sums over each block's pixels: of (64 - w)^2, of (64 - w) w, of w^2."""
    total = weights.sum(1)
    squares = np.einsum("ij,ij->i", weights, weights)
    return 65536 - 128 * total + squares, 64 * total - squares, squares


def _shares(high: Words) -> Floats:
    """Blocks x 2 end points x 16 pixels: how much of each end point is in each pixel, of 64."""
    # The first index has 3 bits, above the shared bit of the second end point.
    aligned = (high & ~np.uint64(0xF)) | (high & np.uint64(0xF)) >> _ONE
    shares = np.empty((len(high), 2, 16), np.float32)
    shares[:, 1] = _PAIRS.take(aligned.view(np.uint8)).view(np.float32).reshape(-1, 16)
    np.subtract(64, shares[:, 1], out=shares[:, 0])
    return shares


WORTH = 48_000_000
"""Texels after which loading numba pays: it takes 0.4 s, which it has saved by then."""

Loop = Callable[[Words, Pixels], Words]


class OpaqueLoops:
    """The loops of one process."""

    def __init__(self) -> None:
        self._texels = 0

    def chosen(self, texels: int) -> Loop:
        """The loop for so many texels more."""
        self._texels += texels
        # Others may have paid for it already.
        if (self._texels > WORTH or "numba" in sys.modules) and compiled.available():
            from accel.image.compiled.opaque import lifted

            return lifted
        return raise_alpha


_LOOPS = OpaqueLoops()


def make_opaque(data: bytes, pixels: Pixels) -> bytes:
    """Blocks of BC7 with alpha 255 throughout; `pixels` is the RGBA that they are of, in whole blocks."""
    loop = _LOOPS.chosen(pixels.shape[0] * pixels.shape[1])
    return loop(np.frombuffer(data, "<u8").reshape(-1, 2), pixels).tobytes()


_PROFILES = {"fast": "ultrafast", "normal": "fast", "best": "slow"}


def bc7(strip: Pixels, effort: Effort) -> bytes:
    """Of RGB or RGBA.

    Blocks without transparency go through the profile for RGB, which is several times faster and better than
    the one for RGBA.
    """
    pixels = rgba(strip)
    if opaque(pixels):
        return _opaque(pixels, effort)
    down, across = len(strip) // 4, strip.shape[1] // 4
    full = (pixels[..., 3].reshape(down, 4, across, 4) == 255).all(axis=(1, 3))
    if not full.any():
        return _encoded(pixels, "alpha_" + _PROFILES[effort])
    blocks = pixels.reshape(down, 4, across, 4, 4).swapaxes(1, 2)
    out = np.empty((down, across, 16), np.uint8)
    out[full] = _blocks(_opaque(_row(blocks[full]), effort))
    out[~full] = _blocks(_encoded(_row(blocks[~full]), "alpha_" + _PROFILES[effort]))
    return out.tobytes()


def _row(blocks: Pixels) -> Pixels:
    """Blocks side by side as an image."""
    return np.ascontiguousarray(blocks.swapaxes(0, 1)).reshape(4, -1, 4)


def _blocks(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8).reshape(-1, 16)


def _opaque(pixels: Pixels, effort: Effort) -> bytes:
    return make_opaque(_encoded(pixels, _PROFILES[effort]), pixels)


def _encoded(pixels: Pixels, profile: str) -> bytes:
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
    """ETC2 and EAC; one effort for all."""
    # Importing it takes 0.1 s, as it runs programs to find out what the processor can do.
    import etcpak

    name, size = _ETC_FUNCTIONS[codec]
    height, width = strip.shape[:2]
    # A copy, as etcpak swaps red and blue inside the bytes that it gets.
    data: bytes = getattr(etcpak, name)(rgba(strip).tobytes(), width, height)
    # The buffer for one channel is twice as long as its blocks.
    return data[: height * width // 16 * size]


_QUALITY = {"fast": 10, "normal": 60, "best": 98}
"""The encoder's presets fast, medium and thorough."""


# What is made for one kind of blocks takes 20 ms, a tenth of a fast image; some are kept for the next.
@lru_cache(maxsize=4)
def astc(block: Block, effort: Effort, srgb: bool) -> Callable[[Pixels], bytes]:
    """An encoder of strips; for one thread."""
    # Importing it takes as long as etcpak, for the same reason.
    from astc_encoder import ASTCConfig, ASTCContext, ASTCImage, ASTCProfile, ASTCSwizzle, ASTCType

    profile = ASTCProfile.LDR_SRGB if srgb else ASTCProfile.LDR
    config = ASTCConfig(profile, block.width, block.height, 1, _QUALITY[effort])
    context = ASTCContext(config)
    # Never `from_str`: it makes capitals inside the text that it is given, a constant of the whole program.
    as_it_is = ASTCSwizzle()

    def encoded(strip: Pixels) -> bytes:
        pixels = rgba(strip)
        image = ASTCImage(ASTCType.U8, pixels.shape[1], pixels.shape[0], 1, pixels.tobytes())
        data: bytes = context.compress(image, as_it_is)
        return data

    return encoded


Encoder = Callable[[Pixels], bytes]
"""Takes a level: height x width x channels, uint8 (two channels: grey and alpha), or for formats of floats
float32 of light, one or three channels. Gives whole blocks, row by row from the top."""


def encoder(format: BlockFormat, effort: Effort, srgb: bool) -> Encoder:
    """The encoder for the levels of an image. `srgb` matters to ASTC alone: its decoder rounds otherwise."""
    encode = _strip_encoder(format, effort, srgb)

    def encoded(level: Pixels) -> bytes:
        made, rows = [], 0
        for strip in strips(level, format.block):
            progress(rows, len(level))
            made.append(encode(strip))
            rows += len(strip)
        return b"".join(made)

    return encoded


def _strip_encoder(format: BlockFormat, effort: Effort, srgb: bool) -> Encoder:
    if format.family == "astc":
        return astc(format.block, effort, srgb)
    if format.family == "etc2":
        return partial(etc, codec=format.codec)
    return partial(bc7 if format.name == "bc7" else BC_ENCODERS[format.codec], effort=effort)
