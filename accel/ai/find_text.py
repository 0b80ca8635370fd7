"""Where a picture has lines of text, by PP-OCR's detector (Liao et al.: Differentiable Binarization)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accel.ai.boxes import Box, around, regions
from accel.ai.sessions import Network
from accel.ai.shown import resized

Floats = NDArray[np.float32]

SHORTEST, LONGEST, STEP = 736, 2048, 32
"""A picture is enlarged until its shorter side is so long, but never beyond so much of the longer one; both
are multiples of the step."""
LIKELY = 0.3
"""From which probability on a pixel belongs to text."""
SURE = 0.5
"""What the mean within a region has to reach."""
UNCLIP = 1.6
"""The detector marks the middle of lines; by how much of area over perimeter they are wider."""
MOST = 1000
"""Regions that are looked at."""


def find_lines(detector: Network, seen: Floats) -> list[Box]:
    """Boxes of lines, in pixels of `seen` (height x width x 3, 0 to 1), in the order of reading."""
    height, width = seen.shape[:2]
    wide, high = sizes(width, height)
    likely = detector.image(resized(seen, wide, high))[0]
    boxes = [box.scaled(width / wide, height / high) for box in lines_of(likely)]
    return in_order(boxes)


def sizes(width: int, height: int) -> tuple[int, int]:
    """The width and height at which lines are looked for."""
    scale = max(1.0, SHORTEST / min(width, height))
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


def in_order(boxes: list[Box]) -> list[Box]:
    """From top to bottom; those on one level from left to right."""
    rows: list[list[Box]] = []
    for box in sorted(boxes, key=lambda box: float(box.corners[:, 1].mean())):
        middle, least = float(box.corners[:, 1].mean()), min(box.width, box.height) / 2
        if rows and abs(middle - float(rows[-1][0].corners[:, 1].mean())) < least:
            rows[-1].append(box)
        else:
            rows.append([box])
    return [box for row in rows for box in sorted(row, key=lambda box: float(box.corners[:, 0].min()))]
