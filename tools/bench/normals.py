"""Normal maps from heights beside numba, OpenCV and numpy: `python -m tools.bench.normals`."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numba
import numpy as np

from accel.image.height_map import HeightField, height_to_normal
from accel.image.raster import Raster
from tools.bench.timing import alternating_medians

SIZES = (2048, 4096)
ROUNDS = 7
STRENGTH = 8.0
AIM = 1.5

TEMPLATE = """## Normal maps from heights

8-bit grey to 8-bit RGB, Sobel, clamped edges, strength {strength:g}, on one thread; CPU, medians of
{rounds} alternating rounds (`tools/bench/normals.py`). The peers are written for this one case; numba's
time excludes compilation. All give the same image within one step. The aim: at most {aim} times numba's
time.

| size | PopBridge | numba | OpenCV | numpy, whole images | **to numba** | to OpenCV |
|---|---|---|---|---|---|---|
{rows}
"""


def ours(heights: Any) -> Any:
    image = Raster("heights.png", heights[..., None], False, "linear", "png")
    return height_to_normal(image, HeightField(STRENGTH, "sobel", False, False, "luminance"), "uint8")


@numba.njit(fastmath=True)  # type: ignore[untyped-decorator]
def by_numba(heights: Any) -> Any:
    height, width = heights.shape
    made = np.empty((height, width, 3), np.uint8)
    scale = np.float32(STRENGTH / 255 / 8)
    smooth, step = np.empty(width + 2, np.float32), np.empty(width + 2, np.float32)
    half, one = np.float32(127.5), np.float32(1)
    for y in range(height):
        above, row, below = heights[max(y - 1, 0)], heights[y], heights[min(y + 1, height - 1)]
        for x in range(width):
            a, b, c = np.float32(above[x]), np.float32(row[x]), np.float32(below[x])
            smooth[x + 1] = (a + b + b + c) * scale
            step[x + 1] = (c - a) * scale
        smooth[0], smooth[-1], step[0], step[-1] = smooth[1], smooth[-2], step[1], step[-2]
        for x in range(width):
            across = smooth[x] - smooth[x + 2]
            down = step[x] + step[x + 1] + step[x + 1] + step[x + 2]
            length = half / np.sqrt(across * across + down * down + one)
            made[y, x, 0] = np.uint8(np.int32(across * length + np.float32(128)))
            made[y, x, 1] = np.uint8(np.int32(down * length + np.float32(128)))
            made[y, x, 2] = np.uint8(np.int32(length + np.float32(128)))
    return made


def by_opencv(heights: Any) -> Any:
    scale, edge = STRENGTH / 255 / 8, cv2.BORDER_REPLICATE
    across = cv2.Sobel(heights, cv2.CV_32F, 1, 0, scale=-scale, borderType=edge)
    down = cv2.Sobel(heights, cv2.CV_32F, 0, 1, scale=scale, borderType=edge)
    length = 127.5 / cv2.sqrt(across * across + down * down + 1)
    planes = (across * length, down * length, length)
    return cv2.merge([cv2.convertScaleAbs(plane, alpha=1, beta=127.5) for plane in planes])


def by_numpy(heights: Any) -> Any:
    h = np.pad(heights.astype(np.float32) * np.float32(STRENGTH / 255), 1, "edge")
    smooth, step = h[:-2] + 2 * h[1:-1] + h[2:], h[2:] - h[:-2]
    across = (smooth[:, :-2] - smooth[:, 2:]) / 8
    down = (step[:, :-2] + 2 * step[:, 1:-1] + step[:, 2:]) / 8
    vectors = np.stack([across, down, np.ones_like(across)], axis=2)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    return ((vectors + 1) * 127.5 + 0.5).astype(np.uint8)


PEERS = {"ours": ours, "numba": by_numba, "opencv": by_opencv, "numpy": by_numpy}


def relief(size: int) -> Any:
    """Returns 8-bit heights with waves and grain."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    grain = np.random.default_rng(2).normal(0, 6, (size, size)).astype(np.float32)
    waves = np.sin(x * np.float32(math.tau / 97)) * np.cos(y * np.float32(math.tau / 71)) * 90
    return np.clip(128 + waves + grain, 0, 255).astype(np.uint8)


def row(size: int) -> str:
    """Returns a row of the table."""
    heights = relief(size)
    expected = ours(heights).astype(np.int16)
    for name, peer in PEERS.items():
        assert np.abs(peer(heights) - expected).max() <= 1, name
    spent = alternating_medians(
        {name: lambda peer=peer: peer(heights) for name, peer in PEERS.items()}, ROUNDS
    )  # type: ignore[misc]
    mine = spent["ours"]
    return (
        f"| {size} x {size} | {mine:.0f} ms | {spent['numba']:.0f} ms | {spent['opencv']:.0f} ms "
        f"| {spent['numpy']:.0f} ms | **{mine / spent['numba']:.2f}** | {mine / spent['opencv']:.2f} |"
    )


def measure() -> str:
    """Returns the section of docs/explanation/performance.md."""
    cv2.setNumThreads(1)
    rows = "\n".join(map(row, SIZES))
    return TEMPLATE.format(strength=STRENGTH, rounds=ROUNDS, aim=AIM, rows=rows)


def main() -> None:
    print(measure())


if __name__ == "__main__":
    main()
