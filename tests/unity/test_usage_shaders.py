"""Which textures shaders have: those that Unity ships, and those of the project."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bridge_unity.shaders import (
    BUILT_IN_GUID,
    HDRP_LIT,
    STANDARD,
    STANDARD_SPECULAR,
    URP_LIT,
    Shaders,
    is_lit,
)
from bridge_unity.text_asset import Reference
from tests.unity.projects import game, imported
from tests.unity.test_usage import kinds_used, material, write

OWN = "7777777777777777bbbbbbbbbbbbbbbb"
SHADER = """\
// Unlit once: _Nothing here is declared.
Shader "Acme/Rock"
{
    Properties
    {
        [MainTexture] _BaseMap("Colours (RGB)", 2D) = "white" {}
        [NoScaleOffset][Normal] _BumpMap ("Normal Map" , 2D ) = "bump" {}
        _Sky("Sky", Cube) = "" { }
        _Layers ("Layers", 2DArray) = "" {}
        _Smoothness("Smoothness", Range(0.0, 1.0)) = 0.5
        _OcclusionStrength("_OcclusionMap", Float) = 1
    }
    SubShader { Pass { HLSLPROGRAM float4 f() { return tex2D(_ParallaxMap, uv); } ENDHLSL } }
}
"""


def shader(guid: str, file_id: int = 4800000) -> Reference:
    return Reference("m_Shader", guid, file_id)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rock.shader"
    path.write_text(SHADER, encoding="utf-8")
    return path


def test_a_shader_of_the_project_declares_its_textures(file: Path) -> None:
    shaders = Shaders({OWN: file})
    assert shaders.textures(shader(OWN)) == {"_BaseMap", "_BumpMap", "_Sky", "_Layers"}
    file.unlink()
    assert shaders.textures(shader(OWN)) == {"_BaseMap", "_BumpMap", "_Sky", "_Layers"}, "read twice"


def test_one_that_unity_ships_is_known_unless_the_project_has_its_own(file: Path) -> None:
    assert "_MetallicGlossMap" in (Shaders({}).textures(shader(BUILT_IN_GUID, STANDARD)) or ())
    assert "_MetallicGlossMap" not in (Shaders({}).textures(shader(BUILT_IN_GUID, STANDARD_SPECULAR)) or ())
    assert "_SpecGlossMap" in (Shaders({}).textures(shader(URP_LIT)) or ())
    assert Shaders({URP_LIT: file}).textures(shader(URP_LIT)) == {"_BaseMap", "_BumpMap", "_Sky", "_Layers"}


@pytest.mark.parametrize("one", [None, shader(BUILT_IN_GUID, 10755), shader(OWN)])
def test_of_others_it_isnt_known(one: Reference | None) -> None:
    assert Shaders({}).textures(one) is None


@pytest.mark.parametrize(
    ("default", "sure"),
    [('= "bump" {}', True), ('="Bump"{}', True), ('= "" {}', True), ("", True), ('= "white" {}', False),
     ('= "gray" {}', False), ('= "black" {}', False)],
)  # fmt: skip
def test_a_normal_map_is_one_by_its_default(default: str, sure: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.shader"
    path.write_text(
        f'_MainTex("a", 2D) = "white" {{}}\n_BumpMap("Height Map", 2D) {default}', encoding="utf-8"
    )
    shaders = Shaders({OWN: path})
    assert shaders.textures(shader(OWN)) == {"_MainTex", "_BumpMap"}
    assert shaders.may_read_heights(shader(OWN), "_BumpMap") is not sure


@pytest.mark.parametrize(
    ("before", "sure"),
    [("[Normal]", True), ("[Normal] [NoScaleOffset]\n ", True), ("[NoScaleOffset][ Normal ] ", True),
     ("[Header(Normal)] ", False), ('[Normal] _Own("a", 2D) = "white" {} ', False), ("", False)],
)  # fmt: skip
def test_or_by_its_attribute(before: str, sure: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.shader"
    path.write_text(f'{before}_BumpMap("a", 2D) = "white" {{}}', encoding="utf-8")
    assert Shaders({OWN: path}).may_read_heights(shader(OWN), "_BumpMap") is not sure


@pytest.mark.parametrize("text", [b"", b"\0\1\2", b'Shader "a" { Properties { TEXTURES } }', None])
def test_nor_of_one_that_declares_none_or_cant_be_read(tmp_path: Path, text: bytes | None) -> None:
    path = tmp_path / "a.shader"
    if text is None:
        path.mkdir()
    else:
        path.write_bytes(text)
    assert Shaders({OWN: path}).textures(shader(OWN)) is None


def test_colours_come_first_in_what_is_lit() -> None:
    assert is_lit(shader(BUILT_IN_GUID, STANDARD)) and is_lit(shader(HDRP_LIT))
    assert not is_lit(shader(BUILT_IN_GUID, 10755)) and not is_lit(shader(OWN)) and not is_lit(None)


def test_a_slot_counts_where_the_projects_shader_has_it(tmp_path: Path) -> None:
    root = game(tmp_path / "game", only=["none of them"])
    for name in "no":
        imported(root, f"Assets/{name}.png")
    write(root, "Assets/Shaders/Rock.shader", SHADER)
    imported(root, "Assets/Shaders/Rock.shader", f"fileFormatVersion: 2\nguid: {OWN}\nShaderImporter:\n")
    slots = {"_BumpMap": "Assets/n.png", "_OcclusionMap": "Assets/o.png"}
    write(root, "Assets/rock.mat", material(f"{{fileID: 4800000, guid: {OWN}, type: 3}}", **slots))
    assert kinds_used(root) == {"Assets/n.png": ["normal"]}
    write(root, "Assets/Shaders/Rock.shader", SHADER.replace('"bump"', '"white"'))
    assert kinds_used(root) == {"Assets/n.png": ["normal"]}
    write(root, "Assets/Shaders/Rock.shader", '_BumpMap("Height Map", 2D) = "white" {}')
    assert kinds_used(root) == {"Assets/n.png": ["normal", "height"]}
    (root / "Assets/Shaders/Rock.shader.meta").unlink()
    assert kinds_used(root) == {"Assets/n.png": ["normal", "height"], "Assets/o.png": ["ao"]}


@pytest.mark.parametrize("text", [b"a" * 40_000, b'a("' * 40_000, b"a(" + b" " * 40_000])
def test_no_text_takes_long(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.shader").write_bytes(text)
    begin = time.perf_counter()
    assert Shaders({OWN: tmp_path / "a.shader"}).textures(shader(OWN)) is None
    assert time.perf_counter() - begin < 5
