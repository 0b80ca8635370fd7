"""Finds lines of text, straightens and reads them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.ai.preprocessing import resize_planes, tensor_pages
from accel.ai.sessions import Network, networks
from accel.ai.workloads import Line, Ocr, Text
from accel.image.operation import Operated, first_layer
from accel.image.pixel_data import vips_image
from accel.image.raster import Raster
from accel.models.catalog import PP_OCR
from accel.workload import Limits

Doubles = NDArray[np.float64]


class Box(Struct, frozen=True):
    """A rectangle: its corners lie clockwise (y goes down), the first side from the first to the second."""

    corners: Doubles
    """4 x 2: x and y in pixels; whole numbers are the edges between pixels."""

    @property
    def width(self) -> float:
        """Of the first side."""
        return float(np.hypot(*(self.corners[1] - self.corners[0])))

    @property
    def height(self) -> float:
        """Of the second side."""
        return float(np.hypot(*(self.corners[2] - self.corners[1])))

    def grown(self, by: float) -> Box:
        """Larger by so many pixels on each side."""
        center = self.corners.mean(0)
        along = (self.corners[1] - self.corners[0]) / max(self.width, 1e-9)
        down = (self.corners[2] - self.corners[1]) / max(self.height, 1e-9)
        half = along * (self.width / 2 + by), down * (self.height / 2 + by)
        signs = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        return Box(np.array([center + a * half[0] + b * half[1] for a, b in signs]))

    def scaled(self, across: float, down: float) -> Box:
        """In pixels of an image of another size."""
        return Box(self.corners * (across, down))

    def turned(self, quarters: int) -> Box:
        """The same rectangle, seen from another side: its first corner is the `quarters`-th clockwise."""
        return Box(np.roll(self.corners, -quarters, axis=0))

    def meets(self, other: Box) -> bool:
        """Whether the middle of one lies within the other."""
        return self._holds(other.corners.mean(0)) or other._holds(self.corners.mean(0))

    def _holds(self, point: Doubles) -> bool:
        sides = self.corners[[1, 3]] - self.corners[0]
        along = sides @ (point - self.corners[0])
        return bool((along >= 0).all() and (along <= (sides**2).sum(1)).all())


def text_regions(mask: NDArray[np.bool_]) -> Iterator[NDArray[np.intp]]:
    """The pixels of each connected region, n x 2 of y and x; neighbours share a side."""
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
    """The smallest rectangle around pixels, n x 2 of y and x; its first side is the one nearest to level."""
    hull = _hull(_outline(pixels))
    edges = np.roll(hull, -1, axis=0) - hull
    angles = np.unique(np.arctan2(edges[:, 1], edges[:, 0]) % (np.pi / 2))
    # A smallest rectangle has a side along one of the hull's (Freeman and Shapira, 1975).
    along = np.stack([np.cos(angles), np.sin(angles)], 1)
    down = np.stack([-along[:, 1], along[:, 0]], 1)
    x, y = hull @ along.T, hull @ down.T
    best = int(((x.max(0) - x.min(0)) * (y.max(0) - y.min(0))).argmin())
    bounds = x[:, best].min(), x[:, best].max(), y[:, best].min(), y[:, best].max()
    left, right, top, bottom = bounds
    places = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    box = Box(places @ np.stack([along[best], down[best]]))
    # Turned by 0 to 90 degrees so far.
    return box if angles[best] <= np.pi / 4 else box.turned(3)


def _outline(pixels: NDArray[np.intp]) -> Doubles:
    """The corners, x and y, of the first and last pixel of each row: all others lie within their hull."""
    ordered = pixels[np.lexsort((pixels[:, 1], pixels[:, 0]))]
    rows, starts = np.unique(ordered[:, 0], return_index=True)
    ends = np.append(starts[1:], len(ordered))
    sides = ordered[starts, 1], ordered[ends - 1, 1] + 1
    return np.concatenate([np.stack([x, y], 1) for x in sides for y in (rows, rows + 1)]).astype(float)


def _hull(points: Doubles) -> Doubles:
    """The convex hull, by Andrew's monotone chain."""
    ordered = sorted({(float(x), float(y)) for x, y in points})

    def half(given: list[tuple[float, float]]) -> list[tuple[float, float]]:
        chain: list[tuple[float, float]] = []
        for x, y in given:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], (x, y)) <= 0:
                chain.pop()
            chain.append((x, y))
        return chain[:-1]

    return np.array(half(ordered) + half(ordered[::-1]))


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


