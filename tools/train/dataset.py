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
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accel.image.decoded import Decoded
from accel.image.load import decode_image
from accel.texture import colors, features, figure, measures, structure, vectors, views
from accel.texture.features import Inputs, extract
from accel.texture.kinds import KINDS, Kind
from accel.workload import Input, Limits
from tools.train import backbone, eight, export, seeing, variants
from tools.train.fetch import Texture
from tools.train.render import degrade, render
from tools.train.rows import PROCEDURAL, UNLABELLED, Rows

VARIANTS = 3
"""Further forms of each labelled texture that are learned from; only the first, as shipped, is judged."""

MOST_PIXELS = 64_000_000
"""Larger textures are left out."""

_FORMATS = ("png",) * 6 + ("jpeg",) * 2 + ("tga", "dds")
"""Of rendered textures: what a real one might have come in."""


@dataclass
class _Part:
    """The rows of one file."""

    names: list[str]
    features: NDArray[np.float32]
    kind: Kind | None
    source: str
    path: str
    stored: Path


def from_files(textures: Sequence[Texture], folder: Path, weights: Path, jobs: int) -> Rows:
    """The rows of real textures; what can't be decoded is told and left out."""
    folder.mkdir(parents=True, exist_ok=True)
    work = [(one, folder, weights) for one in textures]
    with ProcessPoolExecutor(jobs) as pool:
        return rows_of(part for part in pool.map(_of_file, work, chunksize=4) if part)


def from_renderer(kinds: Mapping[Kind, int], seed: int, folder: Path, weights: Path, jobs: int) -> Rows:
    """The rows of procedural textures, so many of each kind."""
    folder.mkdir(parents=True, exist_ok=True)
    work = [(kind, seed + place, folder, weights) for kind, count in kinds.items() for place in range(count)]
    with ProcessPoolExecutor(jobs) as pool:
        return rows_of(pool.map(_of_render, work, chunksize=16))


def rows_of(found: Iterable[_Part]) -> Rows:
    """Rows put together as arrays; the first of a real texture's file is as shipped."""
    parts = list(found)
    counts = [len(part.features) for part in parts]

    def each(values: Iterable[Any]) -> NDArray[Any]:
        return np.repeat(np.array(list(values)), counts)

    places = [place for count in counts for place in range(count)]
    sources = each(part.source for part in parts)
    return Rows(
        names=parts[0].names,
        features=np.concatenate([part.features for part in parts]),
        kinds=each(KINDS.index(part.kind) if part.kind else UNLABELLED for part in parts),
        sources=sources,
        paths=each(part.path for part in parts),
        shipped=(np.array(places) == 0) & (sources != PROCEDURAL),
        stored=np.array(
            [
                f"{file}#{place}"
                for file, place in zip(each(str(part.stored) for part in parts), places, strict=True)
            ]
        ),
    )


@cache
def version() -> str:
    """Changes with everything that makes the inputs, so that no stale cache is used."""
    return _digest(views, measures, colors, vectors, structure, figure, features, variants)[:12]


def _digest(*modules: ModuleType) -> str:
    digest = hashlib.sha256()
    for module in modules:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()


@cache
def _renderer() -> str:
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).with_name("render").glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:8]


def _of_file(work: tuple[Texture, Path, Path]) -> _Part | None:
    one, folder, weights = work
    contents = one.file.read_bytes()
    key = hashlib.sha256(contents).hexdigest()[:32]
    stored = folder / f"{key}-{one.kind or 'unlabelled'}-{version()}.npz"
    if not stored.exists():
        try:
            decoded = decode_image(Input(one.path, str(one.file)), Limits(MOST_PIXELS))
        except Exception as error:
            print(f"{one.source}: {one.path} is left out: {error}", file=sys.stderr)
            return None
        _store(stored, _inputs(decoded, one.kind, int(key[:8], 16)))
    return _part(stored, weights, one.kind, one.source, one.path)


def _of_render(work: tuple[Kind, int, Path, Path]) -> _Part:
    kind, seed, folder, weights = work
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
    return _part(stored, weights, kind, PROCEDURAL, f"{kind}/{seed}")


def _part(stored: Path, weights: Path, kind: Kind | None, source: str, path: str) -> _Part:
    with np.load(stored) as arrays:
        names = [str(name) for name in arrays["names"]]
        found = np.concatenate([arrays["features"], _seen(stored, weights)], axis=1)
    return _Part(names, found, kind, source, path, stored)


def _seen(stored: Path, weights: Path) -> NDArray[np.float32]:
    """What the backbone sees in the images of a file."""
    file = stored.with_suffix(f".{_backbone_version()}.npy")
    if not file.exists():
        with np.load(stored) as arrays:
            found = seeing.seen(weights, arrays["pictures"], arrays["patches"])
        part = file.with_suffix(f".{os.getpid()}.part.npy")
        np.save(part, found)
        os.replace(part, file)
    before: NDArray[np.float32] = np.load(file)
    return before


@cache
def _backbone_version() -> str:
    return _digest(backbone, eight, export, seeing)[:8]


def _inputs(decoded: Decoded, kind: Kind | None, seed: int) -> list[Inputs]:
    if kind is None:
        return [extract(decoded)]
    rng = np.random.default_rng(seed)
    others = [extract(variants.variant(decoded, kind, rng)) for _ in range(VARIANTS)]
    return [extract(decoded), *others]


def _store(file: Path, found: list[Inputs]) -> None:
    part = file.with_suffix(f".{os.getpid()}.part.npz")
    np.savez(
        part,
        names=np.array(list(found[0].features)),
        features=np.array([list(one.features.values()) for one in found], np.float32),
        pictures=np.array([one.picture for one in found]),
        patches=np.array([one.patch for one in found]),
    )
    os.replace(part, file)
