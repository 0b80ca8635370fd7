"""Lines of text, cut out of a picture, turned upright and read by PP-OCR's networks."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.ai.boxes import Box
from accel.ai.find_text import find_lines, in_order
from accel.ai.ocr import Line
from accel.ai.sessions import Network, networks
from accel.ai.shown import pages, resized
from accel.image.raster import Raster
from accel.models.catalogue import PP_OCR
from accel.workload import Limits

Floats = NDArray[np.float32]

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


def read_lines(image: Raster, limits: Limits) -> list[Line]:
    """All lines that have text. Raises WorkloadError where the model isn't on this machine."""
    detector = networks(limits).get(PP_OCR.name, "det.onnx")
    found: list[_Read] = []
    for seen in pages(image):
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
    cut = cropped(seen, upright)
    if _upside_down(turner, cut):
        upright, cut = upright.turned(2), _turned(cut)
    text, sure = decoded(_steps(reader, cut), characters)
    if sure < UNSURE:
        # Few letters, or odd ones, are taken for upright or not at random: what is read says it better.
        other, surer = decoded(_steps(reader, _turned(cut)), characters)
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


def cropped(seen: Floats, box: Box) -> Floats:
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
    return network.prepared(resized(cut, min(wide, most or wide), HIGH))


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
        made = found[0] if made is None else joined(made, found[0], begin // STEP)
    assert made is not None
    return made


def joined(first: Floats, second: Floats, begin: int) -> Floats:
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


def decoded(steps: Floats, characters: list[str]) -> tuple[str, float]:
    """The text of the likeliest class of each step, and the mean probability of its characters.

    Repetitions count once, blanks (class 0) part them (Graves et al.: Connectionist Temporal Classification).
    """
    best, sure = steps.argmax(1), steps.max(1)
    kept = (best > 0) & np.append(True, best[1:] != best[:-1])
    if not kept.any():
        return "", 0.0
    return "".join(characters[one] for one in best[kept]), float(sure[kept].mean())
