"""The textures of an Unreal project, as far as its files tell without the editor.

A texture is a `.uasset`. Its header names the source file; if that is in the project, the texture is checked
with its pixels, else by its header alone. Images of source art that no asset names are checked as files.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from msgspec import Struct

from bridge.api import AnyText, Remark, TextureAsset, is_hidden, is_merged, text, walk
from bridge_unreal.config_file import config_files, read_config, read_lines, texture_groups, turns_on
from bridge_unreal.package_header import HeaderError, is_pointer, read_header
from bridge_unreal.remarks import CHANGED, folder_names, group_remarks, header_remarks, unread_remark
from bridge_unreal.texture_header import KIND, TextureHeader, texture_header
from bridge_unreal.texture_intent import GROUP

ASSET = ".uasset"
CONTENT = "Content"
IMAGES = (".bmp", ".dds", ".exr", ".hdr", ".jpeg", ".jpg", ".png", ".psd", ".tga", ".tif", ".tiff")
"""Extensions of images that Unreal imports as textures."""
OUTPUT = frozenset({"binaries", "build", "deriveddatacache", "intermediate", "saved"})
"""Folders that Unreal writes, of a project and of each plugin."""
AS_FILES = frozenset({"movies", "slate", "splash"})
"""Folders of `Content` whose images are used as files."""
SOURCES = frozenset({
    "sourceart", "artsource", "sourceassets", "sourcetextures", "sourcefiles", "rawart", "rawassets",
    "rawcontent", "raw", "art", "textures",
})  # fmt: skip
"""Names of folders with source art, without `_`, `-` and spaces, in lower case."""
_TEXTURE_NAME = re.compile(r"T_\w+", re.IGNORECASE)
MAX_DIGEST_BYTES = 64 << 20
"""Larger source files aren't compared with what was imported."""
NO_SOURCE = text(
    "their source files aren't in the project. The editor reads their pixels and other settings: "
    "`popbridge audit --with-editor`"
)
SHARED_SOURCE = text("others have the same source file, with whose settings it is checked")
READ_ONLY = text(
    "import settings are in `.uasset` files, which only Unreal's editor writes; open the project there"
)


class _Texture(Struct, frozen=True):
    file: str
    header: TextureHeader


class _Files(Struct):
    assets: list[str] = []
    images: list[str] = []
    plugins: dict[str, str] = {}
    """The names of plugins by their folders."""
    problems: list[TextureAsset] = []


def textures(project: Path) -> Iterator[TextureAsset]:
    """Yields the textures, source art without assets, and rows for the configuration and what wasn't read."""
    files = _list(project)
    yield from files.problems
    found, unread = _headers(project, files.assets)
    configs = config_files(project)
    virtual = any(turns_on(read_lines(project / file), "r.VirtualTextures") for file in configs)
    names = folder_names([each.file for each in found])
    images = {each.lower(): each for each in files.images}
    used: set[str] = set()
    for each in found:
        folder = str(PurePosixPath(each.file).parent)
        remarks = list(header_remarks(each.header, names[folder], virtual=virtual))
        path = _object_path(each.file, files.plugins)
        source = images.get(_source(project, each).lower())
        if source is None or source in used:
            why = NO_SOURCE if source is None else SHARED_SOURCE
            yield TextureAsset(
                path, each.file, each.header.options, gone=True, header_only=why, remarks=remarks,
                read_only=READ_ONLY,
            )  # fmt: skip
            continue
        used.add(source)
        if _has_changed(project / source, each.header.digest):
            remarks.append(CHANGED)
        yield TextureAsset(path, source, each.header.options, remarks=remarks, read_only=READ_ONLY)
    for image in files.images:
        if image not in used and _is_source_art(image):
            yield TextureAsset(image, image, as_is=True)
    yield from _configuration(project, configs, found)
    for file, reason in unread.items():
        path = _object_path(file, files.plugins)
        yield TextureAsset(path, file, gone=True, remarks=[unread_remark(reason)])


