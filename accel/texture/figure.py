"""Features of the figure before its ground, and of the image as a whole: its size, how it is stored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accel.texture.measures import share
from accel.texture.views import THUMB, Views

Features = dict[str, float]


def shape(view: Views) -> Features:
    """The figure before its ground: how much of its bounding box, how rugged, in how many pieces and rows.

    The ground is what is transparent or, where nothing is, what has the colour of the corner.
    """
    solid, keyed = _figure(view)
    count = _count(solid)
    ground = solid.size - count
    if count == 0:
        solid = ~solid
        count = solid.size
    rows, columns = (np.asarray(solid.any(axis=axis)) for axis in (1, 0))
    tall, wide = np.flatnonzero(rows), np.flatnonzero(columns)
    box = int(tall[-1] - tall[0] + 1) * int(wide[-1] - wide[0] + 1)
    below, beside = solid[1:] != solid[:-1], solid[:, 1:] != solid[:, :-1]
    edge = _count(below) + _count(beside)
    euler = _euler(solid)
    straight = _count(solid[2:, 2:] != solid[1:-1, 2:])
    smooth, upright = below[:, 1:] & below[:, :-1], beside[1:] & beside[:-1]
    places = np.argwhere(solid).astype(np.float32)
    middle = places.mean(axis=0) / THUMB - 0.5
    spread = places.std(axis=0) / THUMB
    return {
        "shape.keyed": float(keyed and ground > 0.02 * solid.size),
        "shape.ground": ground / solid.size,
        "shape.box": box / solid.size,
        "shape.fill": count / box,
        "shape.rough": edge / (4 * np.sqrt(count)),
        "shape.pieces": float(np.sign(euler) * np.log1p(abs(euler))),
        "shape.rows": float(_count(rows[1:] > rows[:-1]) + rows[0]),
        "shape.columns": float(_count(columns[1:] > columns[:-1]) + columns[0]),
        "shape.straight": (_count(smooth) + _count(upright)) / max(1, edge),
        "shape.level": straight / max(1, edge),
        "shape.off_x": abs(float(middle[1])),
        "shape.off_y": float(middle[0]),
        "shape.spread_x": float(spread[1]),
        "shape.spread_y": float(spread[0]),
        "shape.touches": sum(map(share, (solid[0], solid[-1], solid[:, 0], solid[:, -1]))),
    }


def _figure(view: Views) -> tuple[NDArray[np.bool_], bool]:
    """Which texels of the thumbnail aren't ground; and whether that is told by colour, as all are opaque."""
    solid = view.thumb[3] > 0.5
    if _count(solid) < solid.size:
        return solid, False
    return np.abs(view.thumb[:3] - view.edges[0][:3, :1, None]).max(axis=0) > 0.06, True


def _euler(solid: NDArray[np.bool_]) -> float:
    """Euler's number, from the corners of each sign: close to pieces minus holes."""
    quads = np.zeros((THUMB + 2, THUMB + 2), np.int8)
    quads[1:-1, 1:-1] = solid
    sums = quads[1:, 1:] + quads[:-1, 1:] + quads[1:, :-1] + quads[:-1, :-1]
    return (_count(sums == 1) - _count(sums == 3)) / 4


def _count(found: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(found))


def sizes(view: Views) -> Features:
    """The size of the image, and how it is stored."""
    width, height = view.width, view.height
    return {
        "size.width": float(np.log2(width)),
        "size.height": float(np.log2(height)),
        "size.least": float(np.log2(min(width, height))),
        "size.most": float(np.log2(max(width, height))),
        "size.aspect": float(np.log2(width / height)),
        "size.stretch": abs(float(np.log2(width / height))),
        "size.square": float(width == height),
        "size.powers": float(_power(width)) + float(_power(height)),
        "size.fours": float(width % 4 == 0) + float(height % 4 == 0),
        "size.twice": float(abs(width / height - 2) < 0.02),
        "size.cross": float(abs(width / height - 4 / 3) < 0.01),
        "size.strip": float(max(width, height) / min(width, height) >= 5.9),
        "stored.channels": float(view.channels),
        "stored.depth": float(view.depth),
        "stored.jpeg": float(view.format == "jpeg"),
        "stored.raw": float(view.format in ("tga", "bmp", "psd", "tiff")),
        "stored.blocks": float(view.blocks),
        "stored.peak": float(np.log2(1 + max(0.0, view.peak))),
    }


def _power(side: int) -> bool:
    return side & (side - 1) == 0
