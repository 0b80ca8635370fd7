"""Adjusts classifications by the other textures of the project."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from accel.image.records import Inspection
from accel.text import text
from accel.texture.kinds import CLASS_OF, KINDS, LEARNED_KINDS, Classification, Evidence
from accel.texture.model import (
    CLASSES,
    Thresholds,
    Trees,
    from_arrays,
    is_confident,
    needed_share,
    weights_by_kind,
)
from accel.texture.verdict import NAMING, classification, conclude, log_ratios, pin
from accel.workload import WorkloadError

LEVELS = ("project", "folder", "beside")
"""The textures that count: of the project, of the folder, and directly in the folders beside it. The
project's root counts as a folder beside its own folders."""

COUNTED = LEVELS[:2]
"""Levels at which textures of the same size are counted: map tiles or icons have one size, paintings
rarely."""

Sums = NDArray[np.int64]
Size = tuple[int, int]
"""Width and height, texels."""
Place = tuple[str, str]
"""A level and a folder below the project's root."""


class Neighbours:
    """Sums of probabilities by project and folder, as integers, which don't depend on the order."""

    def __init__(self) -> None:
        self._sums: dict[Place, Sums] = {}
        self._counts: dict[Place, int] = {}
        self._size_counts: dict[tuple[Place, Size], int] = {}
        self.count = 0

    def add(self, file: str, size: Size, portions: Sums) -> None:
        """Adds a texture; `file` is relative to the project's root, with forward slashes."""
        self.count += 1
        for key in _size_keys(file, size):
            self._size_counts[key] = self._size_counts.get(key, 0) + 1
        for place in place_names(file):
            self._counts[place] = self._counts.get(place, 0) + 1
            if place in self._sums:
                self._sums[place] += portions
            else:
                self._sums[place] = portions.copy()

    def remove(self, file: str, size: Size, portions: Sums) -> None:
        """Removes a texture that was added."""
        self.count -= 1
        for key in _size_keys(file, size):
            self._size_counts[key] -= 1
            if not self._size_counts[key]:
                del self._size_counts[key]
        for place in place_names(file):
            self._counts[place] -= 1
            self._sums[place] -= portions
            if not self._counts[place]:
                del self._counts[place], self._sums[place]

    def sums(self, files: Iterable[str]) -> Sums:
        """Returns the sums for each file, itself included: levels x files x kinds."""
        none = np.zeros(len(KINDS), np.int64)
        rows = [[self._sums.get(place, none) for place in place_names(file)] for file in files]
        return np.array(rows, np.int64).reshape(-1, len(LEVELS), len(KINDS)).swapaxes(0, 1)

    def same_size_shares(self, files: Sequence[str], sizes: Sequence[Size]) -> NDArray[np.float64]:
        """Returns `same_size_share` for each file: COUNTED x files."""
        keys = [_size_keys(file, size) for file, size in zip(files, sizes, strict=True)]
        same = np.array([[self._size_counts.get(key, 0) for key in one] for one in keys])
        all = np.array([[self._counts.get(place, 0) for place, _ in one] for one in keys])
        return same_size_share(np.maximum(same - 1, 0), np.maximum(all - 1, 0)).reshape(-1, len(COUNTED)).T


def same_size_share(same: NDArray[Any], all: NDArray[Any]) -> NDArray[np.float64]:
    """Returns the share of other textures with the same size; 0.5 without others."""
    return np.asarray((same + 0.5) / (all + 1.0))


def place_names(file: str) -> Sequence[Place]:
    """Returns the place of a file at each of LEVELS."""
    folder = file.rpartition("/")[0]
    return tuple(zip(LEVELS, ("", folder, folder.rpartition("/")[0]), strict=True))


def _size_keys(file: str, size: Size) -> Sequence[tuple[Place, Size]]:
    return [(place, size) for place in place_names(file)[: len(COUNTED)]]


Floats = NDArray[np.float64]
Portions = NDArray[np.int64]
"""Probabilities of kinds as integers, whose sums don't depend on the order."""

FILE = Path(__file__).with_name("context.npz")

PSEUDO_COUNTS = (20.0, 5.0, 10.0)
"""By level, the pseudo-count of expected textures that is added: a few textures are weak evidence. For a
project the average project is expected, for folders the project."""
FEWEST = 4
"""Fewest other textures that count."""
PRIOR = 0.25
"""The weight of the mixture of others in the expectation; the trees learn the rest."""
WHOLE = 2**40
"""The integer for probability 1: 8 million textures of one kind can be summed."""
LEAST = 1e-4
"""The minimum probability."""
MIN_WEIGHT = 0.2
"""The log-likelihood ratio above which the project is shown as evidence."""
_SHARES = (
    text("{share} of its project's textures"),
    text("{share} of its folder's textures"),
    text("{share} of those in the folders beside it"),
)
"""By level."""


