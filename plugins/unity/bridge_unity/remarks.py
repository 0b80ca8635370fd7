"""Remarks specific to Unity: on import settings, missing `.meta` files and orphaned ones."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from bridge.api import ImageFacts, Kind, Remark, plural, text, walk
from bridge_unity import projects
from bridge_unity.gpu_memory import gpu_memory
from bridge_unity.metafile import SUFFIX
from bridge_unity.texture_intent import kind_of

MIB = 1 << 20
MIN_COPY = MIB
"""Bytes of a copy in main memory that are worth a remark."""
MIN_TEXELS = 64 * 64
"""Smaller textures may be placeholders for a missing map."""
ABOUT_HEIGHTS = text(
    "Grey image in a slot for normal maps. From a height map, Unity computes normals with Create from "
    "Grayscale."
)
TITLE_HEIGHTS = plural("{n} grey image is used as a normal map", "{n} grey images are used as normal maps", 1)
SHORT_HEIGHTS = text("Grey as normal map")
HEIGHTS = Remark(
    "unity.heights_as_normals",
    "error",
    text(
        "Grey image that materials use as a normal map. If it is a height map, import it as a Normal map "
        "with Create from Grayscale; otherwise assign another texture."
    ),
    ABOUT_HEIGHTS,
    TITLE_HEIGHTS,
    SHORT_HEIGHTS,
)
MAYBE_HEIGHTS = Remark(
    HEIGHTS.code,
    "note",
    text(
        "Grey image in a material slot that usually holds a normal map. If the shader reads normals "
        "there, and this is a height map, import it as a Normal map with Create from Grayscale."
    ),
    ABOUT_HEIGHTS,
    TITLE_HEIGHTS,
    SHORT_HEIGHTS,
)
"""For unknown shaders, which may expect a height map there."""
ABOUT_READABLE = text(
    "Read/Write keeps a copy of the texture in main memory, for scripts that read its pixels."
)
ABOUT_META = text(
    "Unity keeps a texture's GUID and import settings in the `.meta` file beside it. Without it they differ "
    "from machine to machine, and references by GUID break."
)
ABOUT_ORPHANED = text(
    "A `.meta` file without its texture. Move or delete a texture together with its `.meta`, or references "
    "by GUID break."
)


def remarks(options: Mapping[str, Any], facts: ImageFacts, used_as: Collection[Kind]) -> Iterator[Remark]:
    """Yields the remarks on a texture with these settings; `--fix` never acts on them."""
    if "normal" in used_as and _has_heights(facts) and kind_of(options) != "height":
        yield MAYBE_HEIGHTS if "height" in used_as else HEIGHTS
    copy = gpu_memory(options, facts, "desktop") or 0
    # Unity requires it for mouse cursors.
    if options.get("isReadable") is True and options.get("textureType") != "Cursor" and copy >= MIN_COPY:
        yield _readable(f"{copy / MIB:.1f} MiB")


def _has_heights(facts: ImageFacts) -> bool:
    """Whether it can only contain heights; grey with alpha may be two axes of a normal map."""
    return facts.grey and not facts.alpha and facts.width * facts.height >= MIN_TEXELS


def _readable(size: str) -> Remark:
    # "Internally, Unity uses a copy of the Texture data for script access, which doubles the amount of
    # memory required for the Texture" (Unity's manual, Read/Write)
    return Remark(
        "unity.readable",
        "note",
        text(
            "Read/Write is on: a copy for scripts uses {size} of main memory. Switch it off if no script "
            "reads the pixels.",
            size=size,
        ),
        ABOUT_READABLE,
        plural("{n} texture keeps a copy in main memory", "{n} textures keep copies in main memory", 1),
        text("Read/Write is on"),
    )


NO_META = "unity.no_meta"
ORPHANED_META = "unity.orphaned_meta"
TITLE_NO_META = plural("{n} texture lacks its .meta file", "{n} textures lack their .meta files", 1)
SHORT_NO_META = text("No .meta file")
STREAMING_ASSETS = "Assets/StreamingAssets/"
"""Files that are copied into the game unchanged; they aren't assets."""


