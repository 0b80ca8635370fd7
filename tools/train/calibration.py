"""Fits how scores become probabilities, how much names count, and the confidence thresholds for advice.

Everything is fitted on scores of classifiers that weren't trained on the texture's source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from accel.texture.judgement import allow_doubt, cue_weight
from accel.texture.kinds import CLASS_OF, LEARNED_KINDS
from accel.texture.model import CLASSES
from accel.texture.naming import Cue, Strength

Floats = NDArray[np.floating[Any]]

_CLASS = np.array([CLASSES.index(CLASS_OF[kind]) for kind in LEARNED_KINDS])
_MEMBERS = np.eye(len(CLASSES))[_CLASS]

MAX_WRONG = 0.012
"""Target share of wrong classes in what is advised. The requirement is 0.02; new sources will be harder."""

CUES = tuple(
    f"{source}.{strength}" for source in ("name", "siblings", "folder") for strength in get_args(Strength)
)
_MAX_WEIGHT = 8.0
USUAL_WEIGHT = 2.0
"""The prior weight of a cue."""
KIND_PENALTY = 0.003
"""Regularisation of a cue's weight for one kind towards its weight for all kinds."""
MIN_CUES = 12
"""Occurrences of a cue for a kind that give it a weight of its own there."""


@dataclass(frozen=True)
class Mixture:
    """Combines the scores of several models: a factor for each model and an offset for each kind."""

    factors: NDArray[np.float32]
    offsets: NDArray[np.float32]

    def __call__(self, scores: Floats) -> Floats:
        """Returns log probabilities of rows x models x kinds."""
        return log_softmax(np.tensordot(scores, self.factors, (1, 0)) + self.offsets)


def fit_mixture(scores: Floats, kinds: NDArray[np.int64], weights: Floats) -> Mixture:
    """Fits a mixture by maximum likelihood, with offsets regularised towards 0."""
    inputs = torch.from_numpy(np.asarray(scores, np.float32))
    factors = torch.full((inputs.shape[1],), 1 / inputs.shape[1], requires_grad=True)
    offsets = torch.zeros(inputs.shape[2], requires_grad=True)

    def loss() -> torch.Tensor:
        mixed = torch.tensordot(inputs, factors, ([1], [0])) + offsets
        return _cross_entropy(mixed, kinds, weights) + 0.002 * (offsets**2).sum()

    _minimise(loss, [factors, offsets])
    return Mixture(factors.detach().numpy(), offsets.detach().numpy())


@dataclass(frozen=True)
class NameModel:
    """How much the cues of names and the words of paths change probabilities by pixels."""

    cues: dict[str, float]
    second: float
    """Factor for the further kinds of a cue."""
    sharpness: float
    trust: float = 1.0
    """Factor for the log ratios of words."""

    def __call__(self, logs: Floats, cues: Sequence[Sequence[Cue]], word_ratios: Floats) -> Floats:
        """Returns log probabilities: those by pixels, `logs`, with cues and the log ratios of words added."""
        weights = np.array([[cue_weight(self.cues, name, kind) for kind in LEARNED_KINDS] for name in CUES])
        first, later = indicators(cues)
        sums = np.log(allow_doubt(np.exp(logs))) + np.einsum(
            "cj,ncjk->nk", weights, first + self.second * later
        )
        sums += self.trust * word_ratios
        named = has_name_evidence(cues, word_ratios)
        return log_softmax(np.where(named[:, None], sums * self.sharpness, logs))


def has_name_evidence(cues: Sequence[Sequence[Cue]], word_ratios: Floats) -> NDArray[np.bool_]:
    """Whether each texture's name or path has a cue or a counted word."""
    named: NDArray[np.bool_] = np.array([bool(found) for found in cues]) | word_ratios.any(axis=1)
    return named


def fit_names(
    logs: Floats,
    cues: Sequence[Sequence[Cue]],
    word_ratios: Floats,
    kinds: NDArray[np.int64],
    weights: Floats,
    prior: NameModel | None = None,
) -> NameModel:
    """Fits the weights of cues and words by maximum likelihood.

    They are regularised towards a prior, as few sources contain some of the cues.
    """
    start = prior or NameModel({}, 0.5, 1.0, 0.5)
    usual = [start.cues.get(name, USUAL_WEIGHT) for name in CUES]
    particular = [
        [start.cues.get(f"{name}.{kind}", weight) - weight for kind in LEARNED_KINDS]
        for name, weight in zip(CUES, usual, strict=True)
    ]
    named = has_name_evidence(cues, word_ratios)
    by_words = torch.from_numpy(word_ratios[named].astype(np.float32))
    trust = torch.tensor(start.trust, requires_grad=True)
    first, later = (torch.from_numpy(each[named].astype(np.float32)) for each in indicators(cues))
    by_pixels = torch.from_numpy(np.log(allow_doubt(np.exp(logs[named]))).astype(np.float32))
    before, apart = torch.tensor(usual), torch.tensor(particular)
    general, special = before.clone().requires_grad_(), apart.clone().requires_grad_()
    second = torch.tensor(start.second, requires_grad=True)
    sharpness = torch.tensor(start.sharpness, requires_grad=True)

    def loss() -> torch.Tensor:
        both = general[:, None] + special
        sums = by_pixels + torch.einsum("cj,ncjk->nk", both, first + second * later) + trust * by_words
        penalty = (
            0.001 * ((general - before) ** 2).sum() + 0.01 * (second - start.second) ** 2
            + KIND_PENALTY * ((special - apart) ** 2).sum()
        )  # fmt: skip
        return _cross_entropy(sums * sharpness, kinds[named], weights[named]) + penalty

    _minimise(loss, [general, special, second, sharpness, trust])
    base = general.detach().numpy()
    by_kind = base[:, None] + special.detach().numpy()
    frequent = first.sum((0, 3)).numpy() >= MIN_CUES
    table = {name: float(weight) for name, weight in zip(CUES, base, strict=True)}
    table |= {
        f"{CUES[cue]}.{LEARNED_KINDS[kind]}": float(by_kind[cue, kind]) for cue, kind in np.argwhere(frequent)
    }
    kept = {name: weight for name, weight in start.cues.items() if name not in table}
    return NameModel(
        kept | {name: round(float(np.clip(weight, 0, _MAX_WEIGHT)), 2) for name, weight in table.items()},
        round(float(second.detach().clamp(0, 1)), 3),
        round(float(sharpness.detach()), 3),
        round(float(trust.detach().clamp(0, 1)), 3),
    )


