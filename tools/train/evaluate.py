"""Measures accuracy on sources that nothing was trained on or chosen by."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.texture.judgement import weigh_words
from accel.texture.kinds import LEARNED_KINDS
from accel.texture.model import Thresholds
from accel.texture.naming import Cue, read_name, vocabulary
from tools.train import calibration, context
from tools.train.calibration import Floats, Mixture
from tools.train.context import Predictions, predict_in_context
from tools.train.rows import CALIBRATION_BALANCE, UNLABELLED, Rows, sample_weights
from tools.train.word_weights import count_words

INSTALL_PREFIX = re.compile(r"^(?:usr/(?:share|lib)/(?:games/|[^/]+-linux-gnu/)?[^/]+|package)/")
"""The folders that a registry adds to a package's paths; artists didn't choose them."""


@dataclass
class Evidence:
    """Everything known about real textures; scores are out of fold."""

    scores: NDArray[np.float32]
    """Textures x models x kinds."""
    kinds: NDArray[np.int64]
    """Index into LEARNED_KINDS, or UNLABELLED."""
    sources: NDArray[np.str_]
    paths: NDArray[np.str_]
    sizes: NDArray[np.int64]
    """Width and height, texels."""
    cues: list[list[Cue]]
    words: list[list[str]]
    """The words of the path."""

    def take(self, index: NDArray[Any]) -> Evidence:
        """Returns the selected textures."""
        places = np.flatnonzero(index) if index.dtype == bool else index
        return Evidence(
            self.scores[places], self.kinds[places], self.sources[places], self.paths[places],
            self.sizes[places], [self.cues[place] for place in places],
            [self.words[place] for place in places],
        )  # fmt: skip


@dataclass
class Outcome:
    """Probabilities of kinds and whether each texture is advised, compared with its label."""

    probabilities: Floats
    advised: NDArray[np.bool_]
    right_class: NDArray[np.bool_]
    right: NDArray[np.bool_]


@dataclass
class Evaluation:
    """Everything that the model card reports."""

    evidence: Evidence
    pixels: Outcome
    names: Outcome
    pixels_in_context: Outcome
    """In the context of the source's labelled textures."""
    names_in_context: Outcome
    pixels_in_package: Outcome
    """In the context of the source's labelled and unlabelled textures, as in an audit."""
    names_in_package: Outcome
    unlabelled: int
    """Number of unlabelled textures."""


def collect_evidence(rows: Rows, scores: NDArray[np.float32]) -> Evidence:
    """Adds the cues of each name; the siblings of a texture are the other rows of its folder."""
    folders: dict[tuple[str, str], list[str]] = defaultdict(list)
    places = [
        (str(source), *_split(str(path))) for source, path in zip(rows.sources, rows.paths, strict=True)
    ]
    for source, folder, name in places:
        folders[source, folder].append(name)
    cues = [
        read_name(f"{folder}/{name}", [other for other in folders[source, folder] if other != name])
        for source, folder, name in places
    ]
    words = [vocabulary(INSTALL_PREFIX.sub("", f"{folder}/{name}")) for _, folder, name in places]
    return Evidence(scores, rows.kinds, rows.sources, rows.paths, _sizes(rows), cues, words)


def _sizes(rows: Rows) -> NDArray[np.int64]:
    # The features are 32-bit logarithms, exact enough for sides beyond 65,535.
    columns = [rows.names.index(f"size.{side}") for side in ("width", "height")]
    return np.rint(np.exp2(rows.features[:, columns].astype(np.float64))).astype(np.int64)


def _split(path: str) -> tuple[str, str]:
    whole = PurePosixPath(path.replace("!", "/"))
    return str(whole.parent), whole.name


def fit(evidence: Evidence) -> tuple[Mixture, dict[str, Any]]:
    """Returns the mixture of scores, and the judgement that is stored in the model."""
    weights = sample_weights(evidence.kinds, evidence.sources, CALIBRATION_BALANCE)
    mixture = calibration.fit_mixture(evidence.scores, evidence.kinds, weights)
    by_pixels = mixture(evidence.scores)
    counts = count_words(evidence.words, evidence.kinds, evidence.sources)
    # Counted without the texture's own source: what the words of a new source would say.
    word_ratios = counts.leave_one_out(evidence.words, evidence.sources)
    names = calibration.fit_names(by_pixels, evidence.cues, word_ratios, evidence.kinds, weights)
    named = calibration.has_name_evidence(evidence.cues, word_ratios)
    with_names = np.exp(names(by_pixels, evidence.cues, word_ratios))
    limits = {
        "pixels": calibration.thresholds(np.exp(by_pixels), evidence.kinds, weights),
        "names": calibration.thresholds(with_names[named], evidence.kinds[named], weights[named]),
    }
    return mixture, {
        "cues": names.cues,
        "second": names.second,
        "words": counts.table(names.trust),
        "pixels": {"sharpness": 1.0, "thresholds": limits["pixels"]},
        "names": {"sharpness": names.sharpness, "thresholds": limits["names"]},
    }


