"""`image.compress` beside direct calls of the encoders: time, and similarity of the pixels."""

from __future__ import annotations

import gc
import importlib
import statistics
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from unittest import mock

import astc_encoder
import etcpak
import ispc_texcomp
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image import block_encoders
from accel.image.block_encoders import FORMATS
from accel.image.color import to_linear
from accel.image.operations.textures import Compress, compress
from accel.image.raster import Raster
from accel.workload import Limits
from bridge.demo.textures import noise, tint

SIZE = 2048
GRAIN = 2.0
"""Standard deviation of the noise, of 255: photographs and paintings aren't smooth."""
ROUNDS = 3
LONG_S = 0.8
"""Calls that take longer, in seconds, are measured in one round only."""

TEMPLATE = """## Block compression

An image of {size} x {size}, 8-bit RGBA with grain, from memory to memory: `image.compress` beside a bare
call of the encoder with prepared pixels. CPU time of one thread, medians of alternating rounds
(`tools/bench/compress.py`). PSNR is measured on the decoded result. The aim: as fast as the bare call.

| format, effort | picture | PSNR | `image.compress` | bare call | ratio |
|---|---|---|---|---|---|
{rows}

For BC7 the bare call uses the RGB profile for the opaque image and the RGBA profile for the other. Its
mode 6 blocks decode to an alpha of 254, in half of all texels of the opaque image. `image.compress`
corrects them with a loop that numba compiles once a process has done 48 megapixels (the extra `fast`,
used in these rows; with NumPy the first of them takes {plain:,.0f} ms, **{plain_ratio:.2f}**). It encodes
opaque blocks of the other image with the RGB profile, which makes it faster. BC6H gets floats.
"""

Bytes = NDArray[np.uint8]


class Row(Struct):
    """The results of one format."""

    name: str
    picture: str
    psnr: float
    ours: float
    """Seconds."""
    bare: float


@cache
def picture(transparent: bool) -> Bytes:
    """Returns RGBA; a third of the transparent picture is a soft hole."""
    random = np.random.default_rng(7)
    colors = tint(noise(3, SIZE), (0.5, 0.4, 0.3)) * 255 + random.normal(0, GRAIN, (SIZE, SIZE, 3))
    pixels = np.full((SIZE, SIZE, 4), 255, np.uint8)
    pixels[..., :3] = np.clip(colors + 0.5, 0, 255)
    if transparent:
        y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
        pixels[..., 3] = np.clip((np.hypot(x, y) - 0.28) * 2000, 0, 255)
    return pixels


def light() -> Raster:
    """Returns the opaque picture in linear light, as floats."""
    floats = to_linear(picture(False)[..., :3], 3, "srgb")
    return Raster("picture", floats, False, "linear", "exr")


def surface(pixels: Bytes) -> Any:
    return ispc_texcomp.RGBASurface(pixels, pixels.shape[1], pixels.shape[0], pixels.strides[0])


def bare(name: str, pixels: Any, profile: Any) -> Callable[[], object]:
    """Returns a call of the library with everything prepared that can be."""
    if name in _ISPC:
        return _ispc(name, pixels, profile)
    if name.startswith(("etc2", "eac")):
        return _etc(name, pixels)
    width, height = FORMATS[name].block.width, FORMATS[name].block.height
    config = astc_encoder.ASTCConfig(astc_encoder.ASTCProfile.LDR_SRGB, width, height, 1, profile)
    context = astc_encoder.ASTCContext(config)
    image = astc_encoder.ASTCImage(astc_encoder.ASTCType.U8, SIZE, SIZE, 1, pixels.tobytes())
    return lambda: context.compress(image, astc_encoder.ASTCSwizzle())


_ISPC = ("bc1", "bc3", "bc4", "bc5", "bc6h", "bc7")


