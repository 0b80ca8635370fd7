"""Signed manifests of editor addons, and the comparison of a project's addon with them.

A manifest has the SHA-256 of each file that one version of PopBridge installs, and is signed (HMAC-SHA256)
with a key of this user. It lies in the data folder: in the project, each member of a team would overwrite the
signatures of the others. So the addons of all versions that this user has had are known, in any project.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import posixpath
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import msgspec
from msgspec import Struct

from accel.atomic_file import make_private_folder, replace_file
from accel.text import AnyText, text
from bridge.core.errors import UserError
from bridge.core.text import printable
from bridge.paths import Paths, write_private
from bridge.store.private_files import file_key, open_private

log = logging.getLogger(__name__)

MAX_FILE = 16 << 20
"""Maximum bytes of a file that is compared; larger ones count as changed."""
MAX_NAMED = 3
"""Number of files that messages name."""
MAX_FILES = 2000
"""Maximum number of files in an addon's folder that are looked at."""


class Manifest(Struct, frozen=True):
    """The files of one version of an addon."""

    adapter: str
    version: str
    """As the addon reports it in `identify`."""
    files: Mapping[str, str]
    """The SHA-256 in hex of each file's content with `\\n` as line break, by its path in the project."""
    sidecars: tuple[str, ...] = ()
    """Extensions of the files that the engine writes beside the addon's."""


class _Signed(Struct, frozen=True):
    manifest: msgspec.Raw
    mac: str


class Difference(Struct, frozen=True):
    """How a project's addon differs from a manifest, by paths in the project."""

    changed: Sequence[str] = ()
    missing: Sequence[str] = ()
    added: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.missing or self.added)

    @property
    def paths(self) -> list[str]:
        return [*self.changed, *self.added, *self.missing]

    @property
    def text(self) -> AnyText:
        """The names of the first files, and the number of the others, for people."""
        names = [printable(path.rpartition("/")[2]) for path in self.paths]
        shown, rest = ", ".join(names[:MAX_NAMED]), len(names) - MAX_NAMED
        return shown if rest <= 0 else text("{names} and {count} more", names=shown, count=rest)


class Manifests:
    """The manifests in the data folder."""

    def __init__(self, paths: Paths, key: Callable[[], bytes] | None = None) -> None:
        """`key` returns the key of the signatures; without it, it is in the file `addons/manifests.key`."""
        self._folder = paths.data / "addons"
        self._key = key or partial(file_key, self._folder / "manifests.key")

    def add(self, manifest: Manifest) -> None:
        """Signs and stores a manifest, unless it is known. Raises OSError and UserError."""
        known = self.find(manifest.adapter, manifest.version)
        if known == manifest:
            return
        make_private_folder(self._folder)
        if known is not None:
            # Of another commit, which projects may still have; it sorts after that of this one.
            file = self._file(manifest.adapter, manifest.version)
            number = hashlib.sha256(msgspec.json.encode(known)).hexdigest()[:16]
            replace_file(file, file.with_name(f"{file.stem}_{number}.json"))
        content = msgspec.json.encode(manifest)
        signed = _Signed(msgspec.Raw(content), self._sign(content))
        write_private(self._file(manifest.adapter, manifest.version), msgspec.json.encode(signed))

    def find(self, adapter: str, version: str) -> Manifest | None:
        """Returns the manifest of a version; None if there is none or its signature is wrong."""
        return self._read(self._file(adapter, version), adapter, version)

    def all(self, adapter: str) -> list[Manifest]:
        """Returns the manifests of all versions with a valid signature."""
        found = (self._read(file, adapter) for file in sorted(self._folder.glob("*.json")))
        return [manifest for manifest in found if manifest is not None]

    def _file(self, adapter: str, version: str) -> Path:
        return self._folder / f"{hashlib.sha256(f'{adapter} {version}'.encode()).hexdigest()[:32]}.json"

    def _read(self, file: Path, adapter: str, version: str | None = None) -> Manifest | None:
        try:
            with os.fdopen(open_private(file), "rb") as opened:
                signed = msgspec.json.decode(opened.read(MAX_FILE), type=_Signed)
            content = bytes(signed.manifest)
            if not hmac.compare_digest(self._sign(content).encode(), signed.mac.encode()):
                log.warning("%s isn't used: its signature is wrong", file)
                return None
            manifest = msgspec.json.decode(content, type=Manifest)
        except FileNotFoundError:
            return None
        except (OSError, UserError, msgspec.MsgspecError) as error:
            log.warning("%s isn't used: %s", file, error)
            return None
        # A renamed file has a valid signature, too.
        fits = manifest.adapter == adapter and version in (None, manifest.version)
        return manifest if fits else None

    def _sign(self, content: bytes) -> str:
        return hmac.digest(self._key(), b"addon:" + content, "sha256").hex()


