"""What words of paths are worth, counted by sources: how many of those that have a kind name it so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accel.texture.kinds import KINDS
from accel.texture.vocabulary import known

Floats = NDArray[np.float64]

FEWEST = 3
"""Sources that must use a word: what fewer use may be of a single project."""
HELD = 5.0
"""Sources that are added to those counted, in which a word says nothing."""


@dataclass
class Counts:
    """How many sources use a word for a kind; one that does for a part of its textures counts by that."""

    kinds: Floats
    """Sources that have a kind."""
    words: dict[str, Floats]
    """For each word, sources that use it, by kind."""
    users: dict[str, int]
    """For each word, sources that use it for anything."""
    shares: dict[str, dict[str, Floats]]
    """For each source and word, what it adds to `words`."""
    has: dict[str, Floats]
    """For each source, 1 for the kinds that it has."""

    def table(self, trust: float) -> dict[str, list[float]]:
        """What each word is worth, trusted so far."""
        return {
            word: [round(float(one), 2) for one in trust * _ratios(counts, self.kinds)]
            for word, counts in sorted(self.words.items())
            if self.users[word] >= FEWEST
        }

    def without_own(self, words: Sequence[Sequence[str]], sources: NDArray[np.str_]) -> Floats:
        """What the words of each texture are worth together by all sources but its own: rows x kinds."""
        kept = {str(source): self._by_others(str(source)) for source in np.unique(sources)}
        pairs = zip(map(str, sources), words, strict=True)
        return np.array([self._without(source, known(found, kept[source])) for source, found in pairs])

    def _by_others(self, source: str) -> set[str]:
        own = self.shares[source]
        return {word for word, users in self.users.items() if users - (word in own) >= FEWEST}

    def _without(self, source: str, words: Sequence[str]) -> Floats:
        own, total = self.shares[source], np.zeros(len(KINDS))
        for word in words:
            total += _ratios(self.words[word] - own.get(word, 0.0), self.kinds - self.has[source])
        return total


def count(words: Sequence[Sequence[str]], kinds: NDArray[np.int64], sources: NDArray[np.str_]) -> Counts:
    """Counts the words of textures' paths."""
    sizes = {
        str(source): np.bincount(kinds[sources == source], minlength=len(KINDS))
        for source in np.unique(sources)
    }
    shares: dict[str, dict[str, Floats]] = {source: {} for source in sizes}
    for found, kind, source in zip(words, kinds, map(str, sources), strict=True):
        for word in found:
            share = shares[source].setdefault(word, np.zeros(len(KINDS)))
            share[kind] += 1 / sizes[source][kind]
    has = {source: (size > 0).astype(float) for source, size in sizes.items()}
    total: dict[str, Floats] = defaultdict(lambda: np.zeros(len(KINDS)))
    users: dict[str, int] = defaultdict(int)
    for own in shares.values():
        for word, share in own.items():
            total[word] = total[word] + share
            users[word] += 1
    return Counts(np.sum(list(has.values()), axis=0), dict(total), dict(users), shares, has)


def _ratios(counts: Floats, kinds: Floats) -> Floats:
    usual = counts.sum() / kinds.sum()
    found: Floats = np.log((counts + HELD * usual) / (kinds + HELD)) - np.log(usual)
    return found