def indicators(cues: Sequence[Sequence[Cue]]) -> tuple[Floats, Floats]:
    """Returns rows x cues x first kinds x kinds: counts of a cue's first kind, and of its further ones."""
    first = np.zeros((len(cues), len(CUES), len(LEARNED_KINDS), len(LEARNED_KINDS)), np.float32)
    later = np.zeros_like(first)
    for row, found in enumerate(cues):
        for cue in found:
            place = CUES.index(f"{cue.source}.{cue.strength}"), LEARNED_KINDS.index(cue.kinds[0])
            for number, kind in enumerate(cue.kinds):
                (later if number else first)[row, *place, LEARNED_KINDS.index(kind)] += 1
    return first, later


def thresholds(probabilities: Floats, kinds: NDArray[np.int64], weights: Floats) -> dict[str, float]:
    """Returns the threshold of each class that advises most with at most MAX_WRONG of it wrong.

    For a given cost of an error, each class has one best threshold; the cost rises until few enough are
    wrong. Half an error is added to each class, so that rare ones aren't trusted blindly.
    """
    confidence, best, right = _best_class(probabilities, kinds)
    cost, found = 5.0, dict.fromkeys(CLASSES, 2.0)
    while cost < 1000:
        found = {
            name: _threshold(confidence[best == place], right[best == place], weights[best == place], cost)
            for place, name in enumerate(CLASSES)
        }
        advised = confidence >= np.array([found[name] for name in CLASSES])[best]
        if (weights * (advised & ~right)).sum() <= MAX_WRONG * (weights * advised).sum():
            break
        cost *= 1.1
    return found


def _threshold(confidence: Floats, right: NDArray[np.bool_], weights: Floats, cost: float) -> float:
    if not len(confidence):
        return 2.0
    order = np.argsort(-confidence)
    gain = np.cumsum((weights * np.where(right, 1.0, 1.0 - cost))[order]) - 0.5 * cost * weights.mean()
    if gain.max() <= 0:
        return 2.0
    last = int(gain.argmax())
    below = confidence[order[last + 1]] if last + 1 < len(order) else 0.0
    return round(
        float((confidence[order[last]] + max(below, confidence[order[last]] - 0.02)) / 2), 4
    )  # fmt: skip


def advice(
    probabilities: Floats, kinds: NDArray[np.int64], limits: dict[str, float]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Returns whether each texture is advised, and whether its class is right."""
    confidence, best, right = _best_class(probabilities, kinds)
    return confidence >= np.array([limits[name] for name in CLASSES])[best], right


def _best_class(probabilities: Floats, kinds: NDArray[np.int64]) -> tuple[Floats, Any, Any]:
    """Returns the confidence in the class of the likeliest kind, that class, and whether it is right."""
    shares = probabilities @ _MEMBERS
    best = _CLASS[probabilities.argmax(axis=1)]
    share = shares[np.arange(len(shares)), best]
    # If another class as a whole is likelier, nothing is advised.
    return np.where(share >= shares.max(axis=1), share, 0.0), best, best == _CLASS[kinds]


def log_softmax(scores: Floats) -> Floats:
    """Returns log probabilities of rows of scores."""
    centred = scores - scores.max(axis=1, keepdims=True)
    logs: Floats = centred - np.log(np.exp(centred).sum(axis=1, keepdims=True))
    return logs


def _cross_entropy(scores: torch.Tensor, kinds: NDArray[np.int64], weights: Floats) -> torch.Tensor:
    losses = torch.nn.functional.cross_entropy(scores, torch.from_numpy(kinds), reduction="none")
    weight = torch.from_numpy(np.asarray(weights, np.float32))
    return (losses * weight).sum() / weight.sum()


def _minimise(loss: Callable[[], torch.Tensor], parameters: list[torch.Tensor]) -> None:
    optimiser = torch.optim.LBFGS(parameters, max_iter=200, line_search_fn="strong_wolfe")

    def step() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(step)
