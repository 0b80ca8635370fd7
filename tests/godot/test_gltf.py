"""What the materials of glTF files use textures as."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from bridge.api import TextureUse
from bridge_godot.gltf import gltf_uses
from bridge_godot.texture_uses import texture_uses
from tests.godot.test_import_file import TEXT, texture

MODEL: dict[str, Any] = {
    "asset": {"version": "2.0"},
    "images": [
        {"uri": "textures/bark%20a.png"},
        {"mimeType": "image/png", "name": "orm", "bufferView": 0},
        {"mimeType": "image/jpeg", "bufferView": 1},
        {"uri": "data:image/png;base64,AAAA"},
        {"uri": "../../outside.png"},
    ],
    "textures": [{"source": 0}, {"source": 1}, {"source": 2}, {"source": 3}, {"source": 4}, {}],
    "materials": [
        {
            "pbrMetallicRoughness": {
                "baseColorTexture": {"index": 0},
                "metallicRoughnessTexture": {"index": 1, "texCoord": 0},
            },
            "occlusionTexture": {"index": 1},
            "normalTexture": {"index": 2, "scale": 1},
            "emissiveTexture": {"index": 3},
        },
        {"alphaMode": "MASK", "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}},
        {"normalTexture": {"index": 4}, "emissiveTexture": {"index": 5}, "occlusionTexture": {"index": 99}},
    ],
}


def binary(model: object) -> bytes:
    text = json.dumps(model).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<4sII I4s", b"glTF", 2, 20 + len(text), len(text), b"JSON") + text


@pytest.mark.parametrize("name", ["tree.gltf", "tree.glb"])
def test_materials_tell_kinds_and_channels(tmp_path: Path, name: str) -> None:
    text = json.dumps(MODEL).encode() if name.endswith("f") else binary(MODEL)
    for file in ("trees/textures/bark a.png", "trees/tree_orm.png", "trees/tree_2.jpg"):
        texture(tmp_path / file, TEXT)
    (tmp_path / "trees" / name).write_bytes(text)
    found = {
        file: [(use.kinds, use.slot, use.channels) for use in uses.uses]
        for file, uses in texture_uses(tmp_path).items()
    }
    assert found == {
        "trees/textures/bark a.png": [
            (("albedo",), "baseColorTexture", "rgb"), (("albedo",), "baseColorTexture", "rgba"),
        ],
        "trees/tree_orm.png": [
            (("packed",), "metallicRoughnessTexture", "gb"), ((), "occlusionTexture", "r"),
        ],
        "trees/tree_2.jpg": [(("normal",), "normalTexture", "rgb")],
    }  # fmt: skip


def test_occlusion_of_its_own_is_occlusion(tmp_path: Path) -> None:
    model = {**MODEL, "materials": [{"occlusionTexture": {"index": 0}}]}
    (tmp_path / "a.gltf").write_text(json.dumps(model), encoding="utf-8")
    ((_, use),) = gltf_uses(tmp_path, "a.gltf")
    assert use == TextureUse(kinds=("ao",), slot="occlusionTexture", domain="surface", channels="r")


@pytest.mark.parametrize(
    "text",
    [b"", b"glTF", b"[]", b'{"materials": 5, "images": {}}',
     b'{"materials": [{"normalTexture": {"index": -1}}]}', b"[" * 100_000, binary(MODEL)[:40], b"\0" * 64],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a.gltf", "a.glb"])
def test_a_damaged_file_says_nothing(tmp_path: Path, name: str, text: bytes) -> None:
    (tmp_path / name).write_bytes(text)
    assert list(gltf_uses(tmp_path, name)) == []
    assert list(gltf_uses(tmp_path, "gone.glb")) == []
