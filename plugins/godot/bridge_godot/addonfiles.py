"""The addon's files in a project: which of those in its folder are PopBridge's, and which somebody else's."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from bridge.api import AssetChange, write_text

ADDON = Path("addons") / "popbridge"
MANIFEST = "files.txt"
HEAD = "# Put here by PopBridge; it leaves other files in this folder alone.\n"
# Godot writes these beside an addon's files; they go when the addon's file goes.
GENERATED = (".uid", ".import")
CONFIG = "plugin.cfg"
VERSION = re.compile(rb'^(version="[^"+]*)', re.MULTILINE)
"""Where the addon's own version ends, in its configuration."""


def copy(source: Path, project: Path) -> Iterator[AssetChange]:
    """Puts the addon's files and their list into the project. Raises OSError."""
    names = of_source(source)
    for name in names:
        yield _write(project, name, _own(source, name))
    yield _write(project, MANIFEST, (HEAD + "".join(f"{name}\n" for name in names)).encode())


def remove(project: Path, names: Iterable[str]) -> Iterator[AssetChange]:
    """Removes those of `names` that are there, and what Godot wrote beside them. Raises OSError."""
    folder = project / ADDON
    for name in names:
        for file in (folder / name, *(folder / f"{name}{suffix}" for suffix in GENERATED)):
            if file.is_file():
                file.unlink()
                yield AssetChange(file.relative_to(project).as_posix(), "removed")


def remove_empty_folders(project: Path) -> None:
    """Removes the addon's folder, those in it and `addons`, where they are empty. Raises OSError."""
    folder = project / ADDON
    if not folder.is_dir():
        return
    inside = sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True)
    for path in (*inside, folder, folder.parent):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def of_source(source: Path) -> list[str]:
    """The addon's files in this installation of PopBridge."""
    found = (file.relative_to(source) for file in source.rglob("*") if file.is_file())
    return sorted(file.as_posix() for file in found if "__pycache__" not in file.parts)


def listed(project: Path) -> list[str]:
    """What an installation, perhaps an older one, wrote that it put there. Raises OSError."""
    try:
        text = (project / ADDON / MANIFEST).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [line for line in text.splitlines() if _is_inside(line)]


def version(source: Path) -> str:
    """What the addon of this installation says of itself, once it lies in a project. Raises OSError."""
    found = re.search(rb'^version="(.*)"', _own(source, CONFIG), re.MULTILINE)
    return found[1].decode() if found else ""


def _own(source: Path, name: str) -> bytes:
    """A file as it goes into a project; the version there tells also addons of one release from another."""
    data = (source / name).read_bytes()
    return VERSION.sub(rb"\1+" + _digest(source).encode(), data, count=1) if name == CONFIG else data


def _digest(source: Path) -> str:
    """Of the addon's files, 8 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in of_source(source):
        # Git may have ended the lines as Windows does.
        digest.update(name.encode() + b"\0" + (source / name).read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()[:8]


def _is_inside(name: str) -> bool:
    # The list is a file of the project: nothing that it says reaches out of the addon's folder.
    place = PurePosixPath(name)
    odd = not name or name.startswith("#") or ":" in name or "\\" in name
    return not odd and not place.is_absolute() and ".." not in place.parts


def _write(project: Path, name: str, new: bytes) -> AssetChange:
    target = project / ADDON / name
    old = target.read_bytes() if target.is_file() else None
    if old != new:
        target.parent.mkdir(parents=True, exist_ok=True)
        # In one step: an editor that is open may load it right now.
        write_text(target, new.decode("utf-8", "surrogateescape"))
    what = "created" if old is None else "unchanged" if old == new else "updated"
    return AssetChange((ADDON / name).as_posix(), what)
