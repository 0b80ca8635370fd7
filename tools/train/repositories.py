"""Reads textures from public git repositories at pinned commits.

`repositories.tsv` names each repository with its commit, the digest of its labelled textures, the licence
that its own files state, and its purpose: `training`, or `measurement` of models that weren't trained on it.
`repository_labels.tsv` names the labelled textures with their digests.

`python -m tools.train.repositories [NAME...]` unpacks what the cache lacks. A repository is read from
`--mirror FOLDER`, if it is there, and otherwise cloned from GitHub. `--record` writes the digests.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, get_args

from accel.texture.kinds import KINDS, LEARNED_KINDS, Kind
from tools.train.archives import is_inside
from tools.train.fetch import CACHE, DATA, SourceError, Texture, read_table, write_table

REPOSITORIES, REPOSITORY_LABELS = "repositories.tsv", "repository_labels.tsv"
COLUMNS = ("repository", "commit", "sha256", "licence", "engine", "purpose")
LABEL_COLUMNS = ("repository", "path", "sha256", "kind", "evidence")

OTHER = "other"
"""The label of textures that are none of the kinds, such as noise, ramps, masks and lookup tables."""
Purpose = Literal["training", "measurement"]
ALLOWED = frozenset({
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC-BY-3.0", "CC-BY-4.0", "CC0-1.0",
    "ISC", "MIT", "Unlicense", "Zlib",
})  # fmt: skip
"""Licences that allow training. The column may combine them with `and`."""

CLONE_TIMEOUT_S = 3600.0
LFS_POINTER = b"version https://git-lfs.github.com/"
_SYMLINK, _REGULAR = "120000", ("100644", "100755")


@dataclass(frozen=True)
class Repository:
    """A repository at a commit."""

    name: str
    """`OWNER/NAME` on GitHub."""
    commit: str
    sha256: str
    """See `digest_of`; empty until it is recorded."""
    licence: str
    engine: str
    purpose: Purpose

    @property
    def id(self) -> str:
        """The source of its textures, and the name of its folder in the cache."""
        return f"github-{self.name.replace('/', '+')}"

    @property
    def url(self) -> str:
        return f"https://github.com/{self.name}.git"


@dataclass(frozen=True)
class Label:
    """A texture whose kind is known."""

    path: str
    sha256: str
    kind: str
    evidence: str
    """`use`: material slots, declarations and import settings agree; `seen`: decided by looking at it."""


Clone = Callable[[Repository, Path], None]
"""Creates a bare git repository that contains the commit. Raises `SourceError` if that fails."""


def repositories(data: Path = DATA) -> list[Repository]:
    """Returns the repositories, sorted by name. Raises `SourceError` if the table is wrong."""
    found = []
    for row in read_table(data / REPOSITORIES, COLUMNS):
        name, purpose = row["repository"], row["purpose"]
        if refused := sorted(set(row["licence"].split(" and ")) - ALLOWED):
            raise SourceError(f"{name}: the licence {', '.join(refused)} doesn't allow training")
        if len(row["commit"]) != 40:
            raise SourceError(f"{name}: the commit must be 40 hexadecimal digits, not {row['commit']!r}")
        if purpose not in get_args(Purpose):
            raise SourceError(f"{name}: the purpose must be one of {', '.join(get_args(Purpose))}")
        del row["repository"]
        found.append(Repository(name, **row))
    return sorted(found, key=lambda each: each.name)


def labels(data: Path = DATA) -> dict[str, list[Label]]:
    """Returns the labels by repository. Raises `SourceError` if one is wrong."""
    found: dict[str, list[Label]] = {}
    for row in read_table(data / REPOSITORY_LABELS, LABEL_COLUMNS):
        if row["kind"] not in KINDS:
            raise SourceError(f"{REPOSITORY_LABELS}: {row['path']}: unknown kind {row['kind']!r}")
        if not is_inside(row["path"]):
            raise SourceError(f"{REPOSITORY_LABELS}: {row['path']}: the path leaves the repository")
        name = row.pop("repository")
        found.setdefault(name, []).append(Label(**row))
    return found


def digest_of(found: Iterable[Label]) -> str:
    """Returns the SHA-256 of the output of `sha256sum` for the labelled files, sorted by path."""
    lines = "".join(f"{each.sha256}  {each.path}\n" for each in sorted(found, key=lambda each: each.path))
    return hashlib.sha256(lines.encode()).hexdigest()


class RepositoryCache:
    """Clones of repositories, and the files that were unpacked from them."""

    def __init__(self, folder: Path, mirror: Path | None = None, clone: Clone | None = None) -> None:
        """`mirror` contains git repositories as `OWNER+NAME`, `OWNER/NAME` or `OWNER/NAME.git`, or in a
        folder `repo` or `.git` below."""
        self.folder = folder
        self._mirror = mirror
        self._clone = clone or clone_repository

    def git(self, repository: Repository) -> Path:
        """Returns a git directory that contains the commit, cloned if necessary. Raises `SourceError`."""
        for place in self._mirrored(repository):
            if _has_commit(place, repository.commit):
                return place
        cloned = self.folder / "git" / f"{repository.id}.git"
        if not _has_commit(cloned, repository.commit):
            cloned.parent.mkdir(parents=True, exist_ok=True)
            self._clone(repository, cloned)
            if not _has_commit(cloned, repository.commit):
                raise SourceError(f"{repository.name}: the clone has no commit {repository.commit}")
        return cloned

    def file(self, repository: Repository, path: str) -> Path:
        """Returns where `unpack` writes a path."""
        return self.folder / repository.id / path

    def paths(self, repository: Repository) -> list[str]:
        """Returns the paths of all regular files. Raises `SourceError`."""
        listed = _git(self.git(repository), "ls-tree", "-r", "-z", "--full-tree", repository.commit)
        found = []
        for line in filter(None, listed.split(b"\0")):
            about, _, path = line.partition(b"\t")
            name = path.decode("utf-8", "surrogateescape")
            if about.split()[0].decode() in _REGULAR and is_inside(name) and "\n" not in name:
                found.append(name)
        return found

    def unpack(self, repository: Repository, paths: Iterable[str]) -> list[str]:
        """Writes the files that the cache lacks, and returns the paths that can't be had: Git LFS files, and
        those that the clone lacks. Raises `SourceError`."""
        missing = [path for path in paths if not self.file(repository, path).is_file()]
        if not missing:
            return []
        absent = []
        for path, content in _contents(self.git(repository), repository.commit, missing):
            if content is None or content.startswith(LFS_POINTER):
                absent.append(path)
                continue
            file = self.file(repository, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_name(f"{file.name}.part")
            part.write_bytes(content)
            os.replace(part, file)
        return absent

    def _mirrored(self, repository: Repository) -> Iterator[Path]:
        owner, _, name = repository.name.partition("/")
        for place in (f"{owner}+{name}", f"{owner}/{name}", f"{owner}/{name}.git") if self._mirror else ():
            assert self._mirror is not None
            folder = self._mirror / place
            yield from (each for each in (folder / "repo", folder / ".git", folder) if each.is_dir())


def fetch(
    cache: RepositoryCache, purpose: Purpose, *, data: Path = DATA, only: Collection[str] = ()
) -> list[Texture]:
    """Returns the labelled textures of one purpose, unpacked, except those labelled `OTHER`.

    Raises `SourceError`, one line per repository, if a file is missing or differs from its digest.
    """
    every, problems, textures = labels(data), [], []
    known = repositories(data)
    if unknown := sorted(set(only or every) - {each.name for each in known}):
        problems.append(f"{', '.join(unknown)}: {REPOSITORIES} has no such repository")
    for repository in known:
        if repository.purpose != purpose or (only and repository.name not in only):
            continue
        found = every.get(repository.name, [])
        try:
            _check(cache, repository, found)
        except SourceError as error:
            problems.append(str(error))
            continue
        textures += [
            Texture(repository.id, each.path, cache.file(repository, each.path), kind)
            for each in found
            if (kind := _kind(each.kind))
        ]
    if problems:
        raise SourceError("\n".join(problems))
    return textures


def _kind(label: str) -> Kind | None:
    return next((kind for kind in LEARNED_KINDS if kind == label), None)


def _check(cache: RepositoryCache, repository: Repository, found: Sequence[Label]) -> None:
    if not found:
        raise SourceError(f"{repository.name}: {REPOSITORY_LABELS} has no row for it")
    if digest_of(found) != repository.sha256:
        raise SourceError(
            f"{repository.name}: {REPOSITORIES} has another sha256 than its labels. Check what changed, then "
            "write it with `python -m tools.train.repositories --record`."
        )
    if absent := cache.unpack(repository, [each.path for each in found]):
        raise SourceError(f"{repository.name}: the repository has no file {', '.join(sorted(absent))}")
    for each in found:
        with cache.file(repository, each.path).open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != each.sha256:
                raise SourceError(f"{repository.name}: {each.path} differs from its sha256")


def record_digests(data: Path = DATA) -> None:
    """Writes the digest of each repository's labels to the table."""
    found = labels(data)
    rows = read_table(data / REPOSITORIES, COLUMNS)
    for row in rows:
        row["sha256"] = digest_of(found.get(row["repository"], ()))
    write_table(data / REPOSITORIES, COLUMNS, rows)


