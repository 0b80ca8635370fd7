"""What further evidence is worth, and how sure is sure enough: estimated where the model hadn't learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from accel.texture.judge import doubted, worth_of
from accel.texture.kinds import CLASS_OF, KINDS
from accel.texture.names import Cue, Strength
from accel.texture.sureness import CLASSES

Floats = NDArray[np.floating[Any]]

_CLASS = np.array([CLASSES.index(CLASS_OF[kind]) for kind in KINDS])
_MEMBERS = np.eye(len(CLASSES))[_CLASS]

WRONG = 0.012
"""Share of wrong classes among what is advised, aimed at: 0.02 is asked for, and other sources differ."""

CUES = tuple(
    f"{source}.{strength}" for source in ("name", "siblings", "folder") for strength in get_args(Strength)
)
_STRONGEST = 8.0
SPECIAL = 0.003
"""How strongly what a cue is worth for one kind is held to what it is worth in general."""
ENOUGH = 12
"""Cues for a kind, from which it has a worth of its own."""


@dataclass(frozen=True)
class Mixture:
    """How scores of several models become one: each is multiplied, and every kind has an offset."""

    factors: NDArray[np.float32]
    offsets: NDArray[np.float32]

    def __call__(self, scores: Floats) -> Floats:
        """Logarithms of probabilities from rows x models x kinds."""
        return log_softmax(np.tensordot(scores, self.factors, (1, 0)) + self.offsets)


def mixture(scores: Floats, kinds: NDArray[np.int64], weights: Floats) -> Mixture:
    """The most likely one; the offsets are held near 0."""
    given = torch.from_numpy(np.asarray(scores, np.float32))
    factors = torch.full((given.shape[1],), 1 / given.shape[1], requires_grad=True)
    offsets = torch.zeros(given.shape[2], requires_grad=True)

    def loss() -> torch.Tensor:
        mixed = torch.tensordot(given, factors, ([1], [0])) + offsets
        return _loss(mixed, kinds, weights) + 0.002 * (offsets**2).sum()

    _minimise(loss, [factors, offsets])
    return Mixture(factors.detach().numpy(), offsets.detach().numpy())


@dataclass(frozen=True)
class Names:
    """What cues of names and the words of paths are worth."""

    cues: dict[str, float]
    second: float
    sharpness: float
    trust: float = 1.0
    """What that of words is multiplied with."""

    def __call__(self, logs: Floats, cues: Sequence[Sequence[Cue]], said: Floats) -> Floats:
        """Logarithms of probabilities, where cues and what words say (rows x kinds) are added to pixels."""
        worth = np.array([[worth_of(self.cues, name, kind) for kind in KINDS] for name in CUES])
        first, later = indicators(cues)
        raised = np.log(doubted(np.exp(logs))) + np.einsum("cj,ncjk->nk", worth, first + self.second * later)
        raised += self.trust * said
        told = any_told(cues, said)
        return log_softmax(np.where(told[:, None], raised * self.sharpness, logs))


def any_told(cues: Sequence[Sequence[Cue]], said: Floats) -> NDArray[np.bool_]:
    """Whether the name of each says anything."""
    found: NDArray[np.bool_] = np.array([bool(one) for one in cues]) | said.any(axis=1)
    return found


def names(
    logs: Floats, cues: Sequence[Sequence[Cue]], said: Floats, kinds: NDArray[np.int64], weights: Floats
) -> Names:
    """The most likely worth of cues, held near a guess (few sources show some of them), and of words."""
    told = any_told(cues, said)
    by_words = torch.from_numpy(said[told].astype(np.float32))
    trust = torch.tensor(0.5, requires_grad=True)
    first, later = (torch.from_numpy(one[told].astype(np.float32)) for one in indicators(cues))
    given = torch.from_numpy(np.log(doubted(np.exp(logs[told]))).astype(np.float32))
    worth = torch.full((len(CUES),), 2.0, requires_grad=True)
    special = torch.zeros((len(CUES), len(KINDS)), requires_grad=True)
    second = torch.tensor(0.5, requires_grad=True)
    sharpness = torch.tensor(1.0, requires_grad=True)

    def loss() -> torch.Tensor:
        both = worth[:, None] + special
        raised = given + torch.einsum("cj,ncjk->nk", both, first + second * later) + trust * by_words
        held = 0.001 * ((worth - 2) ** 2).sum() + 0.01 * (second - 0.5) ** 2 + SPECIAL * (special**2).sum()
        return _loss(raised * sharpness, kinds[told], weights[told]) + held

    _minimise(loss, [worth, special, second, sharpness, trust])
    base = worth.detach().numpy()
    by_kind = base[:, None] + special.detach().numpy()
    seen = first.sum((0, 3)).numpy() >= ENOUGH
    table = {name: float(one) for name, one in zip(CUES, base, strict=True)}
    table |= {f"{CUES[cue]}.{KINDS[kind]}": float(by_kind[cue, kind]) for cue, kind in np.argwhere(seen)}
    return Names(
        {name: round(float(np.clip(one, 0, _STRONGEST)), 2) for name, one in table.items()},
        round(float(second.detach().clamp(0, 1)), 3),
        round(float(sharpness.detach()), 3),
        round(float(trust.detach().clamp(0, 1)), 3),
    )


def indicators(cues: Sequence[Sequence[Cue]]) -> tuple[Floats, Floats]:
    """Rows x cues x first kinds x kinds: 1 for a cue's first kind, and 1 for its further ones."""
    first = np.zeros((len(cues), len(CUES), len(KINDS), len(KINDS)), np.float32)
    later = np.zeros_like(first)
    for row, found in enumerate(cues):
        for cue in found:
            place = CUES.index(f"{cue.source}.{cue.strength}"), KINDS.index(cue.kinds[0])
            for number, kind in enumerate(cue.kinds):
                (later if number else first)[row, *place, KINDS.index(kind)] += 1
    return first, later


