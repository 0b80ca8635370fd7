"""A project's textures as Godot sees them: which files they are, and how each is imported."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from bridge.api import TextureAsset, hidden, text, walk
from bridge_godot.configfile import ConfigText
from bridge_godot.importfile import SUFFIX, TEXTURE, ImportFile

RES = "res://"
SECOND_NS = 1_000_000_000
# A vector drawing has no pixels to judge.
IMAGES = (".bmp", ".dds", ".exr", ".hdr", ".jpeg", ".jpg", ".ktx", ".png", ".tga", ".webp")
"""The files that Godot takes for textures, in lower case."""
AS_THEY_ARE = (".dds", ".ktx")
"""Those that it loads without an import."""


def textures(project: Path) -> Iterator[TextureAsset]:
    """Each texture of the project, folder by folder; what is imported as something else is passed over."""
    for found in walk(project, ignored):
        if found.problem:
            yield TextureAsset(RES + found.file, found.file, problem=found.problem)
        elif found.file.lower().endswith(IMAGES) and (asset := texture(project, found.file)):
            yield asset


def ignored(folder: str, names: Collection[str]) -> bool:
    """Whether Godot passes over a folder: a hidden one, one that says so, or a project of its own."""
    return hidden(folder, names) or ".gdignore" in names or "project.godot" in names


def texture(project: Path, file: str) -> TextureAsset | None:
    """One of them; None where it is imported as something else. A file without settings has no options."""
    path = project / (file + SUFFIX)
    try:
        settings = ImportFile(path, ConfigText.read(path))
    except FileNotFoundError:
        return TextureAsset(RES + file, file, as_is=file.lower().endswith(AS_THEY_ARE))
    except OSError as error:
        return TextureAsset(
            RES + file,
            file,
            problem=text("{path} can't be read ({strerror})", path=path.name, strerror=error.strerror),
        )
    if problem := settings.problem():
        return TextureAsset(RES + file, file, problem=problem, broken=settings.is_merged)
    if settings.importer != TEXTURE:
        return None
    options = {name: str(v) if isinstance(v, str) else v for name, v in settings.options().items()}
    return TextureAsset(RES + file, file, options)


def written(project: Path, file: str) -> int:
    """When a texture's settings were written, seconds since 1970; 0 where there are none."""
    try:
        return (project / (file + SUFFIX)).stat().st_mtime_ns // SECOND_NS
    except (OSError, ValueError):
        return 0


def forget_import(project: Path, file: str, before: int) -> None:
    """Has Godot import a texture anew when it opens the project next; `before` is when its settings had been
    `written` before they were changed.

    Beside what it made of the texture it keeps the digest of the texture alone, not of the settings. And it
    compares times by whole seconds: what changes in the second of the import itself would go unseen.
    """
    if written(project, file) <= before:
        later = (before + 1) * SECOND_NS
        with contextlib.suppress(OSError):
            os.utime(project / (file + SUFFIX), ns=(later, later))
    digest = hashlib.md5((RES + file).encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
    name = f"{file.rpartition('/')[2]}-{digest}.md5"
    for folder in (".import", ".godot/imported"):
        with contextlib.suppress(OSError):
            (project / folder / name).unlink()
