"""`image.compress` beside the bare encoders' calls: time, and how near the pixels stay."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import astc_encoder
import etcpak
import ispc_texcomp
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.compress import Compress, compress
from accel.image.raster import Raster
from accel.workload import Limits
from bridge.demo.textures import noise, tint

SIZE = 2048
GRAIN = 2.0
"""Standard deviation of what is added to the picture, of 255: photographs and paintings aren't smooth."""
ROUNDS = 3
LONG_S = 0.8
"""From how many seconds a call is measured in one round alone."""

TEMPLATE = """## Compression in blocks

A picture of {size} x {size}, RGBA of 8 bits with grain, from memory to memory; `image.compress` beside the
bare call of the encoder's library with the pixels laid out for it. CPU time of one thread, medians of
alternating rounds (`tools/bench/compress.py`). PSNR is that of what is decoded. The aim: as fast as the
bare call.

| format, effort | picture | PSNR | `image.compress` | bare call | ratio |
|---|---|---|---|---|---|
{rows}

For BC7 the bare call takes the profile for RGB for the opaque picture and the one for RGBA for the other. Its
blocks of mode 6 decode to an alpha of 254; `image.compress` mends them, which is what the fast effort pays
for, and sends opaque blocks of the other picture through the profile for RGB, which is what it gains.
"""

Bytes = NDArray[np.uint8]


class Row(Struct):
    """One format measured."""

    name: str
    picture: str
    psnr: float
    ours: float
    """Seconds."""
    bare: float


@cache
def picture(transparent: bool) -> Bytes:
    """RGBA; a third of the transparent one is a soft hole."""
    random = np.random.default_rng(7)
    colors = tint(noise(3, SIZE), (0.5, 0.4, 0.3)) * 255 + random.normal(0, GRAIN, (SIZE, SIZE, 3))
    pixels = np.full((SIZE, SIZE, 4), 255, np.uint8)
    pixels[..., :3] = np.clip(colors + 0.5, 0, 255)
    if transparent:
        y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
        pixels[..., 3] = np.clip((np.hypot(x, y) - 0.28) * 2000, 0, 255)
    return pixels


def surface(pixels: Bytes) -> Any:
    height, width, channels = pixels.shape
    return ispc_texcomp.RGBASurface(pixels, width, height, width * channels)


def bare(name: str, pixels: Bytes, profile: Any) -> Callable[[], object]:
    """The library's call, with everything ready that can be."""
    if name == "bc7":
        settings = ispc_texcomp.BC7EncSettings.from_profile(profile)
        return lambda: ispc_texcomp.compress_blocks_bc7(surface(pixels), settings)
    if name == "bc5":
        two = np.ascontiguousarray(pixels[..., :2])
        return lambda: ispc_texcomp.compress_blocks_bc5(surface(two))
    if name in ("bc1", "bc3"):
        encode = getattr(ispc_texcomp, f"compress_blocks_{name}")
        return lambda: encode(surface(pixels))
    if name.startswith("etc2"):
        # The library swaps channels inside the bytes: every second call sees other pixels, at the same cost.
        data, encode = pixels.tobytes(), getattr(etcpak, f"compress_{name}")
        return lambda: encode(data, SIZE, SIZE)
    config = astc_encoder.ASTCConfig(astc_encoder.ASTCProfile.LDR_SRGB, 6, 6, 1, profile)
    context = astc_encoder.ASTCContext(config)
    image = astc_encoder.ASTCImage(astc_encoder.ASTCType.U8, SIZE, SIZE, 1, pixels.tobytes())
    return lambda: context.compress(image, astc_encoder.ASTCSwizzle())


def cases() -> Iterator[tuple[str, str, bool, Any]]:
    """Format, effort, whether transparent, the library's name of that effort."""
    yield from ((name, "fast", False, None) for name in ("bc1", "bc3", "bc5"))
    yield "bc7", "fast", False, "ultrafast"
    yield "bc7", "fast", True, "alpha_ultrafast"
    yield "bc7", "normal", False, "fast"
    yield "etc2_rgb", "fast", False, None
    yield "etc2_rgba", "fast", True, None
    yield "astc_6x6", "fast", False, 10
    yield "astc_6x6", "normal", False, 60


def seconds(call: Callable[[], object]) -> float:
    """CPU time of this process."""
    gc.collect()
    begin = time.process_time()
    call()
    return time.process_time() - begin


def measured(name: str, effort: Any, transparent: bool, profile: Any) -> Row:
    pixels = picture(transparent)
    image = Raster("picture", pixels, True, "srgb", "png")
    params: dict[str, Any] = {
        "format": name,
        "quality": effort,
        "alpha": "keep" if transparent else "drop",
    }
    plain, with_psnr = Compress(**params), Compress(**params, measure=True)
    psnr = compress.operate([image], with_psnr, Limits()).value.psnr
    call = bare(name, pixels, profile)
    pairs: list[tuple[float, float]] = []
    while len(pairs) < (1 if pairs and pairs[0][0] > LONG_S else ROUNDS):
        pairs.append((seconds(lambda: compress.operate([image], plain, Limits())), seconds(call)))
    ours, library = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Row(f"{name}, {effort}", "transparent" if transparent else "opaque", psnr, ours, library)


def measure() -> str:
    """The section as Markdown."""
    rows = [measured(*case) for case in cases()]
    lines = "\n".join(
        f"| {row.name} | {row.picture} | {row.psnr:.1f} dB | {row.ours * 1e3:,.0f} ms | "
        f"{row.bare * 1e3:,.0f} ms | **{row.ours / row.bare:.2f}** |"
        for row in rows
    )
    return TEMPLATE.format(size=SIZE, rows=lines)


def main() -> None:
    print(measure())


if __name__ == "__main__":
    main()