def _ispc(name: str, pixels: Any, profile: Any) -> Callable[[], object]:
    encode = getattr(ispc_texcomp, f"compress_blocks_{name}")
    if name == "bc6h":
        halves = np.ones((SIZE, SIZE, 4), np.float16)
        halves[..., :3] = pixels
        settings = ispc_texcomp.BC6HEncSettings.from_profile(profile)
        return lambda: encode(surface(halves), settings)
    if name == "bc7":
        settings = ispc_texcomp.BC7EncSettings.from_profile(profile)
        return lambda: encode(surface(pixels), settings)
    few = {"bc4": 1, "bc5": 2}.get(name, 4)
    laid = np.ascontiguousarray(pixels[..., :few])
    return lambda: encode(surface(laid))


def _etc(name: str, pixels: Bytes) -> Callable[[], object]:
    # The library swaps channels in place: every second call gets other pixels, at the same cost.
    data = pixels.tobytes()
    known = {"eac_r11": "eac_r", "eac_rg11": "eac_rg"}
    encode = getattr(etcpak, f"compress_{known.get(name, name)}")
    return lambda: encode(data, SIZE, SIZE)


def cases() -> Iterator[tuple[str, str, bool, Any]]:
    """Yields format, effort, transparency, and the library's name of that effort."""
    yield from ((name, "fast", False, None) for name in ("bc1", "bc3", "bc4", "bc5"))
    yield "bc6h", "fast", False, "veryfast"
    yield "bc6h", "normal", False, "basic"
    yield "bc7", "fast", False, "ultrafast"
    yield "bc7", "fast", True, "alpha_ultrafast"
    yield "bc7", "normal", False, "fast"
    yield from ((name, "fast", False, None) for name in ("etc2_rgb", "eac_r11", "eac_rg11"))
    yield "etc2_rgba", "fast", True, None
    yield from ((name, "fast", False, 10) for name in FORMATS if name.startswith("astc"))
    yield "astc_6x6", "normal", False, 60


def seconds(call: Callable[[], object]) -> float:
    """Returns the CPU time of this process."""
    gc.collect()
    begin = time.process_time()
    call()
    return time.process_time() - begin


def measured(name: str, effort: Any, transparent: bool, profile: Any) -> Row:
    image = light() if FORMATS[name].floats else Raster("picture", picture(transparent), True, "srgb", "png")
    params: dict[str, Any] = {
        "format": name,
        "quality": effort,
        "alpha": "keep" if transparent else "drop",
    }
    plain, with_psnr = Compress(**params), Compress(**params, measure=True)
    psnr = compress.operate([image], with_psnr, Limits()).value.psnr
    call = bare(name, image.pixels, profile)
    pairs: list[tuple[float, float]] = []
    while len(pairs) < (1 if pairs and pairs[0][0] > LONG_S else ROUNDS):
        pairs.append((seconds(lambda: compress.operate([image], plain, Limits())), seconds(call)))
    ours, library = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Row(f"{name}, {effort}", "transparent" if transparent else "opaque", psnr, ours, library)


def by_numpy() -> Row:
    """Measures BC7 before numba is worth its compile time."""
    with mock.patch.object(
        block_encoders.AlphaLoops, "chosen", lambda loops, texels: block_encoders.raise_alpha
    ):
        return measured("bc7", "fast", False, "ultrafast")


def measure() -> str:
    """Returns the section as Markdown."""
    plain = by_numpy()
    importlib.import_module("accel.image.compiled.opaque")
    rows = [measured(*case) for case in cases()]
    lines = "\n".join(
        f"| {row.name} | {row.picture} | {row.psnr:.1f} dB | {row.ours * 1e3:,.0f} ms | "
        f"{row.bare * 1e3:,.0f} ms | **{row.ours / row.bare:.2f}** |"
        for row in rows
    )
    return TEMPLATE.format(size=SIZE, rows=lines, plain=plain.ours * 1e3, plain_ratio=plain.ours / plain.bare)


def main() -> None:
    print(measure())


if __name__ == "__main__":
    main()
