"""How right the model is on sources that nothing was learned or chosen from."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.texture.kinds import KINDS
from accel.texture.names import Cue, read_name
from accel.texture.sureness import Sureness
from accel.texture.vocabulary import vocabulary, worth_of_words
from tools.train import context, judging
from tools.train.judging import Floats, Mixture
from tools.train.learning import JUDGED_RARE, importance
from tools.train.projects import Taken, weighed
from tools.train.rows import UNLABELLED, Rows
from tools.train.words import count

INSTALLED = re.compile(r"^(?:usr/(?:share|lib)/(?:games/|[^/]+-linux-gnu/)?[^/]+|package)/")
"""Where registries install a package: no folder that artists chose."""


@dataclass
class Evidence:
    """What is known of each real texture, by models that hadn't learned from its source."""

    scores: NDArray[np.float32]
    """Textures x models x kinds."""
    kinds: NDArray[np.int64]
    """Index into KINDS, or UNLABELLED."""
    sources: NDArray[np.str_]
    paths: NDArray[np.str_]
    sizes: NDArray[np.int64]
    """Width and height, texels."""
    cues: list[list[Cue]]
    words: list[list[str]]
    """Of the paths."""

    def take(self, index: NDArray[Any]) -> Evidence:
        """Some of the textures."""
        places = np.flatnonzero(index) if index.dtype == bool else index
        return Evidence(
            self.scores[places], self.kinds[places], self.sources[places], self.paths[places],
            self.sizes[places], [self.cues[place] for place in places],
            [self.words[place] for place in places],
        )  # fmt: skip


@dataclass
class Judged:
    """Probabilities of kinds and what is advised, with what is true."""

    probabilities: Floats
    advised: NDArray[np.bool_]
    right_class: NDArray[np.bool_]
    right: NDArray[np.bool_]


@dataclass
class Evaluation:
    """All that the card tells."""

    evidence: Evidence
    pixels: Judged
    names: Judged
    pixels_in_context: Judged
    """By what the other labelled textures of the source are taken for."""
    names_in_context: Judged
    pixels_amid_all: Judged
    """By what all others are taken for, whether somebody labelled them or not: as an audit judges."""
    names_amid_all: Judged
    others: int
    """Textures that nobody labelled."""


def evidence_of(rows: Rows, scores: NDArray[np.float32]) -> Evidence:
    """With the cues of each name; what else is given of its folder are its siblings."""
    folders: dict[tuple[str, str], list[str]] = defaultdict(list)
    places = [
        (str(source), *_parts(str(path))) for source, path in zip(rows.sources, rows.paths, strict=True)
    ]
    for source, folder, name in places:
        folders[source, folder].append(name)
    cues = [
        read_name(f"{folder}/{name}", [one for one in folders[source, folder] if one != name])
        for source, folder, name in places
    ]
    words = [vocabulary(INSTALLED.sub("", f"{folder}/{name}")) for _, folder, name in places]
    return Evidence(scores, rows.kinds, rows.sources, rows.paths, _sizes(rows), cues, words)


def _sizes(rows: Rows) -> NDArray[np.int64]:
    # Features say them as logarithms of 32 bits, exact enough up to more than 65,535.
    columns = [rows.names.index(f"size.{side}") for side in ("width", "height")]
    return np.rint(np.exp2(rows.features[:, columns].astype(np.float64))).astype(np.int64)


def _parts(path: str) -> tuple[str, str]:
    whole = PurePosixPath(path.replace("!", "/"))
    return str(whole.parent), whole.name


def declared(evidence: Evidence) -> tuple[Mixture, dict[str, Any]]:
    """How scores are mixed, and the judgement that ships in the model."""
    weights = importance(evidence.kinds, evidence.sources, JUDGED_RARE)
    mixture = judging.mixture(evidence.scores, evidence.kinds, weights)
    by_pixels = mixture(evidence.scores)
    counts = count(evidence.words, evidence.kinds, evidence.sources)
    # Where words were counted on all sources but the texture's own: what they'd be worth for a new one.
    said = counts.without_own(evidence.words, evidence.sources)
    named = judging.names(by_pixels, evidence.cues, said, evidence.kinds, weights)
    told = judging.any_told(evidence.cues, said)
    with_names = np.exp(named(by_pixels, evidence.cues, said))
    limits = {
        "pixels": judging.thresholds(np.exp(by_pixels), evidence.kinds, weights),
        "names": judging.thresholds(with_names[told], evidence.kinds[told], weights[told]),
    }
    return mixture, {
        "cues": named.cues,
        "second": named.second,
        "words": counts.table(named.trust),
        "pixels": {"sharpness": 1.0, "thresholds": limits["pixels"]},
        "names": {"sharpness": named.sharpness, "thresholds": limits["names"]},
    }


