"""Text recognition: detects lines, crops and orients them, and decodes their characters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.ai.preprocessing import resize_planes, tensors_on_backgrounds
from accel.ai.sessions import Network, networks
from accel.ai.workloads import Line, Ocr, Text
from accel.image.operation import Operated, first_layer
from accel.image.pixel_data import vips_image
from accel.image.raster import Raster
from accel.models.catalog import PP_OCR
from accel.workload import Limits

Doubles = NDArray[np.float64]


class Box(Struct, frozen=True):
    """A rotated rectangle. Corners are clockwise (y points down); the first side connects the first two."""

    corners: Doubles
    """4 x 2, x and y in pixels; whole numbers are the edges between pixels."""

    @property
    def width(self) -> float:
        """Length of the first side."""
        return float(np.hypot(*(self.corners[1] - self.corners[0])))

    @property
    def height(self) -> float:
        """Length of the second side."""
        return float(np.hypot(*(self.corners[2] - self.corners[1])))

    def expand(self, by: float) -> Box:
        """Returns the box grown by `by` pixels on each side."""
        center = self.corners.mean(0)
        along = (self.corners[1] - self.corners[0]) / max(self.width, 1e-9)
        down = (self.corners[2] - self.corners[1]) / max(self.height, 1e-9)
        half = along * (self.width / 2 + by), down * (self.height / 2 + by)
        signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        return Box(np.array([center + a * half[0] + b * half[1] for a, b in signs]))

    def scale(self, across: float, down: float) -> Box:
        """Returns the box in the pixels of an image of another size."""
        return Box(self.corners * (across, down))

    def rotate(self, quarters: int) -> Box:
        """Returns the same rectangle with the `quarters`-th corner first."""
        return Box(np.roll(self.corners, -quarters, axis=0))

    def overlaps(self, other: Box) -> bool:
        """Whether the centre of one box is inside the other."""
        return self._contains(other.corners.mean(0)) or other._contains(self.corners.mean(0))

    def _contains(self, point: Doubles) -> bool:
        sides = self.corners[[1, 3]] - self.corners[0]
        along = sides @ (point - self.corners[0])
        return bool((along >= 0).all() and (along <= (sides**2).sum(1)).all())


def text_regions(mask: NDArray[np.bool_]) -> Iterator[NDArray[np.intp]]:
    """Yields the pixels of each 4-connected region as n x (y, x)."""
    labels = vips_image(mask.astype(np.uint8)[..., None], "b-w").labelregions()
    numbers = np.frombuffer(labels.write_to_memory(), np.int32).reshape(mask.shape)
    places = np.flatnonzero(mask)
    if not len(places):
        return
    found = numbers.reshape(-1)[places]
    order = np.argsort(found, kind="stable")
    ends = np.flatnonzero(np.diff(found[order])) + 1
    for part in np.split(places[order], ends):
        yield np.stack(np.unravel_index(part, mask.shape), 1)


def bounding_box(pixels: NDArray[np.intp]) -> Box:
    """Returns the smallest rectangle around pixels (n x (y, x)); its first side is the most horizontal."""
    hull = _hull(_outline(pixels))
    edges = np.roll(hull, -1, axis=0) - hull
    angles = np.unique(np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2))
    # A smallest rectangle has a side along an edge of the hull (Freeman and Shapira 1975).
    along = np.stack([np.cos(angles), np.sin(angles)], 1)
    down = np.stack([-along[:, 1], along[:, 0]], 1)
    x, y = hull @ along.T, hull @ down.T
    best = int(((x.max(0) - x.min(0)) * (y.max(0) - y.min(0))).argmin())
    bounds = x[:, best].min(), x[:, best].max(), y[:, best].min(), y[:, best].max()
    left, right, top, bottom = bounds
    places = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    box = Box(places @ np.stack([along[best], down[best]]))
    # Angles are between 0 and 90 degrees.
    return box if angles[best] <= np.pi / 4 else box.rotate(3)


def _outline(pixels: NDArray[np.intp]) -> Doubles:
    """Returns the corners (x, y) of each row's first and last pixel, whose hull contains all other pixels."""
    ordered = pixels[np.lexsort((pixels[:, 1], pixels[:, 0]))]
    rows, starts = np.unique(ordered[:, 0], return_index=True)
    ends = np.append(starts[1:], len(ordered))
    sides = ordered[starts, 1], ordered[ends - 1, 1] + 1
    return np.concatenate([np.stack([x, y], 1) for x in sides for y in (rows, rows + 1)]).astype(float)


