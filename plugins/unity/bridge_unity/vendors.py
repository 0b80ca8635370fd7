"""Finds the textures whose import settings the editor scripts of an asset package write.

Such a script (`AssetPostprocessor.OnPreprocessTexture`, or one that sets a `TextureImporter`'s properties and
reimports) would undo another change or stop working. A package is the folder around a folder named `Editor`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from bridge.api import Skip, walk

EDITOR = "Editor"
SCRIPT_SUFFIX = ".cs"
OWN_FOLDERS = frozenset({"", "Assets", "Packages"})
"""Folders around the project's own `Editor` folder, whose scripts are known to its authors."""
MAX_SCRIPT = 1 << 18
"""Bytes read of a script."""

_SETTINGS = re.compile(
    rb"\.(?:isReadable|sRGBTexture|mipmapEnabled|textureType|textureCompression|maxTextureSize|filterMode"
    rb"|wrapMode|npotScale|alphaSource)\s*=[^=]"
)


class EditorScripts:
    """The folders of editor scripts that a walk through a project passes by."""

    def __init__(self, project: Path, skip: Skip) -> None:
        self._project = project
        self._skip = skip
        self._folders: list[str] = []

    def skip(self, folder: str, names: Collection[str]) -> bool:
        """Returns whether to skip a folder, and remembers it if it has editor scripts."""
        if not self._skip(folder, names):
            return False
        package, _, own = folder.rpartition("/")
        if own == EDITOR and package not in OWN_FOLDERS:
            self._folders.append(folder)
        return True

    def owners(self, images: Collection[str]) -> dict[str, str]:
        """Returns the package whose scripts write its settings, by those of the `images` that have one."""
        packages = {folder.removesuffix(EDITOR): folder for folder in self._folders}
        if not packages:
            return {}
        inside = {image: package for image in images if (package := _package(image, packages))}
        # A folder with most of the textures is the game's own, whose authors know its scripts.
        counts = Counter(inside.values())
        others = [package for package, count in counts.items() if 2 * count <= len(images)]
        writers = {package for package in others if self._writes(packages[package])}
        return {image: package.rstrip("/") for image, package in inside.items() if package in writers}

    def _writes(self, folder: str) -> bool:
        """Whether a script in the folder writes import settings of textures."""
        for item in walk(self._project / folder):
            if item.problem or not item.file.endswith(SCRIPT_SUFFIX):
                continue
            try:
                with (self._project / folder / item.file).open("rb") as file:
                    text = file.read(MAX_SCRIPT)
            except OSError:
                continue
            if b"OnPreprocessTexture" in text:
                return True
            if b"TextureImporter" in text and b"SaveAndReimport" in text and _SETTINGS.search(text):
                return True
        return False


def _package(image: str, packages: Collection[str]) -> str:
    """Returns the innermost of the packages that an image is in; empty if there is none."""
    at = image.rfind("/")
    while at > 0:
        if (folder := image[: at + 1]) in packages:
            return folder
        at = image.rfind("/", 0, at)
    return ""
