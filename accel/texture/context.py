"""What the other textures of a project say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.text import text
from accel.texture.kinds import KINDS, Classification, Evidence, Kind
from accel.texture.model import CLASSES, Thresholds, Trees, from_arrays, is_confident
from accel.workload import WorkloadError

LEVELS = ("project", "folder", "beside")
"""How far around a texture is looked; `beside` has what lies directly in folders of the same parent, where
the project's root counts as one of its own folders."""

COUNTED = LEVELS[:2]
"""Where those of the same size are counted: what is drawn for one purpose, as the tiles of a map or the icons
of a bar, is of one size, and a painting rarely is."""

Sums = NDArray[np.int64]
Size = tuple[int, int]
"""Width and height, texels."""
Place = tuple[str, str]
"""One of LEVELS, and a folder below the project's root."""


class Neighbours:
    """Sums by project and folder; whole numbers, so that they are the same in whatever order they grow."""

    def __init__(self) -> None:
        self._sums: dict[Place, Sums] = {}
        self._counts: dict[Place, int] = {}
        self._sized: dict[tuple[Place, Size], int] = {}
        self.count = 0

    def add(self, file: str, size: Size, portions: Sums) -> None:
        """One more texture: its file, below the project's root with slashes, and what it is taken for."""
        self.count += 1
        for key in _sized(file, size):
            self._sized[key] = self._sized.get(key, 0) + 1
        for place in place_names(file):
            self._counts[place] = self._counts.get(place, 0) + 1
            if place in self._sums:
                self._sums[place] += portions
            else:
                self._sums[place] = portions.copy()

    def remove(self, file: str, size: Size, portions: Sums) -> None:
        """Forgets one that was added."""
        self.count -= 1
        for key in _sized(file, size):
            self._sized[key] -= 1
            if not self._sized[key]:
                del self._sized[key]
        for place in place_names(file):
            self._counts[place] -= 1
            self._sums[place] -= portions
            if not self._counts[place]:
                del self._counts[place], self._sums[place]

    def around(self, files: Iterable[str]) -> Sums:
        """Levels x files x kinds: the sums of all around each, with itself."""
        none = np.zeros(len(KINDS), np.int64)
        rows = [[self._sums.get(place, none) for place in place_names(file)] for file in files]
        return np.array(rows, np.int64).reshape(-1, len(LEVELS), len(KINDS)).swapaxes(0, 1)

    def alike(self, files: Sequence[str], sizes: Sequence[Size]) -> NDArray[np.float64]:
        """COUNTED x files: by `alike`, of those that were added."""
        keys = [_sized(file, size) for file, size in zip(files, sizes, strict=True)]
        same = np.array([[self._sized.get(key, 0) for key in one] for one in keys])
        all = np.array([[self._counts.get(place, 0) for place, _ in one] for one in keys])
        return are_alike(np.maximum(same - 1, 0), np.maximum(all - 1, 0)).reshape(-1, len(COUNTED)).T


def are_alike(same: NDArray[Any], all: NDArray[Any]) -> NDArray[np.float64]:
    """Of the others, the share that is of a texture's size; half where there are none."""
    return np.asarray((same + 0.5) / (all + 1.0))


def place_names(file: str) -> Sequence[Place]:
    """Where a file counts, by LEVELS."""
    folder = file.rpartition("/")[0]
    return tuple(zip(LEVELS, ("", folder, folder.rpartition("/")[0]), strict=True))


def _sized(file: str, size: Size) -> Sequence[tuple[Place, Size]]:
    return [(place, size) for place in place_names(file)[: len(COUNTED)]]


Floats = NDArray[np.float64]
Portions = NDArray[np.int64]
"""Probabilities of the kinds as whole numbers, so that sums are the same in whatever order they grow."""

FILE = Path(__file__).with_name("context.npz")

