"""A project's textures as Unity sees them: which files they are, and how each is imported."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from bridge.api import (
    AnyText,
    TextureAsset,
    UserError,
    changed_since,
    is_link,
    is_merged,
    read_text,
    still_due,
    text,
    walk,
)
from bridge_unity import importers, projects
from bridge_unity.metafile import PLATFORMS, SUFFIX, MetaFile, Place, UnknownSyntaxError
from bridge_unity.missing import Metas

IMAGES = (
    ".bmp", ".dds", ".exr", ".gif", ".hdr", ".jpeg", ".jpg", ".ktx", ".png", ".psd", ".tga", ".tif", ".tiff",
)  # fmt: skip
"""The files that Unity takes for textures and that are known here, in lower case."""
READY = "IHVImageFormatImporter"
"""What takes `GPU_READY` as they are."""
GPU_READY = (".dds", ".ktx")
BAKED = ("Lightmap", "DirectionalLightmap", "Shadowmask")
"""Texture types of what Unity itself computes: nobody chooses their settings."""
REMEDY = "correct it, or import the texture anew in Unity"
OLDEST = 4
"""`serializedVersion` of Unity 5.5; before, a file had other keys, which Unity translates."""


def textures(project: Path) -> Iterator[TextureAsset]:
    """Each texture of the project, folder by folder; what is imported as something else is passed over."""
    names, metas, gamma = projects.Names(project), Metas(project), projects.is_gamma(project)
    alone = projects.is_package(project)
    for root in projects.ROOTS:
        if is_link(project / root):
            yield TextureAsset(root, root, problem=text("the folder is a link, which isn't followed"))
    for found in walk(project, projects.skip(project)):
        if found.problem:
            yield TextureAsset(names.path(found.file), found.file, problem=found.problem)
        # Of a project's own folder Unity imports nothing, of a package's all.
        elif not (alone or "/" in found.file):
            continue
        elif left := _left_of(found.file):
            if remarks := metas.orphaned(found.file, left):
                yield TextureAsset(names.path(left), found.file, remarks=remarks, gone=True)
        elif not found.file.lower().endswith(IMAGES):
            continue
        elif asset := _texture(project, names, metas, found.file):
            yield _in_gamma(asset) if gamma else asset


def _left_of(file: str) -> str:
    """The texture that a `.meta` is of; empty for all else."""
    of = file[: -len(SUFFIX)]
    return of if file.lower().endswith(SUFFIX) and of.lower().endswith(IMAGES) else ""


def texture(project: Path, file: str) -> TextureAsset | None:
    """One of them, without remarks; None where it is imported as something else. A file without settings has
    no options."""
    asset = _texture(project, projects.Names(project), None, file)
    return _in_gamma(asset) if asset and projects.is_gamma(project) else asset


def _in_gamma(asset: TextureAsset) -> TextureAsset:
    options = asset.options and {**asset.options, importers.COLOR_SPACE: "Gamma"}
    return replace(asset, options=options)


def _texture(project: Path, names: projects.Names, metas: Metas | None, file: str) -> TextureAsset | None:
    meta, path = project / (file + SUFFIX), names.path(file)
    content = ""
    try:
        content = read_text(meta)
        found = MetaFile(content)
        if found.importer in ("", READY):
            return TextureAsset(path, file, as_is=found.importer == READY)
        if found.importer != importers.IMPORTER:
            return None
        problem = stale(found)
        known = {} if problem else options(found)
    except FileNotFoundError:
        as_is = file.lower().endswith(GPU_READY) or (metas is not None and metas.needless(file))
        return TextureAsset(path, file, remarks=metas.missing(file) if metas else (), as_is=as_is)
    except OSError as error:
        return TextureAsset(
            path,
            file,
            problem=text("{meta} can't be read ({strerror})", meta=meta.name, strerror=error.strerror),
        )
    except UnknownSyntaxError as error:
        return TextureAsset(path, file, problem=f"{meta.name} has {error}", broken=is_merged(content))
    if problem:
        return TextureAsset(path, file, problem=f"{meta.name} {problem}")
    if known.get("textureType") in BAKED:
        return None
    return TextureAsset(path, file, known)


def stale(found: MetaFile) -> str:
    """Why a file's settings aren't what they are called; empty where they are."""
    number = found.value(("serializedVersion",)) or "0"
    if number.isdecimal() and int(number) >= OLDEST:
        return ""
    return "was written by Unity 5.4 or older: change any setting of it in Unity, and apply it"


def options(found: MetaFile) -> dict[str, Any]:
    """The settings that are known here, in the names of Unity's scripts. Raises UnknownSyntaxError.

    Of the platforms only the default and those that are overridden: the others' have no effect.
    """
    known = {name: _value(found, one, one.place) for name, one in importers.SETTINGS.items()}
    for platform in found.platforms:
        own = {
            f"{platform}.{name}": _value(found, one, (PLATFORMS, platform, *one.place))
            for name, one in importers.PLATFORM_SETTINGS.items()
        }
        if platform == importers.DEFAULT or own[f"{platform}.overridden"] is True:
            known |= own
    return {name: value for name, value in known.items() if value is not None}


Change = tuple[dict[str, Any], dict[str, Any], list[AnyText]]
"""Options before and after, and a sentence for each that stays as it is."""


def change(project: Path, names: projects.Names, path: str, wanted: Mapping[str, Any]) -> Change:
    """Writes the `options` of a change into the settings of the texture that Unity calls `path`, where these
    are as it has them in `seen` and `expected`; None takes one away. Raises UserError where nothing may be or
    can be written.
    """
    meta = _meta(project, names.place(path), path)
    found = _changeable(meta, path)
    if said := _changed_since(found, wanted, meta.name):
        raise UserError(said)
    named = wanted.get("options") or {}
    due, left = still_due(named, wanted.get("expected") or {}, values(found, named))
    after = _set(found, due, meta) if due or not left else {}
    return values(found, due), after, left


def _changed_since(found: MetaFile, wanted: Mapping[str, Any], name: str) -> AnyText:
    """What `changed_since` says; the colours' space is no setting of the file."""
    if (seen := wanted.get("seen")) is None:
        return ""
    own = {name: value for name, value in seen.items() if name != importers.COLOR_SPACE}
    return changed_since({**wanted, "seen": own}, options(found), name)