class ContextRows(Struct, frozen=True):
    """Textures and their neighbours, by row."""

    alone: Floats
    """Probabilities without context: rows x kinds."""
    others: Floats
    """Sums of the probabilities of other textures: levels x rows x kinds."""
    alike: Floats
    """The share of other textures with the same size: COUNTED x rows."""


class ContextModel(Struct, frozen=True):
    """A model trained on other projects."""

    usual: Floats
    """The share of each of the model's kinds in all projects."""
    trees: Trees
    """Return corrections of log-probabilities for the features of `columns`."""
    pixels: Thresholds
    """For textures without evidence in their names."""
    names: Thresholds
    """For textures with evidence in their names."""

    def weigh(self, rows: ContextRows) -> Floats:
        """Returns probabilities with context: rows x the model's kinds."""
        seen = columns(rows, self.usual)
        logs = expected_shares(seen) + self.trees.scores(seen)
        raised = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def weigh_all(self, rows: ContextRows) -> Floats:
        """Returns probabilities with context of KINDS; kinds that the model lacks keep theirs."""
        known = slice(len(self.usual))
        now = self.weigh(ContextRows(rows.alone[:, known], rows.others[..., known], rows.alike))
        now *= rows.alone[:, known].sum(axis=1, keepdims=True)
        return np.concatenate([now, rows.alone[:, known.stop :]], axis=1)


class Context:
    """The textures of a project, with their sizes and classifications."""

    def __init__(self) -> None:
        self._neighbours = Neighbours()

    def add(self, file: str, size: Size, found: Classification) -> Portions:
        """Adds a texture with its result of `texture.classify`. Returns the argument that `remove` needs.

        `file` is relative to the project's root, with forward slashes.
        """
        added = shares_of(_probabilities(found))
        self._neighbours.add(file, size, added)
        return added

    def add_all(self, files: Sequence[str], sizes: Sequence[Size], added: Portions) -> None:
        """Adds textures with rows of portions, which `remove` takes, too."""
        for file, size, row in zip(files, sizes, added, strict=True):
            self._neighbours.add(file, size, row)

    def remove(self, file: str, size: Size, added: Portions) -> None:
        """Removes a texture that was added."""
        self._neighbours.remove(file, size, added)

    def judge(
        self, files: Sequence[str], images: Sequence[Inspection], found: Sequence[Classification]
    ) -> list[Classification]:
        """Adjusts classifications of textures that were added by the others, which can only confirm decisive
        evidence.

        Raises WorkloadError if the model is missing or damaged.
        """
        if self._neighbours.count <= FEWEST or not found:
            return list(found)
        alone = np.array([_probabilities(one) for one in found])
        others = np.maximum(self._neighbours.sums(files) - shares_of(alone), 0) / WHOLE
        alike = self._neighbours.same_size_shares(files, [image.extent for image in images])
        now = load_context_model().weigh_all(ContextRows(alone, others, alike))
        best = now.argmax(axis=1)
        sure = load_context_model().names, load_context_model().pixels
        by_names, by_pixels = (is_confident(now, each).tolist() for each in sure)
        evidence = _project_evidence(alone, others, now, best)
        judged = []
        for row, (one, image) in enumerate(zip(found, images, strict=True)):
            named = _has_evidence_beside_pixels(one)
            shares = dict(zip(KINDS, now[row].tolist(), strict=True))
            advise = by_names[row] if named else by_pixels[row]
            needs = needed_share(int(best[row]), sure[0] if named else sure[1])
            in_context = classification(shares, advise, [*one.evidence, *evidence[row]], needs)
            judged.append(conclude(_confirmed(one, in_context), image))
        return judged


def columns(rows: ContextRows, usual: Floats) -> NDArray[np.float32]:
    """Returns the features of the trees: logarithms of the texture's probabilities, of the ratio of each kind
    in the project to the average, and in the folder and those beside it to the project; and the shares of the
    same size. Sizes themselves aren't features, as they don't generalise to other projects."""
    project, *nearer = rows.others
    mixture = _mixture(project, usual, PSEUDO_COUNTS[0])
    ratios = [mixture / usual]
    ratios += [
        _mixture(sums, mixture, pseudo_count) / mixture
        for sums, pseudo_count in zip(nearer, PSEUDO_COUNTS[1:], strict=True)
    ]
    alone = np.log(np.maximum(rows.alone, LEAST))
    return np.hstack([alone, *map(np.log, ratios), rows.alike.T]).astype(np.float32)


def column_count(kinds: int) -> int:
    """Returns the number of features that `columns` returns for so many kinds."""
    return kinds * (1 + len(LEVELS)) + len(COUNTED)


def _mixture(sums: Floats, expected: Floats, pseudo_count: float) -> Floats:
    return np.asarray((sums + pseudo_count * expected) / (sums.sum(axis=1, keepdims=True) + pseudo_count))


