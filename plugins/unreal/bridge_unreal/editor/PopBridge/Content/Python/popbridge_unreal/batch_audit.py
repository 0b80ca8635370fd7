"""Reads all textures of a project in a commandlet, for `popbridge audit --with-editor`. Changes nothing.

The report is JSON, as `EditorReport` of PopBridge's Python package describes it; it appears all at once.
"""

import contextlib
import json
import os
import traceback
from typing import Any, Dict, Iterator, List, Optional

import unreal

from popbridge_unreal import textures

VERSION = 1
EXPORTERS = (
    ("TextureExporterPNG", "png"),
    ("TextureExporterTGA", "tga"),
    ("TextureExporterBMP", "bmp"),
)
"""The first that this version has is used; 4.27 may have no PNG."""
COLLECT_EVERY = 64
"""Textures after which the editor frees memory."""
MAX_ERRORS = 100


def main(report):
    # type: (str) -> None
    """Writes the report, and pictures of textures without an image in the project beside it."""
    root = textures.project_root()
    found = []  # type: List[Dict[str, Any]]
    errors = []  # type: List[str]
    for number, data in enumerate(_assets()):
        try:
            entry = _entry(data, root, os.path.dirname(report), number)
        # The editor's own class of exceptions differs between versions.
        except Exception as error:
            if len(errors) < MAX_ERRORS:
                errors.append("%s: %s" % (data.package_name, error))
            unreal.log_warning(traceback.format_exc())
            continue
        if entry is not None:
            found.append(entry)
        if number % COLLECT_EVERY == COLLECT_EVERY - 1:
            _collect()
    content = {
        "version": VERSION,
        "engine": str(unreal.SystemLibrary.get_engine_version()),
        "textures": found,
        "errors": errors,
    }
    draft = report + ".part"
    with open(draft, "w", encoding="utf-8") as file:
        json.dump(content, file)
    os.replace(draft, report)
    unreal.log("PopBridge: %d textures" % len(found))


def _assets():
    # type: () -> Iterator[Any]
    """Returns the asset data of all textures of the project's own content."""
    registry = unreal.AssetRegistryHelpers.get_asset_registry()
    # A commandlet has no tick in which the registry would find the assets.
    registry.scan_paths_synchronous(["/Game"], True)
    wanted = {"package_paths": ["/Game"], "recursive_paths": True}  # type: Dict[str, Any]
    if hasattr(unreal, "TopLevelAssetPath"):
        wanted["class_paths"] = [unreal.TopLevelAssetPath("/Script/Engine", "Texture2D")]
    else:
        wanted["class_names"] = ["Texture2D"]
    return iter(registry.get_assets(unreal.ARFilter(**wanted)) or ())


def _entry(data, root, folder, number):
    # type: (Any, str, str, int) -> Optional[Dict[str, Any]]
    """Returns what is known of one texture; None if it can't be loaded."""
    texture = data.get_asset()
    if not isinstance(texture, unreal.Texture2D):
        return None
    path = textures.path_of(texture)
    entry = {"path": path, "options": textures.options_of(texture)}  # type: Dict[str, Any]
    asset = textures.package_file(path, root)
    if asset is not None:
        entry["asset"] = asset[len(root) + 1 :]
    width, height = _size(texture, data)
    entry["width"], entry["height"] = width, height
    form = _tag(data, "Format")
    if form:
        entry["format"] = form[:80]
    image = textures.source_file(texture, root)
    if image is not None:
        entry["file"] = image
    elif asset is not None:
        picture = _export(texture, folder, number)
        if picture is not None:
            entry["picture"] = picture
    return entry


def _size(texture, data):
    # type: (Any, Any) -> Any
    """Returns width and height as imported, pixels; 0 if they are unknown."""
    width, _, height = _tag(data, "Dimensions").partition("x")
    if width.isdigit() and height.isdigit():
        return int(width), int(height)
    try:
        return int(texture.blueprint_get_size_x()), int(texture.blueprint_get_size_y())
    except Exception:
        return 0, 0


def _tag(data, name):
    # type: (Any, str) -> str
    """Returns a value of the asset registry; empty if this version doesn't have it."""
    try:
        return str(data.get_tag_value(name) or "")
    except Exception:
        return ""


def _export(texture, folder, number):
    # type: (Any, str, int) -> Optional[str]
    """Writes the pixels that the texture was imported from, and returns the file's name."""
    for kind, extension in EXPORTERS:
        if not hasattr(unreal, kind):
            continue
        name = "%06d.%s" % (number, extension)
        task = unreal.AssetExportTask()
        task.set_editor_property("object", texture)
        task.set_editor_property("filename", os.path.join(folder, name))
        task.set_editor_property("exporter", getattr(unreal, kind)())
        task.set_editor_property("automated", True)
        task.set_editor_property("prompt", False)
        task.set_editor_property("replace_identical", True)
        if unreal.Exporter.run_asset_export_task(task) and os.path.isfile(os.path.join(folder, name)):
            return name
    return None


def _collect():
    # type: () -> None
    with contextlib.suppress(Exception):
        unreal.SystemLibrary.collect_garbage()