HELD = (20.0, 5.0, 10.0)
"""By level, textures that are added to those around: a few say little. As they are usual to a project's, as
they are in the project to others."""
FEWEST = 4
"""Other textures from which they say anything."""
PRIOR = 0.25
"""How far the mixture of the others counts as what is to be expected; all more is learned."""
WHOLE = 2**40
"""The portion that is certainty: 8 million textures of one kind can be summed."""
LEAST = 1e-4
"""The least probability that counts."""
SAYING = 0.2
"""Logarithm of the likelihood ratio from which it is shown as evidence."""
_WHOSE = ("its project's textures", "its folder's textures", "those in the folders beside it")
"""By level, how people are told where they lie."""
COLUMNS = len(KINDS) * (1 + len(LEVELS)) + len(COUNTED)
"""How many `columns` has."""
NAMING = ("name", "folder", "siblings", "words")
"""Sources of evidence that a name is."""


class Surroundings(Struct, frozen=True):
    """What textures are alone, and what is around each of them; all by row."""

    alone: Floats
    """Probabilities of the kinds: rows x kinds."""
    others: Floats
    """The sums of what the others are taken for: levels x rows x kinds."""
    alike: Floats
    """Of the others in the project and in the folder, the share that is of the texture's size: 2 x rows."""


class ContextModel(Struct, frozen=True):
    """What was learned from other projects."""

    usual: Floats
    """Share of each kind in all of them."""
    trees: Trees
    """What is added to the logarithms of probabilities, by the columns of `columns`."""
    pixels: Thresholds
    """From which probability on a class is acted on where no name says anything of the texture."""
    names: Thresholds
    """The same where one does."""

    def weigh(self, around: Surroundings) -> Floats:
        """Probabilities by all that is around: rows x kinds."""
        seen = columns(around, self.usual)
        logs = expected_shares(seen) + self.trees.scores(seen)
        raised = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))


class Context:
    """The textures of one project, by their sizes and what each is taken for alone."""

    def __init__(self) -> None:
        self._around = Neighbours()

    def add(self, file: str, size: Size, found: Classification) -> Portions:
        """One more texture, as `texture.classify` judged it; its file is named below the project's root, with
        slashes. Gives what `remove` takes to forget it."""
        added = shares_of(_row(found))
        self._around.add(file, size, added)
        return added

    def add_all(self, files: Sequence[str], sizes: Sequence[Size], added: Portions) -> None:
        """Further textures, rows by `portions`, each of which `remove` takes too."""
        for file, size, row in zip(files, sizes, added, strict=True):
            self._around.add(file, size, row)

    def remove(self, file: str, size: Size, added: Portions) -> None:
        """Forgets one that was added."""
        self._around.remove(file, size, added)

    def judge(
        self, files: Sequence[str], sizes: Sequence[Size], found: Sequence[Classification]
    ) -> list[Classification]:
        """Each judged once more by what the others are: some of those that were added.

        What materials use a texture as needs no guess by others. Raises WorkloadError where what was
        learned is missing or damaged.
        """
        if self._around.count <= FEWEST or not found:
            return list(found)
        alone = np.array([_row(one) for one in found])
        others = np.maximum(self._around.around(files) - shares_of(alone), 0) / WHOLE
        now = load_context_model().weigh(Surroundings(alone, others, self._around.alike(files, sizes)))
        best = now.argmax(axis=1)
        advise = np.where(
            [_named(one) for one in found],
            is_confident(now, load_context_model().names),
            is_confident(now, load_context_model().pixels),
        )
        told = zip(found, best, now.tolist(), advise.tolist(), _said(alone, others, now, best), strict=True)
        return [one if _used(one) else _told(one, KINDS[kind], *how) for one, kind, *how in told]


def columns(around: Surroundings, usual: Floats) -> NDArray[np.float32]:
    """What the trees see: the logarithms of what a texture is taken for alone, of how much more or less of
    each kind its project has than is usual, and its folder and those beside than the project; what share of
    them is of its size. Sizes themselves are a project's own: what was learned of them misled in others."""
    project, *nearer = around.others
    mixture = _mixture(project, usual, HELD[0])
    ratios = [mixture / usual]
    ratios += [_mixture(sums, mixture, held) / mixture for sums, held in zip(nearer, HELD[1:], strict=True)]
    alone = np.log(np.maximum(around.alone, LEAST))
    return np.hstack([alone, *map(np.log, ratios), around.alike.T]).astype(np.float32)