Floats = NDArray[np.float32]

SHORTEST, LONGEST, SIDE_MULTIPLE = 736, 2048, 32
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
    likely = detector.image(resize_planes(seen, wide, high))[0]
    return [box.scaled(width / wide, height / high) for box in lines_of(likely)]


def sizes(width: int, height: int) -> tuple[int, int]:
    """The width and height at which lines are looked for."""
    scale = min(ENLARGED, max(1.0, SHORTEST / min(width, height)))
    scale = min(scale, LONGEST / max(width, height))
    wide, high = (
        max(SIDE_MULTIPLE, round(side * scale / SIDE_MULTIPLE) * SIDE_MULTIPLE) for side in (width, height)
    )
    return wide, high


def lines_of(likely: Floats) -> list[Box]:
    """Boxes of the lines in a map of probabilities."""
    found = []
    for pixels in list(text_regions(_dilated(likely > LIKELY)))[:MOST]:
        box = bounding_box(pixels)
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


HIGH, NARROW, WIDE = 48, 320, 3200
"""Pixels of a line as it is read: its height, and the least and most of its width at once."""
STEP, COMMON = 8, 40
"""Pixels from one step of the reader to the next; steps that two pieces of a longer line have in common."""
UPRIGHT_WIDE = 192
"""The width at which it is judged whether a line is upside down."""
UPSIDE_DOWN = 0.9
"""From which probability on it is turned."""
UNSURE = 0.9
"""Below which confidence it is read the other way up too."""
TALL = 1.5
"""From which height, in widths, on a line is taken for one that runs down."""


def ocr(images: Sequence[Raster], params: Ocr, limits: Limits) -> Operated:
    (image,) = images
    lines = [line for line in read_lines(image, limits) if line.confidence >= params.confidence]
    return Operated(value=Text("\n".join(line.text for line in lines), lines, first_of=first_layer(image)))


def read_lines(image: Raster, limits: Limits) -> list[Line]:
    """All lines that have text. Raises WorkloadError where the model isn't on this machine."""
    detector = networks(limits).get(PP_OCR.name, "det.onnx")
    found: list[_Read] = []
    for seen in tensor_pages(image):
        sure = [one.box for one in found if one.confidence >= UNSURE]
        boxes = [box for box in find_lines(detector, seen) if not any(map(box.meets, sure))]
        found = _merged(found, [_read(seen, box, limits) for box in boxes])
    return [_line(found[at]) for at in in_order([one.box for one in found])]


class _Read(Struct, frozen=True):
    box: Box
    text: str
    confidence: float


def _read(seen: Floats, box: Box, limits: Limits) -> _Read:
    opened, characters = networks(limits), _characters(limits)
    turner, reader = (opened.get(PP_OCR.name, f"{name}.onnx") for name in ("cls", "rec"))
    upright = box.turned(1) if box.height > TALL * box.width else box
    cut = crop_line(seen, upright)
    if _upside_down(turner, cut):
        upright, cut = upright.turned(2), _turned(cut)
    text, sure = decode_ctc(_steps(reader, cut), characters)
    if sure < UNSURE:
        # Few letters, or odd ones, are taken for upright or not at random: what is read says it better.
        other, surer = decode_ctc(_steps(reader, _turned(cut)), characters)
        if surer > sure:
            upright, text, sure = upright.turned(2), other, surer
    return _Read(upright, text, sure)


def _merged(first: list[_Read], second: list[_Read]) -> list[_Read]:
    """What was read on two pages: of a place on both what is surer."""

    def beaten(one: _Read, others: list[_Read]) -> bool:
        return any(one.confidence < other.confidence for other in others if other.box.meets(one.box))

    kept = [one for one in first if not beaten(one, second)]
    new = [one for one in second if one.text.strip()]
    return kept + [one for one in new if not any(other.box.meets(one.box) for other in kept)]


def _turned(cut: Floats) -> Floats:
    return np.ascontiguousarray(cut[::-1, ::-1])


def _line(read: _Read) -> Line:
    return Line(read.text, round(read.confidence, 4), read.box.corners.round(1).tolist())


