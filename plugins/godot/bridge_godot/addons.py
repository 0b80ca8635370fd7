"""Finds the textures of a Godot project that its addons own: advice on their settings would break the addon.

An addon owns the textures in its own folder. One whose scripts write import settings, as terrain editors do,
also owns those beside its data files and those in resources with its scripts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from bridge_godot.resource_file import Block

ADDONS = "addons/"
DESCRIPTIONS = ("/plugin.cfg", ".gdextension", ".gdnlib")
"""Names of files that make a folder an addon with code; asset packs have none."""
SCRIPTS = (".gd", ".cs")
COMMON = frozenset({
    "ase", "blend", "bmp", "bin", "cfg", "cs", "csproj", "csv", "dae", "dds", "dll", "exr", "fbx", "font",
    "fnt", "gd", "gdshader", "gdshaderinc", "glb", "gltf", "gdextension", "gdnlib", "hdr", "html", "import",
    "jpeg", "jpg", "json", "kra", "ktx", "lib", "material", "md", "mesh", "mp3", "mtl", "obj", "ogg", "otf",
    "po", "pot", "png", "psd", "res", "scn", "shader", "so", "svg", "tga", "theme", "translation", "tres",
    "tscn", "ttf", "txt", "uid", "wav", "webp", "woff", "woff2", "xcf", "xml", "zip",
})  # fmt: skip
"""Extensions of files that aren't an addon's own data, although its scripts may name them."""
MAX_SCRIPT = 1 << 18
"""Bytes read of a script."""

_QUOTED_EXTENSION = re.compile(rb'"(?:\w*\.)?([a-z][a-z0-9_]{1,23})"')


class Addons:
    """The files of a project that say which textures its addons own."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._folders: set[str] = set()
        """The folders of addons with code, with `/` at the end."""
        self._scripts: list[str] = []
        self._data: dict[str, set[str]] = {}
        """Folders by the extension of a file in them."""
        self._resources: list[tuple[str, list[str]]] = []
        """The addon's script of a resource, and the files that the resource refers to."""

    def add(self, file: str) -> None:
        """Adds a file below the project that is neither an image nor a resource."""
        folder, _, name = file.rpartition("/")
        extension = name.rpartition(".")[2]
        if extension not in COMMON:
            self._data.setdefault(extension, set()).add(folder)
        if file.startswith(ADDONS):
            if file.endswith(DESCRIPTIONS):
                self._folders.add(f"{folder}/")
            elif name.endswith(SCRIPTS):
                self._scripts.append(file)

    def add_resource(self, block: Block) -> None:
        """Adds a part of a resource, which may have an addon's script."""
        script = next((used.path for key, used in block.files if key == "script"), "")
        if script.startswith(ADDONS):
            self._resources.append((script, [used.path for _, used in block.files]))

    def owners(self, images: Iterable[str]) -> dict[str, str]:
        """Returns the folder of the addon that owns each of the `images`, by those that have one."""
        if not self._folders:
            return {}
        places: dict[str, str] = {}
        writers: set[str] = set()
        for script in self._scripts:
            if (owner := self._owner(script)) and (names := self._data_extensions(script)) is not None:
                writers.add(owner)
                for extension in names & self._data.keys():
                    places.update(dict.fromkeys(self._data[extension], owner))
        owned = {
            file: owner
            for script, files in self._resources
            if (owner := self._owner(script)) in writers
            for file in files
        }
        found: dict[str, str] = {}
        for image in images:
            folder = image.rpartition("/")[0]
            if by := self._owner(image) or places.get(folder) or owned.get(image):
                found[image] = by.rstrip("/")
        return found

    def _owner(self, file: str) -> str:
        """Returns the innermost addon's folder that `file` is in; empty if there is none."""
        if not file.startswith(ADDONS):
            return ""
        above = [folder for folder in self._folders if file.startswith(folder)]
        return max(above, key=len, default="")

    def _data_extensions(self, script: str) -> set[str] | None:
        """Returns the words in a script that may be extensions; None if it doesn't write import settings."""
        try:
            with (self._project / script).open("rb") as file:
                text = file.read(MAX_SCRIPT)
        except OSError:
            return None
        if b".import" not in text or b'"params"' not in text:
            return None
        return {word.decode() for word in _QUOTED_EXTENSION.findall(text)} - COMMON
