"""Where a picture has lines of text, by PP-OCR's detector (Liao et al.: Differentiable Binarization)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from accel.ai.boxes import Box, around, regions
from accel.ai.sessions import Network
from accel.ai.shown import resized

Floats = NDArray[np.float32]

SHORTEST, LONGEST, STEP = 736, 2048, 32
"""A picture is enlarged until its shorter side is so long, but never beyond so much of the longer one; both
are multiples of the step."""
ENLARGED = 6.0
"""How many times at most: larger letters are torn apart. Of 170 small pictures of a few words 169 are read
rightly so, in a third of the time, and 157 without a bound."""
LIKELY = 0.3
"""From which probability on a pixel belongs to text."""
SURE = 0.5
"""What the mean within a region has to reach."""
UNCLIP = 1.6
"""The detector marks the middle of lines; by how much of area over perimeter they are wider."""
MOST = 1000
"""Regions that are looked at."""


def find_lines(detector: Network, seen: Floats) -> list[Box]:
    """Boxes of lines, in pixels of `seen` (height x width x 3, 0 to 1)."""
    height, width = seen.shape[:2]
    wide, high = sizes(width, height)
    likely = detector.image(resized(seen, wide, high))[0]
    return [box.scaled(width / wide, height / high) for box in lines_of(likely)]


def sizes(width: int, height: int) -> tuple[int, int]:
    """The width and height at which lines are looked for."""
    scale = min(ENLARGED, max(1.0, SHORTEST / min(width, height)))
    scale = min(scale, LONGEST / max(width, height))
    wide, high = (max(STEP, round(side * scale / STEP) * STEP) for side in (width, height))
    return wide, high


def lines_of(likely: Floats) -> list[Box]:
    """Boxes of the lines in a map of probabilities."""
    found = []
    for pixels in list(regions(_dilated(likely > LIKELY)))[:MOST]:
        box = around(pixels)
        if min(box.width, box.height) < 3 or likely[pixels[:, 0], pixels[:, 1]].mean() < SURE:
            continue
        found.append(box.grown(box.width * box.height * UNCLIP / (2 * (box.width + box.height))))
    return found


def _dilated(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Each pixel and those to its right, below, and both: closes gaps of one pixel."""
    made = mask.copy()
    made[:, 1:] |= mask[:, :-1]
    made[1:] |= made[:-1].copy()
    return made


def in_order(boxes: Sequence[Box]) -> list[int]:
    """The numbers of boxes, whose first sides are the tops of their texts, as they are read: from top to
    bottom, on one level from left to right, on a page that is turned as most of the text is."""
    if not boxes:
        return []
    along = _direction(boxes)
    turned = [box.corners @ np.stack([along, (-along[1], along[0])], 1) for box in boxes]
    level = [float(corners[:, 1].mean()) for corners in turned]
    rows: list[list[int]] = []
    for at in sorted(range(len(boxes)), key=level.__getitem__):
        if rows and level[at] - level[rows[-1][0]] < min(boxes[at].width, boxes[at].height) / 2:
            rows[-1].append(at)
        else:
            rows.append([at])
    return [at for row in rows for at in sorted(row, key=lambda at: float(turned[at][:, 0].min()))]


def _direction(boxes: Sequence[Box]) -> Floats:
    """Where most of the text runs to, of length 1: the mean in the quarter with the longest lines."""
    tops = np.array([box.corners[1] - box.corners[0] for box in boxes])
    quarters = np.rint(np.arctan2(tops[:, 1], tops[:, 0]) / (np.pi / 2)).astype(np.intp) % 4
    longest = np.bincount(quarters, np.hypot(*tops.T)).argmax()
    main = tops[quarters == longest].sum(0)
    made: Floats = main / max(float(np.hypot(*main)), 1e-9)
    return made
