"""Whether something was ever kept under a number: a no is certain, a yes nearly always right."""

from __future__ import annotations

from collections.abc import Iterable

BITS = 1 << 21
"""A quarter of a mebibyte; 100,000 numbers fill a twentieth of it, which is how often a yes is wrong."""


class Outlines:
    """A set of numbers that is never asked to forget one: what was evicted is asked for in vain, no more."""

    def __init__(self) -> None:
        self._bits = bytearray(BITS // 8)

    def add(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            at = number % BITS
            self._bits[at >> 3] |= 1 << (at & 7)

    def __contains__(self, number: int) -> bool:
        at = number % BITS
        return bool(self._bits[at >> 3] & 1 << (at & 7))

    def clear(self) -> None:
        self._bits = bytearray(BITS // 8)
