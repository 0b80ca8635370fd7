"""The textures of a project: finds them, and reads and writes their import settings."""

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
    remaining_changes,
    text,
    walk,
)
from bridge_unity import importer_settings, old_settings, projects
from bridge_unity.metafile import PLATFORMS, SUFFIX, CheckoutError, MetaFile, Place, UnknownSyntaxError
from bridge_unity.remarks import MetaFileChecks

IMAGES = (
    ".bmp", ".dds", ".exr", ".gif", ".hdr", ".jpeg", ".jpg", ".ktx", ".png", ".psd", ".tga", ".tif", ".tiff",
)  # fmt: skip
"""Suffixes of the textures that Unity imports and PopBridge supports, in lower case."""
GPU_READY_IMPORTER = "IHVImageFormatImporter"
"""Imports files of GPU_READY unchanged."""
GPU_READY = (".dds", ".ktx")
BAKED = ("Lightmap", "DirectionalLightmap", "Shadowmask")
"""Types of textures that Unity generates; their settings aren't chosen by anyone."""
MIN_SERIALIZED_VERSION = 4
"""Of Unity 5.5. Older files have other keys, which Unity translates."""
OUTDATED = text(
    "{path} was written by Unity 5.4 or older. To rewrite all such files, call "
    "`AssetDatabase.ForceReserializeAssets()` in an editor script (Unity 2017.3 or later)"
)


def textures(project: Path) -> Iterator[TextureAsset]:
    """Yields each file of the project that Unity imports as a texture, folder by folder."""
    names, checks, gamma = projects.AssetPaths(project), MetaFileChecks(project), projects.is_gamma(project)
    is_package = projects.is_package(project)
    for root in projects.ROOTS:
        if is_link(project / root):
            yield TextureAsset(root, root, problem=text("the folder is a link, which isn't followed"))
    for found in walk(project, projects.skip(project)):
        if found.problem:
            yield TextureAsset(names.path(found.file), found.file, problem=found.problem)
        # Unity imports no files at the root of a project, but all of a package.
        elif not (is_package or "/" in found.file):
            continue
        elif image := _image_of_meta(found.file):
            if remarks := checks.orphaned(found.file, image):
                yield TextureAsset(names.path(image), found.file, remarks=remarks, gone=True)
        elif not found.file.lower().endswith(IMAGES):
            continue
        elif asset := _texture(project, names, checks, found.file):
            yield _with_gamma(asset) if gamma else asset


def _image_of_meta(file: str) -> str:
    """Returns the image that a `.meta` belongs to; empty for other files."""
    image = file[: -len(SUFFIX)]
    return image if file.lower().endswith(SUFFIX) and image.lower().endswith(IMAGES) else ""


def texture(project: Path, file: str) -> TextureAsset | None:
    """Returns one texture without remarks; None if the file isn't imported as a texture. A texture without
    settings has no options."""
    asset = _texture(project, projects.AssetPaths(project), None, file)
    return _with_gamma(asset) if asset and projects.is_gamma(project) else asset


def _with_gamma(asset: TextureAsset) -> TextureAsset:
    options = asset.options and {**asset.options, importer_settings.COLOR_SPACE: "Gamma"}
    return replace(asset, options=options)


def _texture(
    project: Path, names: projects.AssetPaths, checks: MetaFileChecks | None, file: str
) -> TextureAsset | None:
    meta, path = project / (file + SUFFIX), names.path(file)
    try:
        found = MetaFile.read(meta)
        if found.importer in ("", GPU_READY_IMPORTER):
            return TextureAsset(path, file, as_is=found.importer == GPU_READY_IMPORTER)
        if found.importer != importer_settings.IMPORTER:
            return None
        old = is_outdated(found)
        known = old_settings.read_old(found) if old else options(found)
    except FileNotFoundError:
        as_is = file.lower().endswith(GPU_READY) or (checks is not None and checks.needs_none(file))
        return TextureAsset(path, file, remarks=checks.missing(file) if checks else (), as_is=as_is)
    except OSError as error:
        problem = text("{path} can't be read ({strerror})", path=meta.name, strerror=error.strerror)
        return TextureAsset(path, file, problem=problem)
    except UnknownSyntaxError as error:
        broken = isinstance(error, CheckoutError)
        return TextureAsset(
            path, file, problem=error.text.fill(path=meta.name), broken=broken, settings=file + SUFFIX
        )
    if known.get("textureType") in BAKED:
        return None
    read_only = OUTDATED.fill(path=meta.name) if old else ""
    return TextureAsset(path, file, known, read_only=read_only, settings=file + SUFFIX)


def is_outdated(found: MetaFile) -> bool:
    """Whether an old Unity wrote the file, whose keys have other meanings."""
    version = found.value(("serializedVersion",)) or "0"
    return not version.isdecimal() or int(version) < MIN_SERIALIZED_VERSION


