"""Which of many images are the same file, the same picture, or nearly the same picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.image.fingerprint import Fingerprint

BITS = 4
"""Most bits of 64 in which the perceptual hashes of look-alikes differ; those of unrelated pictures differ in
32 +- 4. Of 4,399 real textures, pairs with 6 were variants of one design (smileys, buttons), pairs with fewer
mostly copies."""

MEAN = 0.03
"""Most that their mean colours differ, in each channel."""

SPREAD = (0.02, 0.2)
"""Most that their spreads differ: absolute, and as a share of the larger."""

FLAT = 0.01
"""Spread below which an image has nothing that a perceptual hash could see."""


class Alike(Struct, frozen=True):
    """Two or more images that are alike."""

    how: Literal["file", "pixels", "looks"]
    """What they share: all bytes, all pixels, or only the looks. Of images that share all pixels, only the
    first is in a group of `looks`."""
    names: tuple[str, ...]
    """In alphabetical order; of `looks`, the first is the one that the others are like."""


def duplicates(fingerprints: Mapping[str, Fingerprint]) -> list[Alike]:
    """Every group of images that are alike, by name; the same whatever order they come in."""
    by_pixels: dict[str, list[str]] = {}
    for name in sorted(fingerprints):
        by_pixels.setdefault(fingerprints[name].pixels, []).append(name)
    found = [_equal(fingerprints, names) for names in by_pixels.values() if len(names) > 1]
    firsts = [names[0] for names in by_pixels.values()]
    found += [Alike("looks", tuple(names)) for names in _look_alikes(fingerprints, firsts)]
    return sorted(found, key=lambda group: (group.names, group.how))


def _equal(fingerprints: Mapping[str, Fingerprint], names: list[str]) -> Alike:
    files = {fingerprints[name].file for name in names}
    return Alike("file" if len(files) == 1 else "pixels", tuple(names))


def _look_alikes(fingerprints: Mapping[str, Fingerprint], names: list[str]) -> Iterator[list[str]]:
    """Groups around a first one that all others are like: likeness isn't passed on from one to the next."""
    names = [name for name in names if fingerprints[name].spread >= FLAT]
    if len(names) < 2:
        return
    looks = _Looks([fingerprints[name] for name in names])
    free = np.ones(len(names), bool)
    for leader in range(len(names)):
        if not free[leader]:
            continue
        free[leader] = False
        near = looks.near(leader, free)
        if len(near):
            free[near] = False
            yield [names[leader], *(names[index] for index in near.tolist())]


class _Looks:
    """What is compared of many images; finds those that are near one without looking at all.

    Of five parts of a hash, four differing bits leave one untouched: whoever shares none needn't be compared.
    """

    def __init__(self, fingerprints: list[Fingerprint]) -> None:
        self._hashes = np.array([int(one.perceptual, 16) for one in fingerprints], np.uint64)
        self._ones = np.bitwise_count(self._hashes)
        self._means = np.array([one.mean for one in fingerprints], np.float32)
        self._spreads = np.array([one.spread for one in fingerprints], np.float32)
        self._parts = [self._sorted(low, high) for low, high in pairwise(_EDGES)]

    def near(self, index: int, among: NDArray[np.bool_]) -> NDArray[np.intp]:
        """The indices of those in `among` that look like one, ascending."""
        shared = [order[begins[index] : ends[index]] for order, begins, ends in self._parts]
        others = np.concatenate(shared)
        others = others[among[others] & (np.abs(self._means[others, 0] - self._means[index, 0]) <= MEAN)]
        # Of pictures that change along one side alone most bits are 0, and few differ in mirrored ones.
        few = (np.minimum(self._ones[others], self._ones[index]) + 7) // 8
        differing = np.bitwise_count(self._hashes[others] ^ self._hashes[index])
        others = others[differing <= np.minimum(few, BITS)]
        others = others[(np.abs(self._means[others] - self._means[index]) <= MEAN).all(axis=1)]
        spread, own = self._spreads[others], self._spreads[index]
        most = np.minimum(SPREAD[0], SPREAD[1] * np.maximum(spread, own))
        # What shares several parts came several times.
        near: NDArray[np.intp] = np.unique(others[np.abs(spread - own) <= most])
        return near

    def _sorted(self, low: int, high: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """All indices by one part of their hash; where the run of each one's equals begins and ends."""
        part = (self._hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(part, kind="stable")
        ranked = part[order]
        return order, np.searchsorted(ranked, part, "left"), np.searchsorted(ranked, part, "right")


_EDGES = [64 * part // (BITS + 1) for part in range(BITS + 2)]