def _hull(points: Doubles) -> Doubles:
    """Returns the convex hull (Andrew's monotone chain)."""
    ordered = sorted({(float(x), float(y)) for x, y in points})

    def half(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        chain: list[tuple[float, float]] = []
        for x, y in points:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], (x, y)) <= 0:
                chain.pop()
            chain.append((x, y))
        return chain[:-1]

    return np.array(half(ordered) + half(ordered[::-1]))


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


Floats = NDArray[np.float32]

MIN_SIDE, MAX_SIDE, SIDE_MULTIPLE = 736, 2048, 32
"""Images are enlarged to this shorter side, unless that takes the longer side beyond the maximum. Both sides
are multiples of the third number."""
MAX_SCALE = 6.0
"""Maximum enlargement; larger letters would be split. Of 170 small images with a few words, 169 are read
correctly with this limit, in a third of the time, and 157 without it."""
TEXT_PROBABILITY = 0.3
"""Pixels above this probability are text."""
REGION_PROBABILITY = 0.5
"""Minimum mean probability of a region."""
UNCLIP = 1.6
"""The detector marks the core of a line; boxes are expanded by this factor times area / perimeter."""
MAX_REGIONS = 1000


def find_lines(detector: Network, seen: Floats) -> list[Box]:
    """Returns the boxes of lines in pixels of `seen` (height x width x 3, 0 to 1)."""
    height, width = seen.shape[:2]
    wide, high = detector_size(width, height)
    likely = detector.image(resize_planes(seen, wide, high))[0]
    return [box.scale(width / wide, height / high) for box in lines_of(likely)]


def detector_size(width: int, height: int) -> tuple[int, int]:
    """Returns the width and height of the detector's input."""
    scale = min(MAX_SCALE, max(1.0, MIN_SIDE / min(width, height)))
    scale = min(scale, MAX_SIDE / max(width, height))
    wide, high = (
        max(SIDE_MULTIPLE, round(side * scale / SIDE_MULTIPLE) * SIDE_MULTIPLE) for side in (width, height)
    )
    return wide, high


def lines_of(likely: Floats) -> list[Box]:
    """Returns the boxes of the lines in a probability map."""
    found = []
    for pixels in list(text_regions(_dilate(likely > TEXT_PROBABILITY)))[:MAX_REGIONS]:
        box = bounding_box(pixels)
        if min(box.width, box.height) < 3 or likely[pixels[:, 0], pixels[:, 1]].mean() < REGION_PROBABILITY:
            continue
        found.append(box.expand(box.width * box.height * UNCLIP / (2 * (box.width + box.height))))
    return found