def predict_out_of_source(evidence: Evidence) -> list[Predictions]:
    """Returns predictions without context, with names and by pixels; words of a texture's own source don't
    count."""
    weights = sample_weights(evidence.kinds, evidence.sources, CALIBRATION_BALANCE)
    by_pixels = calibration.fit_mixture(evidence.scores, evidence.kinds, weights)(evidence.scores)
    counts = count_words(evidence.words, evidence.kinds, evidence.sources)
    word_ratios = counts.leave_one_out(evidence.words, evidence.sources)
    names = calibration.fit_names(by_pixels, evidence.cues, word_ratios, evidence.kinds, weights)
    named = calibration.has_name_evidence(evidence.cues, word_ratios)
    return [
        _predictions(evidence, np.exp(names(by_pixels, evidence.cues, word_ratios)), named),
        _predictions(evidence, np.exp(by_pixels), np.zeros_like(named)),
    ]


def evaluate(evidence: Evidence, whole: Evidence, parts: int = 4) -> Evaluation:
    """Evaluates each part of the sources with everything fitted on the others.

    `whole` has the same textures in the same order, and the unlabelled ones.
    """
    names = np.unique(evidence.sources)
    np.random.default_rng(3).shuffle(names)
    part_of = {str(name): place % parts for place, name in enumerate(names)}
    part, of_all = (np.array([part_of[str(source)] for source in each.sources]) for each in (evidence, whole))
    outcomes = [
        _evaluate_part(
            evidence.take(part != place), evidence.take(part == place), whole.take(of_all == place)
        )
        for place in range(parts)
    ]
    order = np.argsort(np.concatenate([np.flatnonzero(part == place) for place in range(parts)]))
    joined = (_join(list(of_parts), order) for of_parts in zip(*outcomes, strict=True))
    return Evaluation(evidence, *joined, unlabelled=len(whole.kinds) - len(evidence.kinds))


def _evaluate_part(known: Evidence, tested: Evidence, whole: Evidence) -> Iterator[Outcome]:
    """Yields outcomes by pixels and with names: without context, in context, and in the whole package."""
    mixture, judgement = fit(known)
    model = context.train(predict_out_of_source(known), calibration.thresholds)
    limits = [Thresholds(1.0, judgement[name]["thresholds"]) for name in ("pixels", "names")]
    for each in _predict(mixture, judgement, tested):
        yield _outcome(each.probabilities, each, *limits)
    for evidence in (tested, whole):
        for each in _predict(mixture, judgement, evidence):
            yield _outcome(predict_in_context(model, each), each, model.pixels, model.names)


def _predict(
    mixture: Mixture, judgement: dict[str, Any], tested: Evidence
) -> tuple[Predictions, Predictions]:
    """Returns predictions without context: by pixels, and with names."""
    by_pixels = mixture(tested.scores)
    names = calibration.NameModel(judgement["cues"], judgement["second"], judgement["names"]["sharpness"])
    word_ratios = np.array([weigh_words(words, judgement["words"]) for words in tested.words])
    named = calibration.has_name_evidence(tested.cues, word_ratios)
    return (
        _predictions(tested, np.exp(by_pixels), np.zeros_like(named)),
        _predictions(tested, np.exp(names(by_pixels, tested.cues, word_ratios)), named),
    )


def _predictions(evidence: Evidence, probabilities: Floats, named: NDArray[np.bool_]) -> Predictions:
    return Predictions(
        probabilities, evidence.kinds, evidence.sources, evidence.paths, evidence.sizes, named
    )  # fmt: skip


def _outcome(probabilities: Floats, tested: Predictions, pixels: Thresholds, names: Thresholds) -> Outcome:
    """Compares labelled textures with their labels; thresholds for pixels apply if names aren't evidence."""
    labelled = tested.kinds != UNLABELLED
    probabilities, kinds = probabilities[labelled], tested.kinds[labelled]
    by_pixels, right_class = calibration.advice(probabilities, kinds, dict(pixels.thresholds))
    by_names, _ = calibration.advice(probabilities, kinds, dict(names.thresholds))
    advised = np.where(tested.named[labelled], by_names, by_pixels)
    return Outcome(probabilities, advised, right_class, probabilities.argmax(axis=1) == kinds)


def _join(parts: list[Outcome], order: NDArray[np.int64]) -> Outcome:
    return Outcome(
        *(
            np.concatenate([getattr(part, name) for part in parts])[order]
            for name in ("probabilities", "advised", "right_class", "right")
        )
    )


def confusion_matrix(outcome: Outcome, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns counts of true kinds x predicted kinds."""
    counts = np.zeros((len(LEARNED_KINDS), len(LEARNED_KINDS)), np.int64)
    np.add.at(counts, (kinds, outcome.probabilities.argmax(axis=1)), 1)
    return counts


def calibration_curve(outcome: Outcome, bins: int = 10) -> list[tuple[float, float, int]]:
    """Returns for each occupied bin of confidence: its mean, the share of right kinds, the textures in it."""
    confidence = outcome.probabilities.max(axis=1)
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        (float(confidence[inside].mean()), float(outcome.right[inside].mean()), int(inside.sum()))
        for inside in (bin_of == place for place in range(bins))
        if inside.any()
    ]


def calibration_error(outcome: Outcome) -> float:
    """Returns the expected calibration error (ECE, 10 bins): the mean gap of confidence and accuracy."""
    curve = calibration_curve(outcome)
    return sum(abs(mean - right) * count for mean, right, count in curve) / sum(count for *_, count in curve)
