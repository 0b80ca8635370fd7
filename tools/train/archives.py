"""Files out of the archives that packages are, and of archives within them: deb, tar, zip, binary glTF."""

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

NESTED = "!/"
"""Ends the name of the folder that holds what a nested archive contains."""
UNREADABLE = (
    OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, tarfile.TarError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip
"""What a damaged archive may raise."""

ARCHIVES = frozenset({".glb", ".jar", ".love", ".pk3", ".pk4", ".zip"})
"""Endings of archives that hold textures within packages."""

Opener = Callable[[], IO[bytes] | None]
"""Gives nothing for a link to what isn't in the archive."""


def unpack(archive: Path, paths: set[str], folder: Path) -> None:
    """Writes those files of an archive to `folder`; what isn't in it is passed over.

    `maps.pk3!wall/stone.tga` is the file `wall/stone.tga` of the archive `maps.pk3` in this one, and is
    written to `maps.pk3!/wall/stone.tga`. An image in a binary glTF file is `model.glb!image0.png`.
    Raises one of `UNREADABLE` if the archive can't be read, and `ValueError` for a path that leads out.
    """
    if outside := [path for path in sorted(paths) if not inside(path)]:
        raise ValueError(f"{outside[0]}: it leads out of the package")
    for name, opened in _members(archive):
        inner = {path.removeprefix(f"{name}!") for path in paths if path.startswith(f"{name}!")}
        if (name in paths or inner) and (stream := opened()):
            with stream, tempfile.TemporaryDirectory(dir=archive.parent) as room:
                _write(stream, file := Path(room) / "nested" if inner else folder / name)
                if inner:
                    unpack(file, inner, folder / f"{name}!")


def listed(archive: Path) -> list[str]:
    """The paths of all files, those of archives within it too, as `unpack` takes them. A damaged archive
    within it has none; raises one of `UNREADABLE` if this one can't be read."""
    found = []
    for name, opened in _members(archive):
        if PurePosixPath(name).suffix.lower() not in ARCHIVES:
            found.append(name)
        elif stream := opened():
            with stream, tempfile.TemporaryDirectory(dir=archive.parent) as room:
                _write(stream, file := Path(room) / "nested")
                with suppress(*UNREADABLE):
                    found += [f"{name}!{inner}" for inner in listed(file)]
    return found


def inside(path: str) -> bool:
    """Whether a path in an archive, of an archive within it too, stays below the folder that it goes to."""
    posix, windows = PurePosixPath(path.replace("!", NESTED)), PureWindowsPath(path)
    return ".." not in (*posix.parts, *windows.parts) and not (posix.is_absolute() or windows.anchor)


def _members(archive: Path) -> Iterator[tuple[str, Opener]]:
    """The files of a deb, tar, zip or glb in their order, with what opens each."""
    if archive.suffix == ".deb":
        yield from _deb_members(archive)
    elif _magic(archive) == b"glTF":
        yield from _glb_members(archive)
    elif tarfile.is_tarfile(archive):
        yield from _tar_members(archive)
    else:
        yield from _zip_members(archive)


def _deb_members(archive: Path) -> Iterator[tuple[str, Opener]]:
    with tempfile.TemporaryDirectory(dir=archive.parent) as room:
        contents = Path(room) / "contents.tar"
        with contents.open("wb") as stream:
            subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], stdout=stream, check=False)
        yield from _tar_members(contents)


def _tar_members(archive: Path) -> Iterator[tuple[str, Opener]]:
    with tarfile.open(archive) as opened:
        for info in opened:
            # Links are read within the archive: none is ever made on the disk.
            if info.isfile() or info.issym() or info.islnk():
                yield _plain(info.name), partial(_linked, opened, info)


def _linked(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes] | None:
    try:
        return archive.extractfile(info)
    except KeyError:
        return None


def _zip_members(archive: Path) -> Iterator[tuple[str, Opener]]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if not info.is_dir():
                yield _plain(info.filename), partial(opened.open, info)


def _magic(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(4)


def _glb_members(model: Path) -> Iterator[tuple[str, Opener]]:
    """The images within a binary glTF 2.0 file, as `image0.png`; its layout is in section 4.4 of glTF 2.0."""
    data = model.read_bytes()
    size = int.from_bytes(data[12:16], "little")
    scene, binary = json.loads(data[20 : 20 + size]), data[28 + size :]
    for number, image in enumerate(scene.get("images", [])):
        if "bufferView" in image:
            view = scene["bufferViews"][image["bufferView"]]
            start = view.get("byteOffset", 0)
            ending = image["mimeType"].removeprefix("image/").replace("jpeg", "jpg")
            yield f"image{number}.{ending}", partial(io.BytesIO, binary[start : start + view["byteLength"]])


def _plain(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _write(stream: IO[bytes], file: Path) -> None:
    """Writes whole or not at all, so that a broken run leaves no half texture."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    with part.open("wb") as out:
        shutil.copyfileobj(stream, out)
    os.replace(part, file)