def _mixture(sums: Floats, expected: Floats, held: float) -> Floats:
    return np.asarray((sums + held * expected) / (sums.sum(axis=1, keepdims=True) + held))


def expected_shares(seen: NDArray[np.float32]) -> Floats:
    """Logarithms of what is expected by `columns`, before the trees say more: rows x kinds."""
    alone, ratios = np.split(seen[:, : 2 * len(KINDS)].astype(np.float64), 2, axis=1)
    return np.asarray(alone + PRIOR * ratios)


@cache
def load_context_model() -> ContextModel:
    """The shipped one. Raises WorkloadError."""
    return read(FILE)


def read(file: Path) -> ContextModel:
    """What was learned, from its file. Raises WorkloadError where it is missing, damaged or too old."""
    try:
        # By its bytes, as numpy leaves a damaged file open.
        with np.load(BytesIO(file.read_bytes()), allow_pickle=False) as found:
            return _experience(dict(found))
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        reason = text(
            "what was learned of projects ({file}) can't be used ({error}); install popbridge again",
            file=file.name,
            error=error,
        )
        raise WorkloadError("internal", reason, file.name) from None


def _experience(arrays: Mapping[str, NDArray[Any]]) -> ContextModel:
    if (arrays["kinds"].tolist(), arrays["levels"].tolist()) != (list(KINDS), list(LEVELS)):
        raise ValueError("it knows other kinds, or looks elsewhere")
    usual, trees = arrays["usual"].astype(np.float64), from_arrays(arrays)
    # Whatever was learned goes by sizes, too, which the last columns are of.
    if len(usual) != len(KINDS) or not COLUMNS - len(COUNTED) <= trees.features.max() < COLUMNS:
        raise ValueError("it was learned by other columns")
    return ContextModel(usual, trees, *(_sureness(arrays[name]) for name in ("pixels", "names")))


def _sureness(thresholds: NDArray[Any]) -> Thresholds:
    return Thresholds(1.0, dict(zip(CLASSES, thresholds.astype(float).tolist(), strict=True)))


def _told(
    found: Classification, kind: Kind, shares: Sequence[float], advise: bool, said: str
) -> Classification:
    evidence = [*found.evidence, Evidence("project", said, kind)] if said else found.evidence
    return Classification(kind, dict(zip(KINDS, shares, strict=True)), advise, evidence)


def _said(alone: Floats, others: Floats, now: Floats, best: NDArray[np.intp]) -> list[str]:
    """What of the project speaks for the kinds of `best`, by row; empty where too little does."""
    rows = np.arange(len(best))
    raised = np.log(now[rows, best] / np.maximum(alone[rows, best], LEAST))
    counts = others.sum(axis=2)
    # Portions are rounded: four textures may sum to a little less.
    shares = np.where(counts > FEWEST - 0.5, others[:, rows, best] / np.maximum(counts, 1.0), 0.0)
    told = zip(shares.max(axis=0).tolist(), shares.argmax(axis=0).tolist(), raised.tolist(), strict=True)
    return [f"{share:.0%} of {_WHOSE[level]}" if more >= SAYING else "" for share, level, more in told]


def shares_of(shares: Floats) -> Portions:
    """Probabilities of the kinds as they are summed: one texture's, or rows of them."""
    return np.rint(shares * WHOLE).astype(np.int64)


def _used(found: Classification) -> bool:
    return any(one.source == "slot" for one in found.evidence)


def _named(found: Classification) -> bool:
    return any(one.source in NAMING for one in found.evidence)


def _row(found: Classification) -> Floats:
    return np.array([found.probabilities.get(kind, 0.0) for kind in KINDS])
