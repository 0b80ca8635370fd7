"""Reads the source pixels of textures whose file isn't in the project. Must run on the main thread."""

import os
import shutil
import tempfile
from typing import Any, Optional

import unreal

from popbridge_unreal.blobs import MAX_BYTES

MAX_TEXELS = 8192 * 8192
"""Larger textures aren't exported: it would hold up the editor for many seconds."""
EXPORTERS = (("TextureExporterPNG", "png"), ("TextureExporterEXR", "exr"), ("TextureExporterBMP", "bmp"))
"""In the order of preference; 4.27 has the last for sure."""
HIGH_RANGE = ("TC_HDR", "TC_HDR_COMPRESSED", "TC_HALF_FLOAT", "TC_SINGLE_FLOAT", "TC_HDR_F32")


def read(texture, compression):
    # type: (Any, str) -> Optional[bytes]
    """Returns the pixels as the bytes of a PNG, EXR or BMP file; None if no exporter can write them.

    The file is in a folder of its own that only this user can read, and is removed at once.
    """
    try:
        width, height = int(texture.blueprint_get_size_x()), int(texture.blueprint_get_size_y())
    # The editor's own class of exceptions differs between versions.
    except Exception:
        return None
    if not 0 < width * height <= MAX_TEXELS:
        return None
    exporters = sorted(EXPORTERS, key=lambda each: (each[1] == "exr") != (compression in HIGH_RANGE))
    folder = tempfile.mkdtemp(prefix="popbridge-")
    try:
        for name, extension in exporters:
            content = _export(texture, name, os.path.join(folder, "texture." + extension))
            if content is not None:
                return content
        return None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _export(texture, name, file):
    # type: (Any, str, str) -> Optional[bytes]
    exporter = getattr(unreal, name, None)
    if exporter is None:
        return None
    try:
        task = unreal.AssetExportTask()
        task.set_editor_property("object", texture)
        task.set_editor_property("exporter", exporter())
        task.set_editor_property("filename", file)
        task.set_editor_property("automated", True)
        task.set_editor_property("prompt", False)
        task.set_editor_property("replace_identical", True)
        if not unreal.Exporter.run_asset_export_task(task) or os.path.getsize(file) > MAX_BYTES:
            return None
        with open(file, "rb") as stream:
            return stream.read()
    # The editor's own class of exceptions differs between versions.
    except Exception:
        return None
