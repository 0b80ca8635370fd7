"""Log likelihood ratios of the words in paths, counted by source: how many sources with a kind use a word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accel.texture.kinds import LEARNED_KINDS
from accel.texture.naming import known_words

Floats = NDArray[np.float64]

MIN_SOURCES = 3
"""Sources that must use a word: a rarer one may be specific to a single project."""
SMOOTHING = 5.0
"""Sources added to the counts in which the word is as frequent for every kind."""


@dataclass
class WordCounts:
    """How many sources use a word for a kind. A source counts by the share of its textures that do."""

    kinds: Floats
    """Number of sources with a kind."""
    words: dict[str, Floats]
    """By word, sources that use it for each kind."""
    users: dict[str, int]
    """By word, sources that use it for anything."""
    shares: dict[str, dict[str, Floats]]
    """By source and word, the source's part of `words`."""
    has: dict[str, Floats]
    """By source, 1 for each kind that it has."""

    def table(self, trust: float) -> dict[str, list[float]]:
        """Returns the log ratio of each word for each kind, multiplied by `trust`."""
        return {
            word: [round(float(ratio), 2) for ratio in trust * _log_ratios(counts, self.kinds)]
            for word, counts in sorted(self.words.items())
            if self.users[word] >= MIN_SOURCES
        }

    def leave_one_out(self, words: Sequence[Sequence[str]], sources: NDArray[np.str_]) -> Floats:
        """Returns the sum of log ratios for each texture, counted without its own source: rows x kinds."""
        usable = {str(source): self._used_by_others(str(source)) for source in np.unique(sources)}
        pairs = zip(map(str, sources), words, strict=True)
        return np.array(
            [self._without(source, known_words(found, usable[source])) for source, found in pairs]
        )

    def _used_by_others(self, source: str) -> set[str]:
        own = self.shares[source]
        return {word for word, users in self.users.items() if users - (word in own) >= MIN_SOURCES}

    def _without(self, source: str, words: Sequence[str]) -> Floats:
        own, total = self.shares[source], np.zeros(len(LEARNED_KINDS))
        for word in words:
            total += _log_ratios(self.words[word] - own.get(word, 0.0), self.kinds - self.has[source])
        return total


def count_words(
    words: Sequence[Sequence[str]], kinds: NDArray[np.int64], sources: NDArray[np.str_]
) -> WordCounts:
    """Counts the words of textures' paths."""
    sizes = {
        str(source): np.bincount(kinds[sources == source], minlength=len(LEARNED_KINDS))
        for source in np.unique(sources)
    }
    shares: dict[str, dict[str, Floats]] = {source: {} for source in sizes}
    for found, kind, source in zip(words, kinds, map(str, sources), strict=True):
        for word in found:
            share = shares[source].setdefault(word, np.zeros(len(LEARNED_KINDS)))
            share[kind] += 1 / sizes[source][kind]
    has = {source: (size > 0).astype(float) for source, size in sizes.items()}
    total: dict[str, Floats] = defaultdict(lambda: np.zeros(len(LEARNED_KINDS)))
    users: dict[str, int] = defaultdict(int)
    for own in shares.values():
        for word, share in own.items():
            total[word] = total[word] + share
            users[word] += 1
    return WordCounts(np.sum(list(has.values()), axis=0), dict(total), dict(users), shares, has)


def _log_ratios(counts: Floats, kinds: Floats) -> Floats:
    overall = counts.sum() / kinds.sum()
    ratios: Floats = np.log((counts + SMOOTHING * overall) / (kinds + SMOOTHING)) - np.log(overall)
    return ratios
