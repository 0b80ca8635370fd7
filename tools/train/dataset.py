"""The rows that the classifier learns from: what it is given of each texture, with its kind and source."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.image.decoded import Decoded
from accel.image.load import decode_image
from accel.texture import colors, features, structure, vectors, views
from accel.texture.features import Inputs, extract
from accel.texture.kinds import KINDS, Kind
from accel.workload import Input, Limits
from tools.train import variants
from tools.train.fetch import Labelled
from tools.train.render import degrade, render

VARIANTS = 3
"""Further forms of each real texture that are learned from; only the first, as shipped, is judged."""

PROCEDURAL = "procedural"
"""The source of what was rendered."""

MOST_PIXELS = 64_000_000
"""Larger textures are left out."""

_FORMATS = ("png",) * 6 + ("jpeg",) * 2 + ("tga", "dds")
"""Of rendered textures: what a real one might have come in."""


@dataclass
class Rows:
    """Textures; all arrays have the same first dimension."""

    names: list[str]
    """Of the features."""
    features: NDArray[np.float32]
    thumbs: NDArray[np.uint8]
    patches: NDArray[np.uint8]
    kinds: NDArray[np.int64]
    """Index into KINDS."""
    sources: NDArray[np.str_]
    paths: NDArray[np.str_]
    shipped: NDArray[np.bool_]
    """Whether it is the texture as shipped, not a variant."""

    def __len__(self) -> int:
        return len(self.kinds)

    def take(self, index: NDArray[Any]) -> Rows:
        """Some of the rows."""
        return Rows(
            self.names, self.features[index], self.thumbs[index], self.patches[index], self.kinds[index],
            self.sources[index], self.paths[index], self.shipped[index],
        )  # fmt: skip

    def __add__(self, other: Rows) -> Rows:
        pairs = ((getattr(self, one), getattr(other, one)) for one in _ARRAYS)
        return Rows(self.names, *(np.concatenate(pair) for pair in pairs))


_ARRAYS = ("features", "thumbs", "patches", "kinds", "sources", "paths", "shipped")


@dataclass
class _Row:
    inputs: Inputs
    kind: Kind
    source: str
    path: str
    shipped: bool


def from_files(labelled: Sequence[Labelled], folder: Path, jobs: int) -> Rows:
    """The rows of real textures; what can't be decoded is told and left out."""
    folder.mkdir(parents=True, exist_ok=True)
    work = [(one, folder) for one in labelled]
    with ProcessPoolExecutor(jobs) as pool:
        found = [row for rows in pool.map(_of_file, work, chunksize=4) for row in rows]
    return rows_of(found)


def from_renderer(kinds: Mapping[Kind, int], seed: int, folder: Path, jobs: int) -> Rows:
    """The rows of procedural textures, so many of each kind."""
    folder.mkdir(parents=True, exist_ok=True)
    work = [(kind, seed + place, folder) for kind, count in kinds.items() for place in range(count)]
    with ProcessPoolExecutor(jobs) as pool:
        return rows_of(pool.map(_of_render, work, chunksize=16))


def rows_of(found: Iterable[_Row]) -> Rows:
    """Rows put together as arrays."""
    rows = list(found)
    return Rows(
        names=list(rows[0].inputs.features),
        features=np.array([list(row.inputs.features.values()) for row in rows], np.float32),
        thumbs=np.array([row.inputs.thumb for row in rows], np.uint8),
        patches=np.array([row.inputs.patch for row in rows], np.uint8),
        kinds=np.array([KINDS.index(row.kind) for row in rows], np.int64),
        sources=np.array([row.source for row in rows]),
        paths=np.array([row.path for row in rows]),
        shipped=np.array([row.shipped for row in rows], np.bool_),
    )


@cache
def version() -> str:
    """Changes with everything that makes the inputs, so that no stale cache is used."""
    digest = hashlib.sha256()
    for module in (views, colors, vectors, structure, features, variants):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:12]


@cache
def _renderer() -> str:
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).with_name("render").glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:8]


def _of_file(work: tuple[Labelled, Path]) -> list[_Row]:
    one, folder = work
    contents = one.file.read_bytes()
    key = hashlib.sha256(contents).hexdigest()[:32]
    stored = folder / f"{key}-{one.kind}-{version()}.npz"
    if not stored.exists():
        try:
            decoded = decode_image(Input(one.path, str(one.file)), Limits(MOST_PIXELS))
        except Exception as error:
            print(f"{one.source}: {one.path} is left out: {error}", file=sys.stderr)
            return []
        _store(stored, _inputs(decoded, one.kind, int(key[:8], 16)))
    with np.load(stored) as arrays:
        names = [str(name) for name in arrays["names"]]
        return [
            _Row(
                Inputs(dict(zip(names, values, strict=True)), thumb, patch),
                one.kind, one.source, one.path, place == 0,
            )
            for place, (values, thumb, patch) in enumerate(
                zip(arrays["features"], arrays["thumbs"], arrays["patches"], strict=True)
            )
        ]  # fmt: skip


def _of_render(work: tuple[Kind, int, Path]) -> _Row:
    kind, seed, folder = work
    stored = folder / f"{kind}-{seed}-{version()}-{_renderer()}.npz"
    if not stored.exists():
        pixels = render(kind, seed)
        rng = np.random.default_rng([seed, KINDS.index(kind)])
        # One in four is as rendered, without traces of compression.
        pixels = pixels if rng.random() < 0.25 else degrade(pixels, rng, kind)
        has_alpha = pixels.shape[2] in (2, 4)
        model = "grey" if pixels.shape[2] < 3 else "rgb"
        format = str(rng.choice(_FORMATS)) if not has_alpha else "png"
        decoded = Decoded(np.ascontiguousarray(pixels), model, has_alpha, format, pixels.size)
        _store(stored, [extract(decoded)])
    with np.load(stored) as arrays:
        names = [str(name) for name in arrays["names"]]
        found = dict(zip(names, arrays["features"][0], strict=True))
        inputs = Inputs(found, arrays["thumbs"][0], arrays["patches"][0])
    return _Row(inputs, kind, PROCEDURAL, f"{kind}/{seed}", False)


def _inputs(decoded: Decoded, kind: Kind, seed: int) -> list[Inputs]:
    rng = np.random.default_rng(seed)
    others = [extract(variants.variant(decoded, kind, rng)) for _ in range(VARIANTS)]
    return [extract(decoded), *others]


def _store(file: Path, found: list[Inputs]) -> None:
    part = file.with_suffix(f".{os.getpid()}.part.npz")
    np.savez(
        part,
        names=np.array(list(found[0].features)),
        features=np.array([list(one.features.values()) for one in found], np.float32),
        thumbs=np.array([one.thumb for one in found]),
        patches=np.array([one.patch for one in found]),
    )
    os.replace(part, file)
