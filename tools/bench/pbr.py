"""Maps of a material from its albedo, beside OpenCV: `python -m tools.bench.pbr`."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from accel.image.raster import Raster
from accel.texture.workloads import EstimatePbr, estimate_pbr
from accel.workload import Limits
from tools.bench.timing import alternating_medians

SIZES = (1024, 2048)
ROUNDS = 3
AIM = 1.5

TEMPLATE = """## Height, normals and roughness from an albedo

`texture.estimate_pbr` of 8-bit RGB, all three maps, on one thread; CPU seconds, medians of {rounds}
alternating rounds (`tools/bench/pbr.py`). The peer does the same as the method `luminance`, with OpenCV
and NumPy, written for this one case. There is no peer for `network`;
docs/explanation/models/estimate-pbr.md measures its quality. The aim: `luminance` at most {aim} times the
peer's time.

| size | luminance | OpenCV | **to OpenCV** | network | network, per megapixel |
|---|---|---|---|---|---|
{rows}
"""


def ours(albedo: Any, method: str) -> Any:
    image = Raster("albedo.png", albedo, False, "srgb", "png")
    return estimate_pbr.operate([image], EstimatePbr(method=method), Limits())


def by_opencv(albedo: Any) -> Any:
    """Bright is high, without shapes larger than 128 texels; slopes by Sobel; dark is rough."""
    values = albedo.astype(np.float32) / 255
    grey = cv2.transform(values, np.array([[0.2126, 0.7152, 0.0722]], np.float32))
    side = grey.shape[0] // 128
    coarse = cv2.resize(cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA), grey.shape[::-1],
                        interpolation=cv2.INTER_CUBIC)  # fmt: skip
    seen = grey - coarse
    across = cv2.Sobel(seen, cv2.CV_32F, 1, 0, scale=-0.5)
    down = cv2.Sobel(seen, cv2.CV_32F, 0, 1, scale=0.5)
    length = 127.5 / cv2.sqrt(across * across + down * down + 1)
    planes = (across * length, down * length, length)
    normal = cv2.merge([cv2.convertScaleAbs(plane, alpha=1, beta=127.5) for plane in planes])
    height = cv2.normalize(seen, None, 0, 255, cv2.NORM_MINMAX, cv2.CV_8U)
    rough = cv2.convertScaleAbs(0.6 - 0.4 * seen, alpha=255)
    return height, normal, rough


def _line(size: int) -> str:
    rng = np.random.default_rng(1)
    noise = rng.normal(128, 40, (size // 4, size // 4, 3)).clip(0, 255).astype(np.uint8)
    albedo = cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    found = alternating_medians(
        {
            "luminance": lambda: ours(albedo, "luminance"),
            "opencv": lambda: by_opencv(albedo),
            "network": lambda: ours(albedo, "network"),
        },
        ROUNDS,
    )
    one, peer, network = (found[name] / 1000 for name in ("luminance", "opencv", "network"))
    each = network / (size * size / 1e6)
    return f"| {size}² | {one:.3f} | {peer:.3f} | **{one / peer:.2f}** | {network:.2f} | {each:.2f} |"


def measure() -> str:
    """Returns the section of docs/explanation/performance.md."""
    cv2.setNumThreads(1)
    return TEMPLATE.format(rounds=ROUNDS, aim=AIM, rows="\n".join(_line(size) for size in SIZES))


def main() -> None:
    print(measure())


if __name__ == "__main__":
    main()