def _set(found: MetaFile, wanted: Mapping[str, Any], meta: Path) -> dict[str, Any]:
    """Writes these options; gives them as they are then. Raises UserError."""
    todo = [(importers.setting(name).place, _text(name, value)) for name, value in wanted.items()]
    try:
        made = found.changed(todo)
        made.write(meta, found)
    except UnknownSyntaxError:
        # It could be read before, and is to be readable still.
        asked = ", ".join(wanted)
        raise UserError(
            text("there is no place for {asked}: change any setting in Unity, and apply it.", asked=asked)
        ) from None
    except OSError as error:
        raise UserError(
            text("{meta} can't be written: {strerror}.", meta=meta.name, strerror=error.strerror)
        ) from None
    return values(made, wanted)


def _changeable(meta: Path, path: str) -> MetaFile:
    """The settings of the texture that Unity calls `path`. Raises UserError where they have to stay."""
    try:
        found = MetaFile.read(meta)
        # Where one of them is of unknown syntax, none is changed.
        options(found)
    except FileNotFoundError:
        raise UserError(text("{path} isn't imported: open the project in Unity once.", path=path)) from None
    except OSError as error:
        raise UserError(
            text("{meta} can't be read: {strerror}.", meta=meta.name, strerror=error.strerror)
        ) from None
    except UnknownSyntaxError as error:
        raise UserError(
            text("{meta} has {error}: {remedy}.", meta=meta.name, error=error, remedy=REMEDY)
        ) from None
    if found.importer != importers.IMPORTER:
        raise UserError(
            text(
                "{path} is imported as {importer}, not as a texture.",
                path=path,
                importer=found.importer or "nothing",
            )
        )
    if problem := stale(found):
        raise UserError(f"{meta.name} {problem}.")
    return found


def values(found: MetaFile, names: Mapping[str, Any]) -> dict[str, Any]:
    """What settings are now; None for what the file doesn't have. Raises UserError for unknown ones."""
    settings = {name: importers.setting(name) for name in names}
    return {name: _value(found, one, one.place) for name, one in settings.items()}


def _value(found: MetaFile, one: importers.Setting, place: Place) -> Any:
    text = found.value(place)
    return None if text is None else importers.from_file(one, text)


def _text(name: str, value: Any) -> str | None:
    return None if value is None else importers.to_file(name, importers.setting(name), value)


def _meta(project: Path, place: str, path: str) -> Path:
    """The settings' file of the texture at `place`. Raises UserError for what is none of the project's."""
    file = project / place
    # Asked of the whole path: on Windows a drive or a backslash would lead out of the project too.
    if project not in file.parents or ".." in file.relative_to(project).parts:
        raise UserError(
            text("{path} isn't a path of this project; expected something like Assets/rock.png.", path=path)
        )
    meta = file.with_name(file.name + SUFFIX)
    if not os.path.isfile(file):
        raise UserError(text("{path} isn't there.", path=path))
    if project.resolve() not in meta.resolve().parents:
        raise UserError(text("{meta} is a link that leads out of the project.", meta=meta.name))
    return meta
