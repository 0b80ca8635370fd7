"""Reads what the materials of glTF files use textures as.

Godot imports a `.gltf` or `.glb` file as a scene with its materials. Images with a URI have their own files;
it writes those inside the file beside it, as `scene_image.png` for the image `image` of `scene.glb`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from bridge.api import Kind, TextureUse
from bridge_godot.resource_file import File, local_path

SUFFIXES = (".gltf", ".glb")
MAX_BYTES = 8 << 20
"""Read of a file's JSON; longer ones, which contain geometry as text, are passed over."""
GLB_MAGIC, JSON_CHUNK = b"glTF", b"JSON"
EXTENSIONS = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}

SPECULAR_GLOSSINESS = ("extensions", "KHR_materials_pbrSpecularGlossiness")

# glTF 2.0 specification, section 3.9.
SLOTS: Mapping[tuple[str, ...], tuple[tuple[Kind, ...], str]] = {
    ("pbrMetallicRoughness", "baseColorTexture"): (("albedo",), "rgb"),
    ("pbrMetallicRoughness", "metallicRoughnessTexture"): (("packed",), "gb"),
    ("normalTexture",): (("normal",), "rgb"),
    ("occlusionTexture",): (("ao",), "r"),
    ("emissiveTexture",): (("emissive",), "rgb"),
    (*SPECULAR_GLOSSINESS, "diffuseTexture"): (("albedo",), "rgba"),
    (*SPECULAR_GLOSSINESS, "specularGlossinessTexture"): (("specular",), "rgba"),
}  # fmt: skip
"""Kinds and channels by the place of a texture in a material."""


def gltf_uses(project: Path, file: str) -> Iterator[tuple[File, TextureUse]]:
    """Yields the uses of textures in the glTF file `file` below the project; none of a damaged one."""
    try:
        scene = json.loads(_read_json(project / file) or b"{}")
    except (OSError, ValueError, RecursionError):
        return
    images = [_image_path(image, at, file) for at, image in enumerate(_items(scene, "images"))]
    textures = [_source(texture) for texture in _items(scene, "textures")]
    for material in _items(scene, "materials"):
        found: list[tuple[int, tuple[str, ...]]] = []
        for place in SLOTS:
            index = _at(_get(material, *place), "index")
            if index is not None and index < len(textures) and (source := textures[index]) is not None:
                found.append((source, place))
        sources = [source for source, _ in found]
        for source, place in found:
            if source >= len(images) or not images[source]:
                continue
            kinds, channels = SLOTS[place]
            if kinds == ("albedo",) and _get(material, "alphaMode") in ("MASK", "BLEND"):
                channels = "rgba"
            if kinds == ("ao",) and sources.count(source) > 1:
                # The other slot names what the texture is: occlusion, roughness and metalness, for example.
                kinds = ()
            use = TextureUse(kinds=kinds, slot=place[-1], domain="surface", channels=channels)
            yield File(images[source], ""), use


def _read_json(path: Path) -> bytes | None:
    """Returns the JSON of a file; None if it is too long or has another format. Raises OSError."""
    with path.open("rb") as file:
        if path.suffix.lower() == ".gltf":
            text = file.read(MAX_BYTES + 1)
            return text if len(text) <= MAX_BYTES else None
        # A header of 12 bytes, then the first chunk's length and type (section 4.4).
        head = file.read(20)
        length = int.from_bytes(head[12:16], "little")
        if head[:4] != GLB_MAGIC or head[16:20] != JSON_CHUNK or length > MAX_BYTES:
            return None
        return file.read(length)


def _image_path(image: object, index: int, file: str) -> str:
    """Returns the path of an image's file below the project; empty for one that Godot doesn't write."""
    folder, _, name = file.rpartition("/")
    uri = _get(image, "uri")
    if isinstance(uri, str):
        return "" if uri.startswith("data:") else local_path(unquote(uri), folder)
    extension = EXTENSIONS.get(str(_get(image, "mimeType")), "")
    own = _get(image, "name")
    title = own if isinstance(own, str) and own else str(index)
    return local_path(f"{name.rpartition('.')[0]}_{title}{extension}", folder) if extension else ""


def _source(texture: object) -> int | None:
    """Returns the index of a texture's image, or of its WebP image if it has no other."""
    plain = _at(texture, "source")
    return plain if plain is not None else _at(_get(texture, "extensions", "EXT_texture_webp"), "source")


def _items(scene: object, name: str) -> list[Any]:
    found = _get(scene, name)
    return found if isinstance(found, list) else []


def _at(value: object, name: str) -> int | None:
    found = _get(value, name)
    return found if type(found) is int and found >= 0 else None


def _get(value: object, *names: str) -> object:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