def digest(content: bytes) -> str:
    """Returns the digest of a file's content; Git may convert line breaks."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def compare(project: Path, manifest: Manifest) -> Difference:
    """Compares the addon in a project with a manifest, without following links below the project.

    A link, or anything else that isn't a regular file, counts as changed.
    """
    changed, missing = [], []
    for path, expected in manifest.files.items():
        try:
            if digest(_read(project, path)) != expected:
                changed.append(path)
        except FileNotFoundError:
            missing.append(path)
        except OSError:
            changed.append(path)
    known = {f"{path}{extension}" for path in manifest.files for extension in ("", *manifest.sidecars)}
    folder = posixpath.commonpath([posixpath.dirname(path) for path in manifest.files] or [""])
    added = [path for path in _files(project, folder) if path not in known] if folder else []
    return Difference(changed, missing, added)


def difference(project: Path, version: str, manifests: Sequence[Manifest]) -> Difference:
    """Returns how a project's addon differs from the version that it claims to be; empty if that is unknown.

    An addon that equals any of the manifests is intact: the editor may still run the one before an update.
    """
    claimed = [manifest for manifest in manifests if manifest.version == version]
    if not claimed:
        return Difference()
    found = compare(project, claimed[0])
    if not found or any(not compare(project, other) for other in manifests if other is not claimed[0]):
        return Difference()
    return found


def save_copies(project: Path, paths: Sequence[str], folder: Path) -> list[str]:
    """Copies files of a project to the same paths in `folder`; returns the paths of those that it could read.

    Only this user can read the copies. Raises OSError if one can't be written.
    """
    done = []
    for path in paths:
        try:
            content = _read(project, path)
        except OSError:
            # A link or a device, of which nothing is lost.
            continue
        make_private_folder((folder / path).parent)
        write_private(folder / path, content)
        done.append(path)
    return done


def nearest(project: Path, manifests: Sequence[Manifest]) -> Difference:
    """Returns how a project's addon differs from the most similar version; empty if none is similar."""
    found = [(compare(project, manifest), len(manifest.files)) for manifest in manifests]
    similar = [each for each, count in found if len(each.changed) + len(each.missing) <= count // 2]
    return min(similar, key=lambda each: len(each.paths), default=Difference())


def _read(project: Path, path: str) -> bytes:
    """Raises OSError, also for links and other than regular files."""
    with _folder(project, PurePosixPath(path).parent.as_posix()) as at:
        flags = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY"))
        name = PurePosixPath(path).name
        place, descriptor = (at / name, None) if isinstance(at, Path) else (name, at)
        _check_no_link(place)
        with os.fdopen(os.open(place, os.O_RDONLY | flags, dir_fd=descriptor), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError("not a regular file")
            content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise OSError("too large")
    return content


def _files(project: Path, folder: str) -> Iterator[str]:
    """Yields the paths of all that isn't a folder, links included, below a folder of a project."""
    waiting, count = [folder], 0
    while waiting:
        current = waiting.pop()
        try:
            with _folder(project, current) as at, os.scandir(at) as entries:
                found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
        except OSError:
            # A junction, or a folder that can't be read.
            found = []
            if current != folder:
                yield current
        for name, is_folder in found:
            count += 1
            if count > MAX_FILES:
                return
            if is_folder:
                waiting.append(f"{current}/{name}")
            else:
                yield f"{current}/{name}"


@contextlib.contextmanager
def _folder(project: Path, path: str) -> Iterator[Path | int]:
    """Opens a folder below a project, without following links. Raises OSError."""
    parts = PurePosixPath(path).parts
    if sys.platform == "win32":
        for depth in range(len(parts)):
            _check_no_link(project.joinpath(*parts[: depth + 1]))
        yield project.joinpath(*parts)
        return
    opened = os.open(project, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            inner = os.open(part, flags, dir_fd=opened)
            os.close(opened)
            opened = inner
        yield opened
    finally:
        os.close(opened)


def _check_no_link(path: Path | str) -> None:
    """Raises OSError for a symbolic link or junction on Windows, where opening it would follow it."""
    if sys.platform == "win32":
        info = os.lstat(path)
        # IsReparseTagNameSurrogate; files of OneDrive have reparse points of other kinds.
        if stat.S_ISLNK(info.st_mode) or info.st_reparse_tag & 0x2000_0000:
            raise OSError("a link")
