"""Textures of packages that nobody labelled: they lie around the labelled ones, as in any project."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Container, Iterable, Sequence
from pathlib import Path, PurePosixPath

from accel.image.suffixes import SUFFIXES
from tools.train.archives import NESTED, inside, listed, unpack

MOST = 200
"""Of one package; of more, by chance: those whose paths have the lowest SHA-256."""
ENDINGS = {".jpeg", ".tiff"} | {
    ending for name, ending in SUFFIXES.items() if name.startswith("image/") and ending != ".svg"
}
"""Of the files that are taken for textures."""
_LIST = "unlabelled.json"
"""In a package's folder: the paths of those that were brought."""


def chosen(paths: Iterable[str], labelled: Container[str]) -> list[str]:
    """Of all files of a package."""
    textures = {
        path
        for path in paths
        if PurePosixPath(path).suffix.lower() in ENDINGS and path not in labelled and inside(path)
    }
    return sorted(sorted(textures, key=_chance)[:MOST])


def bring(archive: Path, labelled: Container[str], folder: Path) -> None:
    """Unpacks those of a package and lists them. Raises one of `archives.UNREADABLE`."""
    paths = chosen(listed(archive), labelled)
    unpack(archive, set(paths), folder)
    there = [path for path in paths if lies(path, folder).is_file()]
    part = folder / f"{_LIST}.part"
    part.write_text(json.dumps(there, indent=0), encoding="utf-8", newline="\n")
    os.replace(part, folder / _LIST)


def brought(folder: Path) -> Sequence[str] | None:
    """The paths of those in a package's folder; None where they were never brought."""
    try:
        found: list[str] = json.loads((folder / _LIST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def lies(path: str, folder: Path) -> Path:
    """Where a path of a package lies, in the package's folder."""
    return folder / path.replace("!", NESTED)


def _chance(path: str) -> bytes:
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).digest()