def options(found: MetaFile) -> dict[str, Any]:
    """Returns the known settings, by the names of Unity's scripts. Raises UnknownSyntaxError.

    Platforms that aren't overridden are left out, as their settings have no effect.
    """
    known = {
        name: _value(found, setting, setting.place) for name, setting in importer_settings.SETTINGS.items()
    }
    for platform in found.platforms:
        own = {
            f"{platform}.{name}": _value(found, setting, (PLATFORMS, platform, *setting.place))
            for name, setting in importer_settings.PLATFORM_SETTINGS.items()
        }
        if platform == importer_settings.DEFAULT or own[f"{platform}.overridden"] is True:
            known |= own
    return {name: value for name, value in known.items() if value is not None}


Change = tuple[dict[str, Any], dict[str, Any], list[AnyText]]
"""Options before and after, and a sentence for each that wasn't changed."""


def change(project: Path, names: projects.AssetPaths, path: str, requested: Mapping[str, Any]) -> Change:
    """Writes the `options` of a change to the settings of the texture at the asset path `path`.

    Settings must still be as `seen` and `expected` have them. None removes a setting. Raises UserError if
    nothing may be written, or can be.
    """
    meta = _meta_path(project, names.file(path), path)
    found = _read_changeable(meta, path)
    if conflict := _changed_since(found, requested, meta.name):
        raise UserError(conflict)
    changes = requested.get("options") or {}
    due, rejected = remaining_changes(changes, requested.get("expected") or {}, values(found, changes))
    after = _write(project, found, due, meta) if due or not rejected else {}
    return values(found, due), after, rejected


def _changed_since(found: MetaFile, requested: Mapping[str, Any], name: str) -> AnyText:
    """Calls `changed_since` without the colour space, which isn't a setting of the file."""
    if (seen := requested.get("seen")) is None:
        return ""
    own = {name: value for name, value in seen.items() if name != importer_settings.COLOR_SPACE}
    return changed_since({**requested, "seen": own}, options(found), name)


def _write(project: Path, found: MetaFile, due: Mapping[str, Any], meta: Path) -> dict[str, Any]:
    """Writes these options and returns their new values. Raises UserError."""
    places = [(importer_settings.setting(name).place, _text(name, value)) for name, value in due.items()]
    try:
        changed = found.changed(places)
        changed.write(project, meta.relative_to(project).as_posix(), found)
    except UnknownSyntaxError:
        # The change would make the file unreadable.
        raise UserError(
            text("There is no place for {names}. Change any setting in Unity and apply it.", names=[*due])
        ) from None
    except OSError as error:
        raise UserError(
            text("{path} can't be written: {strerror}.", path=meta.name, strerror=error.strerror)
        ) from None
    return values(changed, due)


def _read_changeable(meta: Path, path: str) -> MetaFile:
    """Reads the settings of the texture at an asset path. Raises UserError if they can't be changed."""
    try:
        found = MetaFile.read(meta)
        # If one setting has an unknown syntax, none is changed.
        options(found)
    except FileNotFoundError:
        raise UserError(text("{path} isn't imported: open the project in Unity once.", path=path)) from None
    except OSError as error:
        raise UserError(
            text("{path} can't be read: {strerror}.", path=meta.name, strerror=error.strerror)
        ) from None
    except CheckoutError as error:
        raise UserError(text("{problem}.", problem=error.text.fill(path=meta.name))) from None
    except UnknownSyntaxError as error:
        raise UserError(
            text(
                "{problem}: correct it, or reimport the texture in Unity.",
                problem=error.text.fill(path=meta.name),
            )
        ) from None
    if found.importer != importer_settings.IMPORTER:
        if not found.importer:
            raise UserError(text("{path} isn't imported as a texture.", path=path))
        raise UserError(
            text("{path} is imported as {importer}, not as a texture.", path=path, importer=found.importer)
        )
    if is_outdated(found):
        raise UserError(text("{problem}.", problem=OUTDATED.fill(path=meta.name)))
    return found


def values(found: MetaFile, names: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of settings; None if the file lacks them. Raises UserError for unknown settings."""
    settings = {name: importer_settings.setting(name) for name in names}
    return {name: _value(found, setting, setting.place) for name, setting in settings.items()}


def _value(found: MetaFile, setting: importer_settings.Setting, place: Place) -> Any:
    value = found.value(place)
    return None if value is None else importer_settings.from_file(setting, value)


def _text(name: str, value: Any) -> str | None:
    return None if value is None else importer_settings.to_file(name, importer_settings.setting(name), value)


def _meta_path(project: Path, relative: str, path: str) -> Path:
    """Returns the `.meta` of the texture at `relative`. Raises UserError if it isn't in the project."""
    file = project / relative
    # Checks the whole path: on Windows, a drive or a backslash can leave the project too.
    if project not in file.parents or ".." in file.relative_to(project).parts:
        raise UserError(
            text("{path} isn't a path of this project; expected something like Assets/rock.png.", path=path)
        )
    meta = file.with_name(file.name + SUFFIX)
    if not os.path.isfile(file):
        raise UserError(text("{path} does not exist.", path=path))
    return meta
