"""Comparing, packing and unpacking beside OpenCV and plain numpy: `python -m tools.bench.channels`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np

from accel.image.channel_packing import extract_channel, pack_channels
from accel.image.compare import compare_rasters
from accel.image.operations.channels import PackChannels, channels
from accel.image.raster import Raster
from accel.workload import Limits
from tools.bench.timing import alternating_medians

SIZE = 2048
ROUNDS = 5
WEIGHTS = (0.2126, 0.7152, 0.0722)
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

TEMPLATE = """## Comparing, packing and unpacking

{size} x {size}, 8 bit, one thread; CPU, medians of {rounds} alternating rounds
(`tools/bench/channels.py`). Comparing computes PSNR, largest and mean error, the share of differing
pixels, and SSIM of luminance and three channels. The peers compute the same: OpenCV's SSIM with its
Gaussian blur, NumPy's by convolution of whole images. Packing makes ORM of three grey images, unpacking
reverses it; NumPy uses `stack` and one copy per channel. The aims: comparing no slower than the faster
peer; packing and unpacking within 1.2 times NumPy, a few milliseconds beside the tens for decoding and
encoding.

| job | PopBridge | OpenCV | numpy | **to OpenCV** | to numpy |
|---|---|---|---|---|---|
{rows}
"""


def pair() -> tuple[Raster, Raster]:
    """Returns a picture and a noisy copy."""
    chance = np.random.default_rng(6)
    one = np.cumsum(chance.integers(-3, 4, (SIZE, SIZE, 3)), axis=1).astype(np.uint8)
    other = np.clip(one + chance.normal(0, 8, one.shape), 0, 255).astype(np.uint8)
    return Raster("a", one, False, "srgb", "png"), Raster("b", other, False, "srgb", "png")


def comparison(one: Raster, other: Raster) -> tuple[float, float, list[float]]:
    value = compare_rasters(one, other)
    return value.psnr or 0.0, value.ssim or 0.0, [channel.ssim or 0.0 for channel in value.channels]


def blurred(plane: Any) -> Any:
    return cv2.GaussianBlur(plane, (11, 11), 1.5)[5:-5, 5:-5]


def convolved(plane: Any) -> Any:
    taps = np.exp(-(np.arange(-5.0, 6.0) ** 2) / 4.5).astype(np.float32)
    taps /= taps.sum()
    down = sum(tap * plane[index : len(plane) - 10 + index] for index, tap in enumerate(taps))
    return sum(tap * down[:, index : down.shape[1] - 10 + index] for index, tap in enumerate(taps))


def similarity(x: Any, y: Any, blur: Callable[[Any], Any]) -> float:
    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    found = (2 * mx * my + C1) * (2 * cov + C2) / ((mx * mx + my * my + C1) * (vx + vy + C2))
    return float(found.mean(dtype=np.float64))


def plain(one: Raster, other: Raster, blur: Callable[[Any], Any]) -> tuple[float, float, list[float]]:
    """A straightforward comparison, with OpenCV's or numpy's functions."""
    x, y = one.pixels.astype(np.float32), other.pixels.astype(np.float32)
    if blur is blurred:
        errors = cv2.absdiff(one.pixels, other.pixels)
        psnr = cv2.PSNR(one.pixels, other.pixels)
        planes = list(zip(cv2.split(x), cv2.split(y), strict=True))
    else:
        errors = np.abs(one.pixels.astype(np.int16) - other.pixels)
        psnr = float(10 * np.log10(255**2 / ((x - y) ** 2).mean(dtype=np.float64)))
        planes = [(np.ascontiguousarray(x[..., i]), np.ascontiguousarray(y[..., i])) for i in range(3)]
    errors.max(axis=(0, 1)), errors.mean(axis=(0, 1)), errors.any(axis=2).mean()
    luma = [
        sum(np.float32(w) * plane[side] for w, plane in zip(WEIGHTS, planes, strict=True)) for side in (0, 1)
    ]
    return psnr, similarity(*luma, blur), [similarity(*each, blur) for each in planes]


def rows() -> list[tuple[str, Mapping[str, Callable[[], Any]]]]:
    """Measures each task with its peers."""
    one, other = pair()
    chance = np.random.default_rng(7)
    greys = [chance.integers(0, 256, (SIZE, SIZE, 1)).astype(np.uint8) for _ in range(3)]
    images = [Raster(str(index), grey, False, "linear", "png") for index, grey in enumerate(greys)]
    planes = [np.ascontiguousarray(grey[..., 0]) for grey in greys]
    params, limits = PackChannels(), Limits()

    def pack() -> Any:
        return pack_channels(images, params, limits).images["packed"].pixels

    orm = Raster("orm", pack(), False, "linear", "png")
    return [
        ("compare", {
            "ours": lambda: comparison(one, other), "opencv": lambda: plain(one, other, blurred),
            "numpy": lambda: plain(one, other, convolved),
        }),
        ("pack", {
            "ours": pack, "opencv": lambda: cv2.merge(planes), "numpy": lambda: np.stack(planes, axis=2),
        }),
        ("unpack", {
            "ours": lambda: [extract_channel(orm, letter).pixels[..., 0] for letter in channels("orm")],
            "opencv": lambda: cv2.split(orm.pixels),
            "numpy": lambda: [np.ascontiguousarray(orm.pixels[..., index]) for index in range(3)],
        }),
    ]  # fmt: skip


def check(peers: Mapping[str, Callable[[], Any]]) -> None:
    """Checks that all results agree."""
    expected, *others = [call() for call in peers.values()]
    for other in others:
        if isinstance(expected, tuple):
            np.testing.assert_allclose(np.hstack(other), np.hstack(expected), atol=1e-4)
        else:
            np.testing.assert_array_equal(other, expected)


def row(name: str, peers: Mapping[str, Callable[[], Any]]) -> str:
    """Returns a row of the table."""
    check(peers)
    spent = alternating_medians(peers, ROUNDS)
    mine, opencv, numpy = (spent[each] for each in ("ours", "opencv", "numpy"))
    return (
        f"| {name} | {mine:.1f} ms | {opencv:.1f} ms | {numpy:.1f} ms "
        f"| **{mine / opencv:.2f}** | {mine / numpy:.2f} |"
    )


def measure() -> str:
    """Returns the section of docs/explanation/performance.md."""
    cv2.setNumThreads(1)
    lines = "\n".join(row(name, peers) for name, peers in rows())
    return TEMPLATE.format(size=SIZE, rounds=ROUNDS, rows=lines)


def main() -> None:
    print(measure())


if __name__ == "__main__":
    main()