class MetaFileChecks:
    """Finds textures without their `.meta` file, and `.meta` files without their texture."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._package = projects.is_package(project)
        # Textures come folder by folder, and all of a folder may lack theirs.
        self._names = lru_cache(1)(_names_by_case)

    def needs_none(self, file: str) -> bool:
        """Whether Unity creates no `.meta` for this file, as it isn't an asset."""
        return file.startswith(STREAMING_ASSETS) or not self._imported(file)

    def missing(self, file: str) -> Sequence[Remark]:
        """Returns the remark on a texture without a `.meta`; none if no file of the project has one."""
        if self.needs_none(file) or not self._has_meta_files:
            return ()
        name = file.rpartition("/")[2] + SUFFIX
        if other := self._in_other_case(file, name):
            return (_renamed(name, other),)
        return (_missing(name, self._package),)

    def orphaned(self, meta: str, file: str) -> Sequence[Remark]:
        """Returns the remark on the `.meta` of `file`; none if that exists, also in another case."""
        if os.path.lexists(self._project / file) or not (self._package or self._is_in_assets(file)):
            return ()
        names = self._names((self._project / file).parent)
        metas = names.get(meta.rpartition("/")[2].casefold(), ())
        name = file.rpartition("/")[2]
        # `missing` reports it for that file.
        if any(own + SUFFIX not in metas for own in names.get(name.casefold(), ())):
            return ()
        return (_orphaned(name, self._package),)

    def _imported(self, file: str) -> bool:
        """Whether Unity imports the file; in a package, only folders with a `.meta` are imported."""
        parents = [folder.as_posix() for folder in PurePosixPath(file).parents][:-1]
        if self._package:
            # Folders without one are for readers, such as the pictures of `docs`.
            return any((self._project / (folder + SUFFIX)).is_file() for folder in parents)
        return self._is_in_assets(file)

    def _is_in_assets(self, file: str) -> bool:
        """Whether a file of a project is in `Assets` or in a package."""
        if not file.startswith("Packages/"):
            return True
        parts = file.split("/")
        return len(parts) > 2 and (self._project.joinpath(*parts[:2]) / projects.PACKAGE_FILE).is_file()

    def _in_other_case(self, file: str, name: str) -> str | None:
        names = self._names((self._project / file).parent)
        own = names.get(name.removesuffix(SUFFIX).casefold(), ())
        others = (other for other in names.get(name.casefold(), ()) if other != name)
        # It may belong to another texture whose name differs in case.
        return next((other for other in others if other.removesuffix(SUFFIX) not in own), None)

    @cached_property
    def _has_meta_files(self) -> bool:
        # Only needed if one is missing; usually the first folder has another.
        found = walk(self._project, projects.skip(self._project))
        return any(each.file.endswith(SUFFIX) for each in found)


def _names_by_case(folder: Path) -> Mapping[str, list[str]]:
    """Returns a folder's names by their case-folded name; nothing if it can't be listed."""
    names: dict[str, list[str]] = {}
    try:
        for name in os.listdir(folder):
            names.setdefault(name.casefold(), []).append(name)
    except OSError:
        return {}
    return names


def _renamed(meta: str, other: str) -> Remark:
    return Remark(
        NO_META,
        "error",
        text(
            "`{other}` differs from the texture's name in case. On systems that distinguish case, such as "
            "Linux, Unity gives the texture another GUID and default settings. Rename it to `{meta}`.",
            other=other,
            meta=meta,
        ),
        ABOUT_META,
        TITLE_NO_META,
        SHORT_NO_META,
    )


def _orphaned(texture: str, package: bool) -> Remark:
    if package:
        sentence = text(
            "Its texture `{texture}` is missing. Unity warns of that in each project with the package. "
            "Remove this file from version control, or restore the texture.",
            texture=texture,
        )
    else:
        sentence = text(
            "Its texture `{texture}` is missing. Unity warns of that and deletes this file. Remove it from "
            "version control, or restore the texture.",
            texture=texture,
        )
    return Remark(
        ORPHANED_META,
        "note",
        sentence,
        ABOUT_ORPHANED,
        plural("{n} .meta file has no texture", "{n} .meta files have no texture", 1),
        text("No texture"),
    )


def _missing(meta: str, package: bool) -> Remark:
    if package:
        sentence = text(
            "`{meta}` is missing, so Unity ignores the texture where the package is installed. Open a "
            "project that embeds the package in Unity once, and commit the file.",
            meta=meta,
        )
    else:
        sentence = text(
            "`{meta}` is missing, so each machine gives the texture another GUID and other settings, and "
            "references break. Open the project in Unity once, and commit the file.",
            meta=meta,
        )
    return Remark(NO_META, "error", sentence, ABOUT_META, TITLE_NO_META, SHORT_NO_META)
