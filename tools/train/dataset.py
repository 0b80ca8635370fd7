"""Computes the classifier's training rows from real and rendered textures, and caches them."""

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

from accel.image.decode import decode_image
from accel.image.pixel_data import DecodedImage
from accel.texture import model, spatial_features, value_features, views
from accel.texture.kinds import LEARNED_KINDS, Kind
from accel.texture.model import Inputs, extract
from accel.workload import Input, Limits
from tools.train import augmentation, backbone, export
from tools.train.fetch import Texture
from tools.train.render import degrade, render
from tools.train.rows import PROCEDURAL, UNLABELLED, Rows

FEATURE_MODULES: tuple[ModuleType, ...] = (views, value_features, spatial_features, model, augmentation)
"""The modules that features are computed by: a change in one of them invalidates the cached rows."""
EMBEDDING_MODULES: tuple[ModuleType, ...] = (backbone, export)
"""The same for the embeddings."""

VARIANTS = 3
"""Augmented variants of each labelled texture to train on; only the original is evaluated."""
MAX_PIXELS = 64_000_000
"""Larger textures are skipped."""

_FORMATS = ("png",) * 6 + ("jpeg",) * 2 + ("tga", "dds")
"""File formats that rendered textures are given, by frequency."""


@dataclass
class _FileRows:
    """The rows of one texture."""

    names: list[str]
    features: NDArray[np.float32]
    kind: Kind | None
    source: str
    path: str
    file: Path


def real_rows(textures: Sequence[Texture], folder: Path, weights: Path, jobs: int) -> Rows:
    """Returns the rows of real textures; those that can't be decoded are reported and skipped."""
    folder.mkdir(parents=True, exist_ok=True)
    work = [(texture, folder, weights) for texture in textures]
    with ProcessPoolExecutor(jobs) as pool:
        return _join(part for part in pool.map(_read_texture, work, chunksize=4) if part)


def rendered_rows(counts: Mapping[Kind, int], seed: int, folder: Path, weights: Path, jobs: int) -> Rows:
    """Returns the rows of procedural textures, `counts` of each kind."""
    folder.mkdir(parents=True, exist_ok=True)
    work = [(kind, seed + place, folder, weights) for kind, count in counts.items() for place in range(count)]
    with ProcessPoolExecutor(jobs) as pool:
        return _join(pool.map(_render_texture, work, chunksize=16))


def _join(found: Iterable[_FileRows]) -> Rows:
    parts = list(found)
    counts = [len(part.features) for part in parts]

    def repeat(values: Iterable[Any]) -> NDArray[Any]:
        return np.repeat(np.array(list(values)), counts)

    indices = [index for count in counts for index in range(count)]
    sources = repeat(part.source for part in parts)
    files = repeat(str(part.file) for part in parts)
    return Rows(
        names=parts[0].names,
        features=np.concatenate([part.features for part in parts]),
        kinds=repeat(LEARNED_KINDS.index(part.kind) if part.kind else UNLABELLED for part in parts),
        sources=sources,
        paths=repeat(part.path for part in parts),
        original=(np.array(indices) == 0) & (sources != PROCEDURAL),
        files=np.array([f"{file}#{index}" for file, index in zip(files, indices, strict=True)]),
    )


def _read_texture(work: tuple[Texture, Path, Path]) -> _FileRows | None:
    texture, folder, weights = work
    key = hashlib.sha256(texture.file.read_bytes()).hexdigest()[:32]
    file = folder / f"{key}-{texture.kind or 'unlabelled'}-{_version()}.npz"
    if not file.exists():
        try:
            decoded = decode_image(Input(texture.path, str(texture.file)), Limits(MAX_PIXELS))
        except Exception as error:
            print(f"{texture.source}: skipped {texture.path}: {error}", file=sys.stderr)
            return None
        _store(file, _extract_all(decoded, texture.kind, int(key[:8], 16)))
    return _load(file, weights, texture.kind, texture.source, texture.path)


def _render_texture(work: tuple[Kind, int, Path, Path]) -> _FileRows:
    kind, seed, folder, weights = work
    file = folder / f"{kind}-{seed}-{_version()}-{_renderer_version()}.npz"
    if not file.exists():
        pixels = render(kind, seed)
        rng = np.random.default_rng([seed, LEARNED_KINDS.index(kind)])
        # One in four stays as rendered, without compression artefacts.
        pixels = pixels if rng.random() < 0.25 else degrade(pixels, rng, kind)
        has_alpha = pixels.shape[2] in (2, 4)
        model = "grey" if pixels.shape[2] < 3 else "rgb"
        format = str(rng.choice(_FORMATS)) if not has_alpha else "png"
        decoded = DecodedImage(np.ascontiguousarray(pixels), model, has_alpha, format, pixels.size)
        _store(file, [extract(decoded)])
    return _load(file, weights, kind, PROCEDURAL, f"{kind}/{seed}")


def _extract_all(decoded: DecodedImage, kind: Kind | None, seed: int) -> list[Inputs]:
    """Returns the inputs of a texture and, if it is labelled, of its augmented variants."""
    if kind is None:
        return [extract(decoded)]
    rng = np.random.default_rng(seed)
    variants = [extract(augmentation.augment(decoded, kind, rng)) for _ in range(VARIANTS)]
    return [extract(decoded), *variants]


def _store(file: Path, inputs: list[Inputs]) -> None:
    part = file.with_suffix(f".{os.getpid()}.part.npz")
    np.savez(
        part,
        names=np.array(list(inputs[0].features)),
        features=np.array([list(each.features.values()) for each in inputs], np.float32),
        pictures=np.array([each.picture for each in inputs]),
        patches=np.array([each.patch for each in inputs]),
    )
    os.replace(part, file)


def _load(file: Path, weights: Path, kind: Kind | None, source: str, path: str) -> _FileRows:
    with np.load(file) as arrays:
        names = [str(name) for name in arrays["names"]]
        columns = np.concatenate([arrays["features"], _embeddings(file, weights)], axis=1)
    return _FileRows(names, columns, kind, source, path, file)


def _embeddings(file: Path, weights: Path) -> NDArray[np.float32]:
    """Returns the embeddings of a file's images, computed once."""
    cached = file.with_suffix(f".{_embedding_version()}.npy")
    if not cached.exists():
        with np.load(file) as arrays:
            embeddings = export.embed(weights, arrays["pictures"], arrays["patches"])
        part = cached.with_suffix(f".{os.getpid()}.part.npy")
        np.save(part, embeddings)
        os.replace(part, cached)
    stored: NDArray[np.float32] = np.load(cached)
    return stored


@cache
def _version() -> str:
    return _digest(_source_file(module) for module in FEATURE_MODULES)[:12]


@cache
def _embedding_version() -> str:
    return _digest(_source_file(module) for module in EMBEDDING_MODULES)[:8]


@cache
def _renderer_version() -> str:
    return _digest(sorted(Path(__file__).with_name("render").glob("*.py")))[:8]


def _source_file(module: ModuleType) -> Path:
    return Path(str(module.__file__))


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
