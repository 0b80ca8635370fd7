"""Packing sprites: `image.atlas` beside a plain Guillotine and a plain MaxRects, by time and fill rate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from msgspec import Struct

from accel.image import compiled, rect_packing
from accel.image.compiled.constants import Heuristic
from accel.image.rect_packing import PageSizes, pack_pages

ROUNDS = 3
STEP = 0.01
"""Growth of a peer's page until everything fits, as the peers don't search for a size."""

Side = tuple[int, int]
"""Width and height."""

Rect = tuple[int, int, int, int]
"""Left, top, right, bottom."""


class Row(Struct):
    """One algorithm on one set of sprites."""

    name: str
    what: str
    seconds: float
    """CPU of the median round."""
    fill: float


def trimmed(count: int) -> list[Side]:
    """Returns sizes of trimmed sprites: common icon sizes, and mostly small pictures of any shape."""
    random = np.random.default_rng(count)
    icons = random.choice([16, 24, 32, 48, 64, 96, 128], count // 2)
    sides = [(int(s - random.integers(0, 9)), int(s - random.integers(0, 9))) for s in icons]
    side, shape = np.exp(random.normal(3.6, 0.6, count)), np.exp(random.normal(0, 0.35, count))
    for s, a in zip(side[len(sides) :], shape[len(sides) :], strict=True):
        sides.append((max(1, int(s * a)), max(1, int(s / a))))
    return sides


def large(count: int) -> list[Side]:
    """Returns large sizes only, with no small ones that could fill gaps."""
    made = np.random.default_rng(count).integers(48, 129, (count, 2))
    return [(int(w), int(h)) for w, h in made]


def ours(sides: list[Side], fast: bool, effort: str) -> float:
    """Returns the fill rate of a page of any size."""
    widths, heights = np.array(sides, np.int64).T.copy()
    few = rect_packing.COMPILED_ABOVE
    rect_packing.COMPILED_ABOVE = few if fast else len(sides)
    try:
        (page,) = pack_pages(widths, heights, PageSizes(16384, 1, False, 0, 0), True, effort)
    finally:
        rect_packing.COMPILED_ABOVE = few
    return float((widths * heights).sum() / (page.width * page.height))


def peer(sides: list[Side], place: Callable[[list[Rect], int, int], Rect | None]) -> float:
    """Returns the fill rate of the smallest square, in steps, that fits all sprites."""
    area = sum(w * h for w, h in sides)
    order = sorted(sides, key=lambda side: (-min(side), -max(side)))
    fill = 0.99
    while True:
        side = math.ceil(math.sqrt(area / fill))
        free: list[Rect] = [(0, 0, side, side)]
        if all(place(free, w, h) is not None for w, h in order):
            return area / side**2
        fill -= STEP


def fitted(free: list[Rect], w: int, h: int) -> tuple[int, Rect] | None:
    """Returns the free rectangle with the best short side fit, and the position in it, rotated or not."""
    best: tuple[int, int, Rect] | None = None
    for index, (left, top, right, bottom) in enumerate(free):
        for a, b in ((w, h), (h, w)):
            over = min(right - left - a, bottom - top - b)
            if over >= 0 and (best is None or over < best[0]):
                best = over, index, (left, top, left + a, top + b)
    return best and (best[1], best[2])


def guillotine(free: list[Rect], w: int, h: int) -> Rect | None:
    """Splits the rest of the free rectangle in two along its shorter side."""
    found = fitted(free, w, h)
    if found is None:
        return None
    left, top, right, bottom = free.pop(found[0])
    _, _, x, y = found[1]
    if right - x < bottom - y:
        parts = [(x, top, right, y), (left, y, right, bottom)]
    else:
        parts = [(x, top, right, bottom), (left, y, x, bottom)]
    free += [part for part in parts if part[0] < part[2] and part[1] < part[3]]
    return found[1]


def plain(free: list[Rect], w: int, h: int) -> Rect | None:
    """MaxRects as it is usually written: compares every free rectangle with every other."""
    found = fitted(free, w, h)
    if found is None:
        return None
    x0, y0, x1, y1 = found[1]
    parts: list[Rect] = []
    for one in free:
        left, top, right, bottom = one
        if x0 >= right or x1 <= left or y0 >= bottom or y1 <= top:
            parts.append(one)
            continue
        around = (
            (left, top, x0, bottom),
            (x1, top, right, bottom),
            (left, top, right, y0),
            (left, y1, right, bottom),
        )
        parts += [part for part in around if part[0] < part[2] and part[1] < part[3]]
    parts = list(dict.fromkeys(parts))
    free[:] = [part for part in parts if not any(part != other and inside(part, other) for other in parts)]
    return found[1]


def inside(part: Rect, other: Rect) -> bool:
    return other[0] <= part[0] and other[1] <= part[1] and other[2] >= part[2] and other[3] >= part[3]


WAYS: dict[str, Callable[[list[Side]], float]] = {
    "`image.atlas`, numba": lambda sides: ours(sides, True, "normal"),
    "`image.atlas`, numpy": lambda sides: ours(sides, False, "normal"),
    "`image.atlas`, numpy, `effort` fast": lambda sides: ours(sides, False, "fast"),
    "Guillotine, plain Python": lambda sides: peer(sides, guillotine),
    "MaxRects, plain Python": lambda sides: peer(sides, plain),
}

SETS: dict[str, list[Side]] = {
    "500 trimmed": trimmed(500), "500 large": large(500), "2,000 trimmed": trimmed(2_000),
}  # fmt: skip

FIRST = "500 trimmed"

SLOW = "MaxRects, plain Python"
"""Algorithms that run once, on the first set only: they take minutes on the others."""


def rows() -> list[Row]:
    """Runs every algorithm on every set of sprites, in turns."""
    one = np.array([1])
    for rule in (Heuristic.GROWTH, Heuristic.CONTACT) if compiled.available() else ():
        # numba compiles before the measurement.
        rect_packing.pack(
            one.repeat(rect_packing.COMPILED_ABOVE + 1),
            one.repeat(rect_packing.COMPILED_ABOVE + 1),
            99,
            99,
            rule,
            True,
        )
    found = []
    for what, sides in SETS.items():
        ways = {name: way for name, way in WAYS.items() if name != SLOW or sides is SETS[FIRST]}
        took: dict[str, list[float]] = {name: [] for name in ways}
        fills = {}
        for number in range(ROUNDS):
            for name, way in ways.items():
                if number and name == SLOW:
                    continue
                begin = time.process_time()
                fills[name] = way(sides)
                took[name].append(time.process_time() - begin)
        found += [Row(name, what, sorted(took[name])[len(took[name]) // 2], fills[name]) for name in ways]
    return found


def measure() -> str:
    """Returns the section of docs/explanation/performance.md."""
    measured = rows()
    base = {row.what: row.seconds for row in reversed(measured) if row.name.startswith("`image.atlas`")}
    lines = "\n".join(
        f"| {row.what} | {row.name} | {row.seconds * 1000:,.0f} ms | {row.seconds / base[row.what]:,.1f} "
        f"| {row.fill:.1%} |"
        for row in measured
    )
    return f"""## Packing an atlas

Sprites, rotated if that helps, without padding, on one page (`tools/bench/atlas.py`): trimmed sprites of
common sizes and of any shape, and large ones of 48 to 128 pixels with no small ones to fill gaps. Packing
only, without reading, drawing and writing: CPU time, medians of {ROUNDS} alternating rounds.
`image.atlas` tries several widths, rules and orders; its peers place the sprites by their shorter side
into squares that grow by 1% until all fit. The aim: 500 sprites in well under 1.5 s with at least 90 %
filled.

| sprites | method | time | relative | filled |
|---|---|---|---|---|
{lines}
"""


def main() -> None:
    print(measure())


if __name__ == "__main__":
    main()