def _list(project: Path) -> _Files:
    files = _Files()
    for found in walk(project, _is_skipped):
        name = found.file.lower()
        if found.problem:
            files.problems.append(TextureAsset(found.file, found.file, problem=found.problem))
        elif name.endswith(ASSET):
            files.assets.append(found.file)
        elif name.endswith(IMAGES):
            files.images.append(found.file)
        elif name.endswith(".uplugin"):
            path = PurePosixPath(found.file)
            files.plugins[str(path.parent)] = path.stem
    files.assets = [each for each in files.assets if _object_path(each, files.plugins)]
    return files


def _is_skipped(folder: str, names: Collection[str]) -> bool:
    own = folder.rpartition("/")[2].lower()
    in_content = f"/{CONTENT.lower()}/" in f"/{folder.lower()}/"[: -len(own) - 1]
    return is_hidden(folder, names) or (own in OUTPUT and not in_content)


def _headers(project: Path, files: list[str]) -> tuple[list[_Texture], dict[str, AnyText]]:
    """Returns the textures among assets, and why others can't be read, by their files."""
    found: list[_Texture] = []
    unread: dict[str, AnyText] = {}
    for file in files:
        try:
            objects = read_header(project / file)
        except HeaderError as error:
            unread[file] = error.reason
            continue
        except OSError as error:
            unread[file] = str(error.strerror or error)
            continue
        stem = PurePosixPath(file).stem
        found += [
            _Texture(file, texture_header(each))
            for each in objects
            if each.kind == KIND and each.name == stem
        ]
    return found, unread


def _object_path(file: str, plugins: dict[str, str]) -> str:
    """Returns the object path of an asset's file; empty outside of content folders."""
    path = PurePosixPath(file)
    for at, part in enumerate(path.parts[:-1]):
        if part.lower() == CONTENT.lower():
            folder = str(PurePosixPath(*path.parts[:at])) if at else "."
            mount = "Game" if at == 0 else plugins.get(folder)
            if mount is not None:
                below = PurePosixPath(*path.parts[at + 1 :]).with_suffix("")
                return f"/{mount}/{below}.{path.stem}"
    return ""


def _source(project: Path, texture: _Texture) -> str:
    """Returns the path of the source file below the project; empty if it is elsewhere."""
    source = texture.header.source
    if not source:
        return ""
    if posixpath.isabs(source) or re.match(r"[A-Za-z]:", source):
        root = project.resolve().as_posix().rstrip("/") + "/"
        return source[len(root) :] if os.path.normcase(source).startswith(os.path.normcase(root)) else ""
    found = posixpath.normpath(posixpath.join(posixpath.dirname(texture.file), source))
    return "" if found.startswith("../") else found


def _has_changed(file: Path, digest: str) -> bool:
    """Whether the file's MD5 is another than at its import; False if that is unknown."""
    if not digest:
        return False
    try:
        if file.stat().st_size > MAX_DIGEST_BYTES:
            return False
        content = file.read_bytes()
    except (OSError, ValueError):
        return False
    return not is_pointer(content) and hashlib.md5(content, usedforsecurity=False).hexdigest() != digest


def _is_source_art(file: str) -> bool:
    """Whether an image is a texture by its folder or its name, as opposed to an icon or a screenshot."""
    path = PurePosixPath(file)
    folders = [re.sub(r"[ _-]", "", part).lower() for part in path.parts[:-1]]
    if CONTENT.lower() in folders:
        return AS_FILES.isdisjoint(folders)
    return not SOURCES.isdisjoint(folders) or _TEXTURE_NAME.fullmatch(path.stem) is not None


def _configuration(project: Path, configs: list[str], found: list[_Texture]) -> Iterator[TextureAsset]:
    sizes: dict[str, list[tuple[int, str]]] = {}
    for each in found:
        if each.header.size:
            sizes.setdefault(str(each.header.options.get(GROUP)), []).append(
                (max(each.header.size), each.header.name)
            )
    for file in configs:
        if is_merged(read_config(project / file)):
            conflict = text("contains a merge conflict (<<<<<<<)")
            yield TextureAsset(file, file, problem=conflict, broken=True, gone=True)
            continue
        remarks: list[Remark] = list(group_remarks(texture_groups(read_lines(project / file)), sizes))
        if remarks:
            yield TextureAsset(file, file, gone=True, remarks=remarks)


def texture(file: str) -> TextureAsset:
    """Returns a source file without options: an open editor has newer ones than the asset on disk."""
    return TextureAsset(file, file)
