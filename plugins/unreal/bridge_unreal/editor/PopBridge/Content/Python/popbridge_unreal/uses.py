"""What materials use a texture as, by the names of their parameters. Must run on the main thread."""

import time
from typing import Any, Dict, Iterator, List

import unreal

from popbridge_unreal import textures

BUDGET_S = 0.02
MAX_MATERIALS = 16
MAX_USES = 8
KINDS = (
    ("normal", "normal"), ("basecolor", "albedo"), ("albedo", "albedo"), ("diffuse", "albedo"),
    ("occlusionroughness", "packed"), ("orm", "packed"), ("rma", "packed"), ("arm", "packed"),
    ("roughness", "roughness"), ("metallic", "specular"), ("specular", "specular"),
    ("ambientocclusion", "ao"), ("occlusion", "ao"), ("emissive", "emissive"),
    ("height", "height"), ("displacement", "height"),
)  # fmt: skip
"""Words in the names of parameters, by which artists tell what they expect; the first that fits counts."""
WHOLE = ("orm", "rma", "arm")
"""Too short to count as a part of another word."""


def used_as(path):
    # type: (str) -> List[Dict[str, Any]]
    """Returns the uses of a texture in materials that are loaded, for `asset.imported`; few, and quickly."""
    until = time.monotonic() + BUDGET_S
    found = []  # type: List[Dict[str, Any]]
    try:
        for material in _materials(textures.package_of(path)):
            for slot in _slots(material, path):
                use = {"slot": slot[:256], "basis": "name"}
                kind = kind_of(slot)
                if kind:
                    use["kind"] = kind
                if use not in found:
                    found.append(use)
            if time.monotonic() >= until or len(found) >= MAX_USES:
                break
    # The uses are a help, not a condition; the editor's own class of exceptions differs between versions.
    except Exception:
        return found[:MAX_USES]
    return found[:MAX_USES]


def kind_of(slot):
    # type: (str) -> str
    """Returns the kind of texture that a parameter's name stands for; empty if it doesn't say."""
    words = "".join(each if each.isalnum() else " " for each in slot).lower()
    joined = words.replace(" ", "")
    for word, kind in KINDS:
        if word in words.split() if word in WHOLE else word in joined:
            return kind
    return ""


def _materials(package):
    # type: (str) -> Iterator[Any]
    """Yields the materials that refer to a package and are loaded: loading others could take minutes."""
    registry = unreal.AssetRegistryHelpers.get_asset_registry()
    options = unreal.AssetRegistryDependencyOptions(include_hard_package_references=True)
    for name in list(registry.get_referencers(package, options) or [])[:MAX_MATERIALS]:
        each = str(name)
        found = unreal.find_object(None, "%s.%s" % (each, each.rpartition("/")[2]))
        if isinstance(found, unreal.MaterialInterface):
            yield found


def _slots(material, path):
    # type: (Any, str) -> Iterator[str]
    library = unreal.MaterialEditingLibrary
    is_instance = isinstance(material, unreal.MaterialInstanceConstant)
    for name in library.get_texture_parameter_names(material):
        if is_instance:
            value = library.get_material_instance_texture_parameter_value(material, name)
        else:
            value = library.get_material_default_texture_parameter_value(material, name)
        if value is not None and textures.path_of(value) == path:
            yield str(name)
