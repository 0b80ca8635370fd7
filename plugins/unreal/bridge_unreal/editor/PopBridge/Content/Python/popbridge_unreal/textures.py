"""Reads and sets the properties of textures. Everything here must run on the main thread."""

import os
from typing import Any, Dict, Optional

import unreal

OPTIONS = {
    "compression_settings": "TextureCompressionSettings",
    "compression_no_alpha": "",
    "srgb": "",
    "lod_group": "TextureGroup",
    "mip_gen_settings": "TextureMipGenSettings",
    "max_texture_size": "",
    "flip_green_channel": "",
    "virtual_texture_streaming": "",
    "never_stream": "",
    "lossy_compression_amount": "TextureLossyCompressionAmount",
    "power_of_two_mode": "TexturePowerOfTwoSetting",
    "address_x": "TextureAddress",
    "address_y": "TextureAddress",
    "filter": "TextureFilter",
    "lod_bias": "",
}
"""The properties that are reported, and the enumeration of each; empty for numbers and switches. The order is
that in which they are set: the editor clears `srgb` for some compressions."""


def path_of(texture):
    # type: (Any) -> str
    """Returns the object path: `/Game/Textures/T_Rock_N.T_Rock_N`."""
    return str(texture.get_path_name())


def find(path):
    # type: (str) -> Any
    """Returns the texture at an object path; None if there is none."""
    try:
        found = unreal.load_object(None, path)
    # The editor's own class of exceptions differs between versions.
    except Exception:
        return None
    return found if isinstance(found, unreal.Texture2D) else None


def options_of(texture):
    # type: (Any) -> Dict[str, Any]
    """Returns the properties that this version has, with names for values of enumerations."""
    found = {}  # type: Dict[str, Any]
    for name, enum in OPTIONS.items():
        try:
            value = texture.get_editor_property(name)
        except Exception:  # Another version lacks the property. # nosec B112
            continue
        if not enum:
            found[name] = value if isinstance(value, bool) else int(value)
        else:
            # One that this Python doesn't know may come as a number.
            found[name] = getattr(value, "name", None) or str(value)
    return found


def engine_value(name, value):
    # type: (str, Any) -> Any
    """Returns the value for `set_editor_property`. Raises ValueError if the property can't have it."""
    enum = OPTIONS[name]
    if enum:
        found = getattr(getattr(unreal, enum), value, None) if isinstance(value, str) else None
        if found is None:
            raise ValueError(name)
        return found
    is_number = name in ("max_texture_size", "lod_bias")
    if isinstance(value, bool) == is_number or not isinstance(value, int):
        raise ValueError(name)
    return value


def project_root():
    # type: () -> str
    """Returns the project's folder as an absolute path with `/`, without one at the end."""
    full = str(unreal.Paths.convert_relative_path_to_full(unreal.Paths.project_dir()))
    return full.replace("\\", "/").rstrip("/")


def source_file(texture, root):
    # type: (Any, str) -> Optional[str]
    """Returns the file that the texture was imported from, below `root` with `/`; None if it is elsewhere."""
    try:
        name = str(texture.get_editor_property("asset_import_data").get_first_filename())
    except Exception:
        return None
    if not name:
        return None
    full = os.path.normpath(os.path.join(root, name)).replace("\\", "/")
    # Windows ignores case, also that of the drive's letter.
    is_below = os.path.normcase(full).startswith(os.path.normcase(root + "/"))
    if not is_below or not os.path.isfile(full):
        return None
    return full[len(root) + 1 :]


def package_of(path):
    # type: (str) -> str
    """Returns the package of an object path: `/Game/Textures/T_Rock_N`."""
    return path.partition(".")[0]


def package_file(path, root):
    # type: (str, str) -> Optional[str]
    """Returns the `.uasset` of an object of the project; None if it isn't saved yet or is elsewhere."""
    package = package_of(path)
    if not package.startswith("/Game/"):
        return None
    file = "%s/Content/%s.uasset" % (root, package[len("/Game/") :])
    return file if os.path.isfile(file) else None
