"""Reads files from package archives and from archives nested in them: deb, tar, zip and binary glTF."""

from __future__ import annotations

import io
import json
import lzma
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

READ_ERRORS = (
    OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, tarfile.TarError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip
"""The exceptions that a damaged archive may raise."""

NESTED_SUFFIXES = frozenset({".glb", ".jar", ".love", ".pk3", ".pk4", ".zip"})
"""Suffixes of nested archives that hold textures."""

Opener = Callable[[], IO[bytes] | None]
"""Opens a member; None for a link whose target isn't in the archive."""


def extract(archive: Path, paths: set[str], folder: Path) -> None:
    """Writes the files at `paths` to `folder`; paths that the archive lacks are skipped.

    `maps.pk3!wall/stone.tga` is the file `wall/stone.tga` of the nested archive `maps.pk3`; see
    `extracted_file` for where it is written. An image in a binary glTF file is `model.glb!image0.png`.
    Raises one of `READ_ERRORS` if the archive is damaged, and `ValueError` for a path that leaves `folder`.
    """
    if unsafe := [path for path in sorted(paths) if not is_inside(path)]:
        raise ValueError(f"{unsafe[0]}: the path leaves the package")
    for name, open_member in _members(archive):
        nested = {path.removeprefix(f"{name}!") for path in paths if path.startswith(f"{name}!")}
        if (name in paths or nested) and (stream := open_member()):
            with stream, tempfile.TemporaryDirectory(dir=archive.parent) as temporary:
                _write(stream, file := Path(temporary) / "nested" if nested else folder / name)
                if nested:
                    extract(file, nested, folder / f"{name}!")


def extracted_file(path: str, folder: Path) -> Path:
    """Returns the file that `extract` writes for a path."""
    return folder / path.replace("!", "!/")


def list_files(archive: Path) -> list[str]:
    """Returns the paths of all files, those of nested archives included, as `extract` takes them.

    Damaged nested archives are skipped. Raises one of `READ_ERRORS` if the archive itself is damaged.
    """
    paths = []
    for name, open_member in _members(archive):
        if PurePosixPath(name).suffix.lower() not in NESTED_SUFFIXES:
            paths.append(name)
        elif stream := open_member():
            with stream, tempfile.TemporaryDirectory(dir=archive.parent) as temporary:
                _write(stream, file := Path(temporary) / "nested")
                with suppress(*READ_ERRORS):
                    paths += [f"{name}!{nested}" for nested in list_files(file)]
    return paths


def is_inside(path: str) -> bool:
    """Whether a path, nested archives included, stays below the folder it is extracted to."""
    posix, windows = PurePosixPath(path.replace("!", "!/")), PureWindowsPath(path)
    return ".." not in (*posix.parts, *windows.parts) and not (posix.is_absolute() or windows.anchor)


def _members(archive: Path) -> Iterator[tuple[str, Opener]]:
    """Yields the files of an archive in its order."""
    if archive.suffix == ".deb":
        yield from _deb_members(archive)
    elif _magic(archive) == b"glTF":
        yield from _glb_members(archive)
    elif tarfile.is_tarfile(archive):
        yield from _tar_members(archive)
    else:
        yield from _zip_members(archive)


def _deb_members(archive: Path) -> Iterator[tuple[str, Opener]]:
    with tempfile.TemporaryDirectory(dir=archive.parent) as temporary:
        contents = Path(temporary) / "contents.tar"
        with contents.open("wb") as stream:
            subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], stdout=stream, check=False)
        yield from _tar_members(contents)


def _tar_members(archive: Path) -> Iterator[tuple[str, Opener]]:
    with tarfile.open(archive) as opened:
        for info in opened:
            # Links are resolved within the archive; none is created on disk.
            if info.isfile() or info.issym() or info.islnk():
                yield _normalise(info.name), partial(_open_tar_member, opened, info)


def _open_tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes] | None:
    try:
        return archive.extractfile(info)
    except KeyError:
        return None


def _zip_members(archive: Path) -> Iterator[tuple[str, Opener]]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if not info.is_dir():
                yield _normalise(info.filename), partial(opened.open, info)


def _magic(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(4)


def _glb_members(model: Path) -> Iterator[tuple[str, Opener]]:
    """Yields the images in a binary glTF 2.0 file (section 4.4 of the specification), as `image0.png`."""
    data = model.read_bytes()
    size = int.from_bytes(data[12:16], "little")
    scene, binary = json.loads(data[20 : 20 + size]), data[28 + size :]
    for number, image in enumerate(scene.get("images", [])):
        if "bufferView" in image:
            view = scene["bufferViews"][image["bufferView"]]
            start = view.get("byteOffset", 0)
            suffix = image["mimeType"].removeprefix("image/").replace("jpeg", "jpg")
            yield f"image{number}.{suffix}", partial(io.BytesIO, binary[start : start + view["byteLength"]])


def _normalise(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _write(stream: IO[bytes], file: Path) -> None:
    # Atomic: an interrupted run leaves no truncated texture.
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    with part.open("wb") as out:
        shutil.copyfileobj(stream, out)
    os.replace(part, file)
