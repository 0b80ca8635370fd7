"""Text in pictures with no font installed: capital letters and digits of 5 x 7 dots."""

from __future__ import annotations

import numpy as np

DOTS = {
    "A": "01110 10001 10001 11111 10001 10001 10001", "B": "11110 10001 10001 11110 10001 10001 11110",
    "C": "01110 10001 10000 10000 10000 10001 01110", "D": "11110 10001 10001 10001 10001 10001 11110",
    "E": "11111 10000 10000 11110 10000 10000 11111", "K": "10001 10010 10100 11000 10100 10010 10001",
    "L": "10000 10000 10000 10000 10000 10000 11111", "M": "10001 11011 10101 10101 10001 10001 10001",
    "N": "10001 11001 10101 10011 10001 10001 10001", "O": "01110 10001 10001 10001 10001 10001 01110",
    "P": "11110 10001 10001 11110 10000 10000 10000", "R": "11110 10001 10001 11110 10100 10010 10001",
    "S": "01111 10000 10000 01110 00001 00001 11110", "T": "11111 00100 00100 00100 00100 00100 00100",
    "V": "10001 10001 10001 10001 10001 01010 00100", "W": "10001 10001 10001 10101 10101 11011 10001",
    "2": "01110 10001 00001 00110 01000 10000 11111", "4": "00010 00110 01010 10010 11111 00010 00010",
    "7": "11111 00001 00010 00100 01000 01000 01000", " ": "00000 00000 00000 00000 00000 00000 00000",
}  # fmt: skip


def written(text: str, dot: int = 4) -> np.ndarray:
    """Ink of 0..1, a dot `dot` pixels wide."""
    glyphs = [np.array([[int(c) for c in row] + [0] for row in DOTS[one].split()]) for one in text]
    return np.kron(np.concatenate(glyphs, 1), np.ones((dot, dot))).astype(float)


def page(lines: list[tuple[str, int, int]], width: int, height: int, dot: int = 4) -> np.ndarray:
    """Dark text on a pale ground: RGB, 8 bit; each line with the x and y of its upper left corner."""
    ink = np.zeros((height, width))
    for text, x, y in lines:
        drawn = written(text, dot)
        ink[y : y + drawn.shape[0], x : x + drawn.shape[1]] = drawn
    # A little blurred, as a picture is.
    soft = (ink + np.roll(ink, 1, 0) + np.roll(ink, 1, 1) + np.roll(ink, (1, 1), (0, 1))) / 4
    ground, color = np.array([235, 232, 220]), np.array([30, 40, 60])
    return (ground + (color - ground) * soft[..., None] + 0.5).astype(np.uint8)