def crop_line(seen: Floats, box: Box) -> Floats:
    """What lies in a box, upright, interpolated between pixels; outside of the picture its edge goes on."""
    wide, high = max(1, round(box.width)), max(1, round(box.height))
    across = (box.corners[1] - box.corners[0]) / wide
    down = (box.corners[3] - box.corners[0]) / high
    columns, rows = np.arange(wide) + 0.5, np.arange(high) + 0.5
    x, y = (
        box.corners[0, axis] + columns * across[axis] + rows[:, None] * down[axis] - 0.5 for axis in (0, 1)
    )
    return _sampled(seen, x, y)


def _sampled(seen: Floats, x: NDArray[np.float64], y: NDArray[np.float64]) -> Floats:
    height, width = seen.shape[:2]
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    left, top = x.astype(np.intp), y.astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    dx, dy = ((at - low)[..., None].astype(np.float32) for at, low in ((x, left), (y, top)))
    upper = seen[top, left] * (1 - dx) + seen[top, right] * dx
    lower = seen[bottom, left] * (1 - dx) + seen[bottom, right] * dx
    made: Floats = upper * (1 - dy) + lower * dy
    return made


def _prepared(network: Network, cut: Floats, most: int | None = None) -> Floats:
    """A line at the networks' height, 3 x height x width; squeezed to at most so wide."""
    wide = max(1, math.ceil(HIGH * cut.shape[1] / cut.shape[0]))
    return network.prepared(resize_planes(cut, min(wide, most or wide), HIGH))


def _filled(line: Floats, width: int) -> Floats:
    """A batch of one line, with nothing (0 after preparation) to its right up to `width`."""
    made = np.zeros((1, 3, HIGH, max(width, line.shape[2])), np.float32)
    made[0, :, :, : line.shape[2]] = line
    return made


def _upside_down(turner: Network, cut: Floats) -> bool:
    """Of a long line its beginning, middle and end are judged: squeezed into the network's width it is taken
    for anything."""
    wide = cut.shape[0] * UPRIGHT_WIDE // HIGH
    rest = max(0, cut.shape[1] - wide)
    parts = [cut[:, begin : begin + wide] for begin in sorted({0, rest // 2, rest})]
    lines = [_filled(_prepared(turner, part, UPRIGHT_WIDE), UPRIGHT_WIDE) for part in parts]
    (found,) = turner.run({"x": np.concatenate(lines)})
    return bool(np.median(found[:, 1]) > UPSIDE_DOWN)


def _steps(reader: Network, cut: Floats) -> Floats:
    """The probabilities of the classes at each step; a line that is too long is read in pieces."""
    line = _prepared(reader, cut)
    made: Floats | None = None
    stride = WIDE - COMMON * STEP
    for begin in range(0, max(1, line.shape[2] - COMMON * STEP), stride):
        (found,) = reader.run({"x": _filled(line[:, :, begin : begin + WIDE], NARROW)})
        made = found[0] if made is None else join_batches(made, found[0], begin // STEP)
    assert made is not None
    return made


def join_batches(first: Floats, second: Floats, begin: int) -> Floats:
    """The steps of a line, by those of its beginning and those from the step `begin` on: cut where both have
    it and are surest to be between two characters, and not near the end of either."""
    common = min(len(first) - begin, len(second))
    margin = common // 4
    between = first[begin : begin + common, 0] * second[:common, 0]
    at = margin + int(between[margin : common - margin].argmax())
    return np.concatenate([first[: begin + at], second[at:]])


@cache
def _characters(limits: Limits) -> list[str]:
    """What each class stands for; the first is the blank, the last a space."""
    reader = networks(limits).get(PP_OCR.name, "rec.onnx")
    return ["", *reader.metadata["character"].split("\n"), " "]


def decode_ctc(steps: Floats, characters: list[str]) -> tuple[str, float]:
    """The text of the likeliest class of each step, and the mean probability of its characters.

    Repetitions count once, blanks (class 0) part them (Graves et al.: Connectionist Temporal Classification).
    """
    best, sure = steps.argmax(1), steps.max(1)
    kept = (best > 0) & np.append(True, best[1:] != best[:-1])
    if not kept.any():
        return "", 0.0
    return "".join(characters[one] for one in best[kept]), float(sure[kept].mean())
