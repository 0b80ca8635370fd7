"""Reads import settings back from a project's files, independently of who changed them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from bridge.api import ProjectSupport, TextureAsset
from bridge.host import isolation, validation

log = logging.getLogger(__name__)


def file_of(path: str) -> str:
    """Returns the likely file, below the root, of an engine's path such as `res://art/rock.png`.

    For an object's path, such as `/Game/Art/Rock.Rock`, it is the name that advice and rules use:
    `Game/Art/Rock`.
    """
    _, mark, below = path.partition("://")
    if mark:
        return below
    if not path.startswith("/"):
        return path
    return asset_path(path).lstrip("/")


def asset_name(path: str, file: str = "") -> str:
    """Returns an asset's name for people: `T_Rock` for the object `/Game/Art/T_Rock.T_Rock`, else that of its
    file.

    `path` is the engine's name for it, `file` its file below the root, if that is known.
    """
    is_object = path.startswith("/") and asset_path(path) != path
    return (file_of(path) if is_object or not file else file).rpartition("/")[2]


def asset_path(path: str) -> str:
    """Returns an engine's path for people: an object's has its name only once."""
    package, _, name = path.rpartition(".")
    return package if path.startswith("/") and package.rpartition("/")[2] == name else path


def read_settings(
    support: ProjectSupport | None, root: Path | None, files: Mapping[str, str]
) -> dict[str, Mapping[str, Any]]:
    """Returns the import settings as they are in the project's files now, by the engine's path.

    `files` are the files below `root` by the engine's path. Missing from the result: what isn't a texture of
    that path, has no settings, or can't be read, as in a project that isn't on this machine.
    """
    if support is None or root is None or not files:
        return {}
    # Paths come from editors: nothing outside the project is read.
    files = {path: file for path, file in files.items() if not leads_out(file)}
    found: dict[str, Mapping[str, Any]] = {}
    try:
        for asset in _assets(support, root, files):
            if asset.path in files and asset.options is not None:
                found[asset.path] = dict(asset.options)
    # An adapter is a plugin; without an observation the report counts, and receipts say so.
    except (Exception, SystemExit) as error:
        log.warning("%s: can't read its import settings: %s", root, isolation.describe(error))
    return found


def leads_out(file: str) -> bool:
    """Whether a path isn't below the folder that it is relative to."""
    place = PurePath(file)
    return bool(place.anchor) or ".." in place.parts


def _assets(support: ProjectSupport, root: Path, files: Mapping[str, str]) -> Iterator[TextureAsset]:
    # Supports made for 0.1.0 lack `texture`.
    is_listed = not hasattr(support, "texture")
    listed: Iterable[TextureAsset | None] = (
        support.textures(root) if is_listed else (support.texture(root, file) for file in files.values())
    )
    for asset in listed:
        if asset is not None:
            validation.check_texture(asset)
            yield asset
