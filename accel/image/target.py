"""What size an image is to become."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accel.image.raster import Raster
    from accel.image.resize import Resize


def target(image: Raster, params: Resize) -> tuple[int, int]:
    """Width and height, which are said in one way (`Resize.contradiction`)."""
    old = (image.width, image.height)
    if params.power_of_two != "no":
        return power_of_two(old[0], params.power_of_two), power_of_two(old[1], params.power_of_two)
    if params.factor:
        return scaled(old, params.factor)
    if params.longest:
        return _bounded(old, params.longest / max(old), params.enlarge)
    return _sized(old, params)


def _sized(old: tuple[int, int], params: Resize) -> tuple[int, int]:
    if params.width and params.height:
        if params.enlarge:
            return params.width, params.height
        return min(params.width, old[0]), min(params.height, old[1])
    return _bounded(old, params.width / old[0] or params.height / old[1], params.enlarge)


def _bounded(old: tuple[int, int], factor: float, enlarge: bool) -> tuple[int, int]:
    return scaled(old, factor if enlarge else min(factor, 1.0))


def scaled(old: tuple[int, int], factor: float) -> tuple[int, int]:
    """Both sides times `factor`, rounded, 1 at the least."""
    width, height = (max(1, math.floor(side * factor + 0.5)) for side in old)
    return width, height


def power_of_two(side: int, way: str) -> int:
    """The power of two that is `nearest` to `side` by ratio, `up` or `down`."""
    down = 1 << (side.bit_length() - 1)
    up = down if down == side else 2 * down
    if way == "nearest":
        # Nearer by ratio: side / down < up / side.
        return down if side * side < down * up else up
    return up if way == "up" else down