def _dilate(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Dilates to the right and down, which closes one-pixel gaps."""
    result = mask.copy()
    result[:, 1:] |= mask[:, :-1]
    result[1:] |= result[:-1].copy()
    return result


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """Returns the indices of boxes in reading order: rows from top to bottom, each from left to right, seen
    in the direction of most text. The first side of a box is the top of its text."""
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
    """Returns the direction of most text as a unit vector: the mean in the quadrant with most text."""
    tops = np.array([box.corners[1] - box.corners[0] for box in boxes])
    quarters = np.rint(np.arctan2(tops[:, 1], tops[:, 0]) / (np.pi / 2)).astype(np.intp) % 4
    longest = np.bincount(quarters, np.hypot(*tops.T)).argmax()
    main = tops[quarters == longest].sum(0)
    result: Floats = main / max(float(np.hypot(*main)), 1e-9)
    return result


LINE_HEIGHT, MIN_WIDTH, MAX_WIDTH = 48, 320, 3200
"""Input size of the recogniser in pixels: height, minimum width and maximum width."""
STEP, OVERLAP = 8, 40
"""Pixels per step of the recogniser, and overlap of a long line's pieces in steps."""
ORIENTATION_WIDTH = 192
"""Width of the orientation classifier's input in pixels."""
UPSIDE_DOWN = 0.9
"""Probability above which a line is rotated by 180 degrees."""
UNSURE = 0.9
"""Confidence below which a line is also read upside down."""
TALL = 1.5
"""Ratio of height to width above which a line is vertical."""


def ocr(images: Sequence[Raster], params: Ocr, limits: Limits) -> Operated:
    (image,) = images
    lines = [line for line in read_lines(image, limits) if line.confidence >= params.confidence]
    return Operated(value=Text("\n".join(line.text for line in lines), lines, first_of=first_layer(image)))


def read_lines(image: Raster, limits: Limits) -> list[Line]:
    """Returns all lines with text. Raises WorkloadError if the model isn't installed."""
    detector = networks(limits).get(PP_OCR.name, "det.onnx")
    found: list[_ReadLine] = []
    for seen in tensors_on_backgrounds(image):
        sure = [one.box for one in found if one.confidence >= UNSURE]
        boxes = [box for box in find_lines(detector, seen) if not any(map(box.overlaps, sure))]
        found = _merge(found, [_read_line(seen, box, limits) for box in boxes])
    return [_line(found[at]) for at in reading_order([one.box for one in found])]


class _ReadLine(Struct, frozen=True):
    box: Box
    text: str
    confidence: float


def _read_line(seen: Floats, box: Box, limits: Limits) -> _ReadLine:
    opened, characters = networks(limits), _characters(limits)
    turner, reader = (opened.get(PP_OCR.name, f"{name}.onnx") for name in ("cls", "rec"))
    upright = box.rotate(1) if box.height > TALL * box.width else box
    cut = crop_line(seen, upright)
    if _is_upside_down(turner, cut):
        upright, cut = upright.rotate(2), _rotate_180(cut)
    text, sure = decode_ctc(_class_probabilities(reader, cut), characters)
    if sure < UNSURE:
        # The classifier is unreliable for few or unusual letters, so compare both readings.
        other, surer = decode_ctc(_class_probabilities(reader, _rotate_180(cut)), characters)
        if surer > sure:
            upright, text, sure = upright.rotate(2), other, surer
    return _ReadLine(upright, text, sure)


def _merge(first: list[_ReadLine], second: list[_ReadLine]) -> list[_ReadLine]:
    """Merges the lines found on two backgrounds; among overlapping lines, the more confident one wins."""

    def beaten(one: _ReadLine, others: list[_ReadLine]) -> bool:
        return any(one.confidence < other.confidence for other in others if other.box.overlaps(one.box))

    best = [one for one in first if not beaten(one, second)]
    new = [one for one in second if one.text.strip()]
    return best + [one for one in new if not any(other.box.overlaps(one.box) for other in best)]


def _rotate_180(cut: Floats) -> Floats:
    return np.ascontiguousarray(cut[::-1, ::-1])


def _line(read: _ReadLine) -> Line:
    return Line(read.text, round(read.confidence, 4), read.box.corners.round(1).tolist())


def crop_line(seen: Floats, box: Box) -> Floats:
    """Crops a box and makes it upright by bilinear interpolation; the image's edges are repeated."""
    wide, high = max(1, round(box.width)), max(1, round(box.height))
    across = (box.corners[1] - box.corners[0]) / wide
    down = (box.corners[3] - box.corners[0]) / high
    columns, rows = np.arange(wide) + 0.5, np.arange(high) + 0.5
    x, y = (
        box.corners[0, axis] + columns * across[axis] + rows[:, None] * down[axis] - 0.5 for axis in (0, 1)
    )
    return _interpolate(seen, x, y)


def _interpolate(seen: Floats, x: NDArray[np.float64], y: NDArray[np.float64]) -> Floats:
    height, width = seen.shape[:2]
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    left, top = x.astype(np.intp), y.astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    dx, dy = ((at - low)[..., None].astype(np.float32) for at, low in ((x, left), (y, top)))
    upper = seen[top, left] * (1 - dx) + seen[top, right] * dx
    lower = seen[bottom, left] * (1 - dx) + seen[bottom, right] * dx
    result: Floats = upper * (1 - dy) + lower * dy
    return result


def _line_tensor(network: Network, cut: Floats, most: int | None = None) -> Floats:
    """Preprocesses a line to 3 x LINE_HEIGHT x width, squeezed to at most `most` pixels wide."""
    wide = max(1, math.ceil(LINE_HEIGHT * cut.shape[1] / cut.shape[0]))
    return network.preprocess(resize_planes(cut, min(wide, most or wide), LINE_HEIGHT))


def _pad(line: Floats, width: int) -> Floats:
    """Returns a batch of one line, zero-padded to `width`."""
    result = np.zeros((1, 3, LINE_HEIGHT, max(width, line.shape[2])), np.float32)
    result[0, :, :, : line.shape[2]] = line
    return result


def _is_upside_down(turner: Network, cut: Floats) -> bool:
    """Classifies the beginning, middle and end of a line; squeezing a long line is unreliable."""
    wide = cut.shape[0] * ORIENTATION_WIDTH // LINE_HEIGHT
    rest = max(0, cut.shape[1] - wide)
    parts = [cut[:, begin : begin + wide] for begin in sorted({0, rest // 2, rest})]
    lines = [_pad(_line_tensor(turner, part, ORIENTATION_WIDTH), ORIENTATION_WIDTH) for part in parts]
    (found,) = turner.run({"x": np.concatenate(lines)})
    return bool(np.median(found[:, 1]) > UPSIDE_DOWN)


def _class_probabilities(reader: Network, cut: Floats) -> Floats:
    """Returns class probabilities for each step; long lines are read in pieces."""
    line = _line_tensor(reader, cut)
    result: Floats | None = None
    stride = MAX_WIDTH - OVERLAP * STEP
    for begin in range(0, max(1, line.shape[2] - OVERLAP * STEP), stride):
        (found,) = reader.run({"x": _pad(line[:, :, begin : begin + MAX_WIDTH], MIN_WIDTH)})
        result = found[0] if result is None else join_steps(result, found[0], begin // STEP)
    assert result is not None
    return result


def join_steps(first: Floats, second: Floats, begin: int) -> Floats:
    """Joins the steps of a line's start with those from step `begin` on.

    They meet, away from both ends, where both are most certain to be between two characters.
    """
    common = min(len(first) - begin, len(second))
    margin = common // 4
    between = first[begin : begin + common, 0] * second[:common, 0]
    at = margin + int(between[margin : common - margin].argmax())
    return np.concatenate([first[: begin + at], second[at:]])


@cache
def _characters(limits: Limits) -> list[str]:
    """Returns the character of each class: the first is the blank, the last a space."""
    reader = networks(limits).get(PP_OCR.name, "rec.onnx")
    return ["", *reader.metadata["character"].split("\n"), " "]


def decode_ctc(steps: Floats, characters: list[str]) -> tuple[str, float]:
    """Returns the text of the most probable classes, and the mean probability of its characters.

    Repetitions count once unless separated by blanks, class 0 (Graves et al. 2006, "Connectionist Temporal
    Classification").
    """
    best, sure = steps.argmax(1), steps.max(1)
    characters_at = (best > 0) & np.append(True, best[1:] != best[:-1])
    if not characters_at.any():
        return "", 0.0
    return "".join(characters[one] for one in best[characters_at]), float(sure[characters_at].mean())