def expected_shares(seen: NDArray[np.float32]) -> Floats:
    """Returns expected log-probabilities by `columns`, before the trees' correction: rows x kinds."""
    kinds = (seen.shape[1] - len(COUNTED)) // (1 + len(LEVELS))
    alone, ratios = np.split(seen[:, : 2 * kinds].astype(np.float64), 2, axis=1)
    return np.asarray(alone + PRIOR * ratios)


@cache
def load_context_model() -> ContextModel:
    """Returns the shipped model, loaded once per process. Raises WorkloadError."""
    return read(FILE)


def read(file: Path) -> ContextModel:
    """Reads a model. Raises WorkloadError if it is missing, damaged or too old."""
    try:
        # From memory, as numpy doesn't close damaged files.
        with np.load(BytesIO(file.read_bytes()), allow_pickle=False) as found:
            return _from_arrays(dict(found))
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        reason = text(
            "the model of project context ({file}) can't be used ({error}); install popbridge again",
            file=file.name,
            error=error,
        )
        raise WorkloadError("internal", reason, file.name) from None


def _from_arrays(arrays: Mapping[str, NDArray[Any]]) -> ContextModel:
    kinds, levels = tuple(arrays["kinds"].tolist()), tuple(arrays["levels"].tolist())
    if kinds not in (KINDS, LEARNED_KINDS) or levels != LEVELS:
        raise ValueError("it has other kinds or levels")
    usual, trees = arrays["usual"].astype(np.float64), from_arrays(arrays)
    # Trained trees use the last columns, too, which are the shares of the same size.
    count = column_count(len(kinds))
    if len(usual) != len(kinds) or not count - len(COUNTED) <= trees.features.max() < count:
        raise ValueError("it was trained with other columns")
    return ContextModel(usual, trees, *(_thresholds(arrays[name]) for name in ("pixels", "names")))


def _thresholds(thresholds: NDArray[Any]) -> Thresholds:
    # A model that doesn't know `other` has no threshold for its class, the last one.
    known = CLASSES[: len(thresholds)]
    return Thresholds(1.0, dict(zip(known, thresholds.astype(float).tolist(), strict=True)))


def _confirmed(alone: Classification, now: Classification) -> Classification:
    """Returns the classification in context unless it contradicts what is decided, else the one alone."""
    if alone.decided is None:
        return now
    # A use is certain, or too doubtful for advice, whatever else the project has.
    by_name = any(one.decisive and one.source == "name" for one in alone.evidence)
    if not by_name or CLASS_OF[now.kind] != CLASS_OF[alone.decided] or now.confidence <= alone.confidence:
        return alone
    shares = pin(now.probabilities, alone.decided, 0.0)
    weights = log_ratios(shares, alone.probabilities)
    more = [
        replace(one, kind=alone.decided, weights=weights) for one in now.evidence if one.source == "project"
    ]
    return classification(shares, now.advise, [*alone.evidence, *more], now.needs)


def _project_evidence(
    alone: Floats, others: Floats, now: Floats, best: NDArray[np.intp]
) -> list[list[Evidence]]:
    """Returns by row how the project supports the kind of `best`, or else the kind that it raises most;
    nothing if it hardly does."""
    rows = np.arange(len(best))
    # Not below LEAST: from there nothing is raised to a kind that matters.
    raised = np.log(np.maximum(now, LEAST) / np.maximum(alone, LEAST))
    kinds = np.where(raised[rows, best] >= MIN_WEIGHT, best, (now - alone).argmax(axis=1))
    counts = others.sum(axis=2)
    # Portions are rounded: four textures may sum to slightly less.
    shares = np.where(counts > FEWEST - 0.5, others[:, rows, kinds] / np.maximum(counts, 1.0), 0.0)
    supports = zip(kinds.tolist(), shares.max(axis=0).tolist(), shares.argmax(axis=0).tolist(), strict=True)
    found: list[list[Evidence]] = []
    for row, (kind, share, level) in enumerate(supports):
        said = _SHARES[level].fill(share=f"{share:.0%}")
        evidence = Evidence("project", str(said), KINDS[kind], weights_by_kind(raised[row]), said)
        found.append([evidence] if raised[row, kind] >= MIN_WEIGHT else [])
    return found


def shares_of(shares: Floats) -> Portions:
    """Converts probabilities of kinds, of one texture or by row, to portions."""
    return np.rint(shares * WHOLE).astype(np.int64)


def _has_evidence_beside_pixels(found: Classification) -> bool:
    return found.decided is not None or any(one.source in NAMING for one in found.evidence)


def _probabilities(found: Classification) -> Floats:
    return np.array([found.probabilities.get(kind, 0.0) for kind in KINDS])