def evaluate(evidence: Evidence, whole: Evidence, parts: int = 4) -> Evaluation:
    """Judges each part of the sources by what is declared from the others.

    `whole` has the same textures in the same order, and what else nobody labelled.
    """
    names = np.unique(evidence.sources)
    np.random.default_rng(3).shuffle(names)
    part_of = {str(name): place % parts for place, name in enumerate(names)}
    part, of_all = (np.array([part_of[str(one)] for one in each.sources]) for each in (evidence, whole))
    judged = [
        _judged(evidence.take(part != place), evidence.take(part == place), whole.take(of_all == place))
        for place in range(parts)
    ]
    order = np.argsort(np.concatenate([np.flatnonzero(part == place) for place in range(parts)]))
    joined = (_joined(list(one), order) for one in zip(*judged, strict=True))
    return Evaluation(evidence, *joined, others=len(whole.kinds) - len(evidence.kinds))


def _judged(known: Evidence, asked: Evidence, whole: Evidence) -> Iterator[Judged]:
    """By pixels and with names; both in context; both amid all."""
    mixture, declaration = declared(known)
    learned = context.experienced(taken(known))
    limits = [Sureness(1.0, declaration[one]["thresholds"]) for one in ("pixels", "names")]
    for one in _ways(mixture, declaration, asked):
        yield _advised(one.alone, one, *limits)
    for each in (asked, whole):
        for one in _ways(mixture, declaration, each):
            yield _advised(weighed(learned, one), one, learned.pixels, learned.names)


def _ways(mixture: Mixture, declaration: dict[str, Any], asked: Evidence) -> tuple[Taken, Taken]:
    """What textures are taken for alone by what was declared: by pixels, and with names."""
    by_pixels = mixture(asked.scores)
    named = judging.Names(declaration["cues"], declaration["second"], declaration["names"]["sharpness"])
    said = np.array([worth_of_words(one, declaration["words"]) for one in asked.words])
    told = judging.any_told(asked.cues, said)
    return (
        _taken(asked, np.exp(by_pixels), np.zeros_like(told)),
        _taken(asked, np.exp(named(by_pixels, asked.cues, said)), told),
    )


def _advised(shares: Floats, asked: Taken, pixels: Sureness, names: Sureness) -> Judged:
    """Of those that are labelled; advised by the limits for pixels where no name says anything."""
    of = asked.kinds != UNLABELLED
    silent, told = (
        _with_advice(shares[of], asked.kinds[of], dict(one.thresholds)) for one in (pixels, names)
    )
    told.advised = np.where(asked.named[of], told.advised, silent.advised)
    return told


def taken(evidence: Evidence) -> list[Taken]:
    """What textures are taken for alone, with names and by pixels, where words were counted without their
    own source."""
    weights = importance(evidence.kinds, evidence.sources, JUDGED_RARE)
    by_pixels = judging.mixture(evidence.scores, evidence.kinds, weights)(evidence.scores)
    said = count(evidence.words, evidence.kinds, evidence.sources).without_own(
        evidence.words, evidence.sources
    )
    named = judging.names(by_pixels, evidence.cues, said, evidence.kinds, weights)
    told = judging.any_told(evidence.cues, said)
    ways = (named(by_pixels, evidence.cues, said), told), (by_pixels, np.zeros_like(told))
    return [_taken(evidence, np.exp(logs), of) for logs, of in ways]


def _taken(evidence: Evidence, alone: Floats, named: NDArray[np.bool_]) -> Taken:
    return Taken(alone, evidence.kinds, evidence.sources, evidence.paths, evidence.sizes, named)


def _with_advice(probabilities: Floats, kinds: NDArray[np.int64], limits: dict[str, float]) -> Judged:
    advised, right_class = judging.advice(probabilities, kinds, limits)
    return Judged(probabilities, advised, right_class, probabilities.argmax(axis=1) == kinds)


def _joined(parts: list[Judged], order: NDArray[np.int64]) -> Judged:
    return Judged(
        *(
            np.concatenate([getattr(part, name) for part in parts])[order]
            for name in ("probabilities", "advised", "right_class", "right")
        )
    )


def confusion(judged: Judged, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Kinds as they are x kinds as they are judged."""
    found = np.zeros((len(KINDS), len(KINDS)), np.int64)
    np.add.at(found, (kinds, judged.probabilities.argmax(axis=1)), 1)
    return found


def calibration(judged: Judged, bins: int = 10) -> list[tuple[float, float, int]]:
    """Of textures with about equal confidence: its mean, how many of their kinds are right, their number."""
    confidence = judged.probabilities.max(axis=1)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        (
            float(confidence[place == one].mean()),
            float(judged.right[place == one].mean()),
            int((place == one).sum()),
        )
        for one in range(bins)
        if (place == one).any()
    ]


def calibration_error(judged: Judged) -> float:
    """The mean distance between confidence and share of right ones (ECE, 10 bins)."""
    bins = calibration(judged)
    return sum(abs(mean - right) * count for mean, right, count in bins) / sum(count for *_, count in bins)
