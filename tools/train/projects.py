"""Reads the textures of repositories as the product does: their projects, uses, settings and pixels."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np
from packaging.version import Version

from accel.image import hashes, inspect
from accel.image.decode import decode_image
from accel.image.operations.analysis import Fingerprint
from accel.image.records import Inspection
from accel.texture import layouts, model, spatial_features, value_features, views
from accel.texture.judgement import Observation, observe
from accel.texture.layouts import Layout
from accel.texture.model import Inputs
from accel.texture.workloads import Surroundings
from accel.workload import Input, Limits
from bridge.api import Adapter
from bridge.audit.examine import examination_questions
from bridge.audit.project import Project, engine_of
from bridge.core.versions import lowest
from bridge.host.host import Registry, load
from tools.train.fetch import TEXTURE_SUFFIXES
from tools.train.repositories import Repository, RepositoryCache

SKIPPED = frozenset({
    ".7z", ".a", ".aab", ".apk", ".avi", ".blend", ".bundle", ".dae", ".dll", ".dylib", ".exe", ".fbx",
    ".flac", ".gif", ".glb", ".gz", ".jar", ".mov", ".mp3", ".mp4", ".obj", ".ogg", ".ogv", ".otf",
    ".pck", ".pdb", ".pdf", ".rar", ".so", ".tar", ".ttf", ".unitypackage", ".wasm", ".wav", ".webm", ".zip",
})  # fmt: skip
"""Suffixes of files that no reader of textures opens."""
MAX_PIXELS = 64_000_000
"""Larger textures are skipped."""


@dataclass(frozen=True)
class ProjectTexture:
    """A texture of a project in a repository, with what the project's files say of it."""

    repository: str
    """The repository's id."""
    project: str
    """The project's folder in the repository; empty for the root."""
    engine: str
    file: str
    """Its path in the project."""
    location: Path
    surroundings: Surroundings

    @property
    def path(self) -> str:
        """Its path in the repository."""
        return str(PurePosixPath(self.project, self.file))


@dataclass(frozen=True)
class Look:
    """What the pixels say."""

    pixels: Observation
    fingerprint: Fingerprint
    varying_alpha: bool


@dataclass
class ProjectFolder:
    """A project in a repository."""

    name: str
    engine: str
    textures: list[ProjectTexture] = field(default_factory=list)


@cache
def _registry() -> Registry:
    return load()


def read_projects(cache: RepositoryCache, repository: Repository) -> list[ProjectFolder]:
    """Unpacks a repository and returns its projects with their textures. Raises `SourceError`."""
    paths = [path for path in cache.paths(repository) if PurePosixPath(path).suffix.lower() not in SKIPPED]
    cache.unpack(repository, paths)
    root = cache.folder / repository.id
    return [_read_project(repository, root, place) for place in _project_folders(root)]


def _project_folders(root: Path) -> Iterator[Path]:
    """Yields the folders of projects, except those within other projects."""
    for folder, below, _ in os.walk(root):
        place = Path(folder)
        below[:] = sorted(name for name in below if not name.startswith("."))
        if engine_of(_registry().adapters, place):
            below.clear()
            yield place


def _read_project(repository: Repository, root: Path, place: Path) -> ProjectFolder:
    project = open_project(place)
    assert project.adapter is not None
    found = ProjectFolder(place.relative_to(root).as_posix().removeprefix("."), project.adapter.engine)
    # Fonts, models and broken import files aren't textures.
    assets = [
        asset for asset in project.textures()
        if not asset.gone and PurePosixPath(asset.file).suffix.lower() in TEXTURE_SUFFIXES
        and (place / asset.file).is_file()
    ]  # fmt: skip
    try:
        uses = project.uses()
    except Exception as error:
        print(f"{repository.name}: {place}: no uses: {error}", file=sys.stderr)
        uses = {}
    for question in examination_questions(project, assets, uses, True):
        found.textures.append(
            ProjectTexture(
                repository.id, found.name, found.engine, question.file, place / question.file,
                msgspec.convert(question.params, Surroundings),
            )
        )  # fmt: skip
    return found


def open_project(place: Path) -> Project:
    """Returns the project in a folder with the nearest adapter of its engine, however old the project is."""
    engine = engine_of(_registry().adapters, place)
    own = [adapter for adapter in _registry().adapters if adapter.engine == engine]
    text = "0"
    with suppress(Exception):
        text = (own[0].project.project_version(place) if own[0].project else None) or "0"
    version = own[0].scheme.parse(text if text != "0" else "0.0")
    adapter = _nearest(own, version)
    return Project(place, adapter, max(version, lowest(adapter.versions)), adapter.project, text)


def _nearest(adapters: Sequence[Adapter], version: Version) -> Adapter:
    same = [one for one in adapters if lowest(one.versions).major == version.major] or list(adapters)
    older = [one for one in same if lowest(one.versions) <= version]
    bound = {one.name: lowest(one.versions) for one in same}
    return (
        max(older, key=lambda one: bound[one.name]) if older else min(same, key=lambda one: bound[one.name])
    )


def look_at(
    textures: Iterable[ProjectTexture], folder: Path, jobs: int
) -> dict[Path, Look]:  # fmt: skip
    """Returns what the pixels of textures say, by location, cached in `folder`; those that can't be decoded
    are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    places = sorted({texture.location for texture in textures})
    with ProcessPoolExecutor(jobs) as pool:
        found = pool.map(_look, places, [folder] * len(places), chunksize=8)
        return {place: look for place, look in zip(places, found, strict=True) if look is not None}


def _look(place: Path, folder: Path) -> Look | None:
    key = hashlib.sha256(place.read_bytes()).hexdigest()
    file = folder / f"{key[:32]}-{_version()}.npz"
    if not file.exists():
        try:
            source = Input(place.name, str(place))
            decoded = decode_image(source, Limits(MAX_PIXELS))
            pixels = observe(decoded, inspect.inspect_picture(decoded, 0)[0])
            fingerprint = hashes.fingerprint_of(source, decoded, key)
        except Exception as error:
            print(f"skipped {place}: {error}", file=sys.stderr)
            return None
        alpha = decoded.pixels[..., -1]
        varying = bool(decoded.has_alpha and alpha.min() < alpha.max())
        part = file.with_suffix(f".{os.getpid()}.part.npz")
        _write(part, pixels, _Records(pixels.image, pixels.layout, fingerprint, varying))
        os.replace(part, file)
    with np.load(file) as arrays:
        features = dict(zip(map(str, arrays["names"]), arrays["features"].tolist(), strict=True))
        found = msgspec.msgpack.decode(arrays["records"].tobytes(), type=_Records)
        inputs = Inputs(features, arrays["picture"], arrays["patch"])
        pixels = Observation(inputs, found.image, found.layout)
        return Look(pixels, found.fingerprint, found.varying_alpha)


class _Records(msgspec.Struct):
    """What a cached look has beside arrays."""

    image: Inspection
    layout: Layout | None
    fingerprint: Fingerprint
    varying_alpha: bool


def _write(file: Path, pixels: Observation, records: _Records) -> None:
    inputs = pixels.inputs
    np.savez(
        file, names=np.array(list(inputs.features)),
        features=np.array(list(inputs.features.values()), np.float32),
        picture=inputs.picture, patch=inputs.patch,
        records=np.frombuffer(msgspec.msgpack.encode(records), np.uint8),
    )  # fmt: skip


@cache
def _version() -> str:
    digest = hashlib.sha256()
    for module in (views, value_features, spatial_features, model, layouts, inspect, hashes):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:12]