def thresholds(probabilities: Floats, kinds: NDArray[np.int64], weights: Floats) -> dict[str, float]:
    """By class: above it, no more than WRONG of all that is advised are wrong, with most advised.

    For one price of an error, each class has the threshold that gains most; the price is raised until
    few enough are wrong. Half an error is added to each class, so that rare ones aren't trusted blindly.
    """
    shares, advised, right = _advised(probabilities, kinds)
    price, found = 5.0, dict.fromkeys(CLASSES, 2.0)
    while price < 1000:
        found = {
            name: _best(shares[advised == place], right[advised == place], weights[advised == place], price)
            for place, name in enumerate(CLASSES)
        }
        sure = shares >= np.array([found[name] for name in CLASSES])[advised]
        if (weights * (sure & ~right)).sum() <= WRONG * (weights * sure).sum():
            break
        price *= 1.1
    return found


def _best(shares: Floats, right: NDArray[np.bool_], weights: Floats, price: float) -> float:
    if not len(shares):
        return 2.0
    order = np.argsort(-shares)
    gained = np.cumsum((weights * np.where(right, 1.0, 1.0 - price))[order]) - 0.5 * price * weights.mean()
    if gained.max() <= 0:
        return 2.0
    last = int(gained.argmax())
    below = shares[order[last + 1]] if last + 1 < len(order) else 0.0
    return round(float((shares[order[last]] + max(below, shares[order[last]] - 0.02)) / 2), 4)


def advice(probabilities: Floats, kinds: NDArray[np.int64], limits: dict[str, float]) -> tuple[Any, Any]:
    """Which are advised, and which have the right class."""
    shares, advised, right = _advised(probabilities, kinds)
    return shares >= np.array([limits[name] for name in CLASSES])[advised], right


def _advised(probabilities: Floats, kinds: NDArray[np.int64]) -> tuple[Floats, Any, Any]:
    shares = probabilities @ _MEMBERS
    best = _CLASS[probabilities.argmax(axis=1)]
    share = shares[np.arange(len(shares)), best]
    # Where another class as a whole is likelier, none is advised.
    return np.where(share >= shares.max(axis=1), share, 0.0), best, best == _CLASS[kinds]


def log_softmax(scores: Floats) -> Floats:
    """Logarithms of probabilities."""
    centred = scores - scores.max(axis=1, keepdims=True)
    found: Floats = centred - np.log(np.exp(centred).sum(axis=1, keepdims=True))
    return found


def _loss(scores: torch.Tensor, kinds: NDArray[np.int64], weights: Floats) -> torch.Tensor:
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
