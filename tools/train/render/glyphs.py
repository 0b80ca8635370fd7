"""Letters drawn from a 3 by 5 lattice of our own, smoothed into fonts of any size, weight and slant."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tools.train.render.field import Field, Random, chance, span, spread, step

_ROWS = {
    "A": "25755", "B": "65656", "C": "74447", "D": "65556", "E": "74747", "F": "74644", "G": "74557",
    "H": "55755", "I": "72227", "J": "11157", "K": "55655", "L": "44447", "M": "57755", "N": "65555",
    "O": "75557", "P": "75744", "Q": "75571", "R": "75655", "S": "74717", "T": "72222", "U": "55557",
    "V": "55552", "W": "55775", "X": "55255", "Y": "55222", "Z": "71247", "0": "25552", "1": "26227",
    "2": "61247", "3": "71317", "4": "55711", "5": "74617", "6": "34757", "7": "71122", "8": "75257",
    "9": "75716", "!": "22202", "?": "71202", "+": "02720", "-": "00700", ".": "00002", "/": "11244",
    "*": "52725", "#": "57575", "=": "07070", ":": "02020", "(": "12221", ")": "42224", "'": "22000",
}  # fmt: skip
"""Five rows of three pixels, each an octal digit."""

LETTERS = "".join(_ROWS)


@lru_cache(maxsize=128)
def _lattice(letter: str) -> Field:
    rows = _ROWS[letter]
    bits = [[int(digit) >> shift & 1 for shift in (2, 1, 0)] for digit in rows]
    return np.array(bits, np.float32)


def glyph(letter: str, size: int, weight: float = 0.5, slant: float = 0, blocky: bool = False) -> Field:
    """A letter `size` pixels tall (and 2/3 as wide) in 0..1; `weight` 0.3 (heavy) to 0.6 (thin)."""
    lattice = np.pad(_lattice(letter), 1)
    rows, columns = size, max(3, size * 2 // 3)
    y = (np.arange(rows, dtype=np.float32) + 0.5) / rows * 6 + 0.0
    x = (np.arange(columns, dtype=np.float32) + 0.5) / columns * 4 + 0.0
    ys = np.clip(y[:, None] + 0 * x, 0, 5.99)
    xs = np.clip(x[None, :] + slant * (y[:, None] - 3), 0, 3.99)
    if blocky:
        return lattice[np.round(ys).astype(int), np.round(xs).astype(int)]
    top, left = ys.astype(int), xs.astype(int)
    fy, fx = ys - top, xs - left
    fy, fx = fy * fy * (3 - 2 * fy), fx * fx * (3 - 2 * fx)
    upper = lattice[top, left] * (1 - fx) + lattice[top, left + 1] * fx
    lower = lattice[top + 1, left] * (1 - fx) + lattice[top + 1, left + 1] * fx
    soft = 3.0 / size
    return step((upper * (1 - fy) + lower * fy).astype(np.float32), weight - soft, weight + soft)


def _reshape(rng: Random, mark: Field, wide: float, low: bool) -> Field:
    """A letter made narrower or wider, or set as a small one on the line."""
    rows, columns = mark.shape
    tall = int(rows * 0.7) if low else rows
    ys = (np.arange(tall) * rows / tall).astype(int)
    count = max(3, int(columns * wide * (0.8 if low else 1)))
    xs = (np.arange(count) * columns / count).astype(int)
    return np.pad(mark[ys][:, xs], ((rows - tall, 0), (0, 0)))


def words(rng: Random, size: int, length: int) -> Field:
    """A word of random letters, `size` pixels tall, in 0..1."""
    weight, slant, blocky = span(rng, 0.3, 0.6), span(rng, 0, 0.3) * chance(rng, 0.3), chance(rng, 0.2)
    wide, low = spread(rng, 0.6, 1.4), chance(rng, 0.5)
    marks = []
    for place in range(length):
        mark = glyph(LETTERS[int(rng.integers(36))], size, weight, slant, blocky)
        if place and chance(rng, 0.12):
            mark = mark * 0
        small = low and place > 0 and chance(rng, 0.7)
        marks.append(_reshape(rng, mark, wide, small) if not blocky else mark)
    return np.concatenate(marks, 1)