def clone_repository(repository: Repository, folder: Path) -> None:
    """Clones the whole history; see `Clone`. Git LFS files stay pointers."""
    command = ["git", "clone", "--quiet", "--bare", repository.url, str(folder)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=CLONE_TIMEOUT_S, check=False,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"},
        )  # fmt: skip
    except FileNotFoundError:
        raise SourceError(f"{repository.name}: git isn't installed") from None
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"{repository.name}: not cloned within {CLONE_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1].rstrip(".")
        raise SourceError(f"{repository.name}: git can't clone {repository.url}: {last}")


def _git(folder: Path, *arguments: str) -> bytes:
    done = subprocess.run(["git", "--git-dir", folder, *arguments], capture_output=True, check=False)
    if done.returncode:
        raise SourceError(
            f"{folder}: git {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}"
        )
    return done.stdout


def _has_commit(folder: Path, commit: str) -> bool:
    command = ["git", "--git-dir", folder, "cat-file", "-e", f"{commit}^{{commit}}"]
    return folder.is_dir() and not subprocess.run(command, capture_output=True, check=False).returncode


def _contents(folder: Path, commit: str, paths: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
    """Yields each path with its content; None if the clone lacks it."""
    command = ["git", "--git-dir", str(folder), "cat-file", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        for path in paths:
            process.stdin.write(f"{commit}:{path}\n".encode("utf-8", "surrogateescape"))
            process.stdin.flush()
            yield path, _blob(process.stdout)
        process.stdin.close()


def _blob(stream: IO[bytes]) -> bytes | None:
    head = stream.readline().split()
    # "PATH missing"; a path may contain spaces.
    if len(head) < 3 or head[-2] not in (b"blob", b"tree", b"commit", b"tag"):
        return None
    content = stream.read(int(head[-1]))
    stream.read(1)
    return content if head[-2] == b"blob" else None


def add_mirror_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--mirror`, which every command that reads repositories has."""
    parser.add_argument(
        "--mirror", type=Path, help="folder of git repositories, OWNER+NAME, to use instead of cloning"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; 1 if a repository can't be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("name", nargs="*", help="repositories to unpack, OWNER/NAME (default: all)")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"folder (default {CACHE.name})")
    parser.add_argument("--record", action="store_true", help=f"write the digests to {REPOSITORIES} first")
    add_mirror_option(parser)
    options = parser.parse_args(arguments)
    if options.record:
        record_digests()
    cache = RepositoryCache(options.cache, options.mirror)
    counts: Mapping[str, int]
    try:
        counts = {each: len(fetch(cache, each, only=options.name)) for each in get_args(Purpose)}
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    print(", ".join(f"{count} textures for {purpose}" for purpose, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
