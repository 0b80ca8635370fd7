"""What materials, scenes and the project's settings use a texture as."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from bridge_godot.texture_uses import read_resource, shader_samplers, texture_uses
from tests.godot.test_import_file import TEXT, texture

SCENE4 = """\
[gd_scene load_steps=6 format=3 uid="uid://scene"]

[ext_resource type="Texture2D" uid="uid://a" path="res://rock.png" id="1_a"]
[ext_resource type="Texture2D" path="res://rock_n.png" id="2"]
[ext_resource type="Texture2D" path="res://orm.png" id="3"]
[ext_resource type="Texture2D" uid="uid://moved" path="res://old/place.png" id="4"]
[ext_resource type="Texture2D" path="res://hero.png" id="5"]
[ext_resource type="Texture2D" path="res://sheet.png" id="6"]
[ext_resource type="Texture2D" path="res://sky.exr" id="7"]
[ext_resource type="Script" path="res://main.gd" id="8"]

[sub_resource type="StandardMaterial3D" id="m"]
albedo_texture = ExtResource("1_a")
normal_enabled = true
normal_texture = ExtResource("2")
roughness_texture = ExtResource("3")
metallic_texture = ExtResource("3")
ao_texture = ExtResource("3")
emission_texture = ExtResource("4")

[sub_resource type="AtlasTexture" id="atlas"]
atlas = ExtResource("6")
region = Rect2(0, 0, 16, 16)

[sub_resource type="PanoramaSkyMaterial" id="sky"]
panorama = ExtResource("7")

[sub_resource type="SpriteFrames" id="f"]
animations = [{
"frames": [{
"duration": 1.0,
"texture": ExtResource("5")
}],
"name": &"default"
}]

[node name="Root" type="Node3D"]
script = ExtResource("8")

[node name="Button" type="TextureButton" parent="."]
texture_normal = SubResource("atlas")
"""
SCENE3 = """\
[gd_scene load_steps=3 format=2]

[ext_resource path="res://rock.png" type="Texture" id=1]
[ext_resource path="res://hero.png" type="Texture" id=2]

[sub_resource type="SpatialMaterial" id=1]
albedo_texture = ExtResource( 1 )
depth_texture = ExtResource( 2 )

[node name="Sprite" type="Sprite" parent="."]
texture = ExtResource( 2 )
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("rock.png", "rock_n.png", "orm.png", "hero.png", "sheet.png", "sky.exr"):
        texture(tmp_path / name, TEXT)
    return tmp_path


def test_a_scene_of_godot_4_tells_what_its_textures_are_for(project: Path) -> None:
    moved = TEXT.replace("[deps]", 'uid="uid://moved"\n\n[deps]').replace("\n\nuid", "\nuid")
    texture(project / "new/place.png", moved)
    (project / "main.tscn").write_text(SCENE4, encoding="utf-8")
    assert texture_uses(project) == {
        "rock.png": ["albedo"],
        "rock_n.png": ["normal"],
        "orm.png": ["packed"],
        "new/place.png": ["emissive"],
        "hero.png": ["sprite"],
        "sheet.png": ["ui"],
        "sky.exr": ["environment"],
    }


def test_a_scene_of_godot_3_does_too(project: Path) -> None:
    (project / "main.tscn").write_text(SCENE3, encoding="utf-8")
    assert texture_uses(project) == {"rock.png": ["albedo"], "hero.png": ["height", "sprite"]}


def test_a_material_of_its_own_and_the_projects_icon_count(project: Path) -> None:
    (project / "rock.tres").write_text(
        '[gd_resource type="ORMMaterial3D" load_steps=2 format=3]\n\n'
        '[ext_resource type="Texture2D" path="res://orm.png" id="1"]\n\n'
        '[resource]\norm_texture = ExtResource("1")\n',
        encoding="utf-8",
    )
    (project / "project.godot").write_text(
        'config_version=5\n\n[application]\n\nconfig/icon="res://hero.png"\n', encoding="utf-8"
    )
    assert texture_uses(project) == {"hero.png": ["ui"], "orm.png": ["packed"]}


@pytest.mark.parametrize("garbage", [b"", b"\0\xff" * 100, b"[ext_resource", b"x = ExtResource( 1 )\n[node"])
def test_what_is_no_text_resource_says_nothing(project: Path, garbage: bytes) -> None:
    (project / "main.tscn").write_bytes(garbage)
    (project / "folder.tres").mkdir()
    assert texture_uses(project) == {}


@pytest.mark.parametrize(
    ("parameter", "hints", "last"),
    [
        ("shader_parameter", ("source_color, filter_linear", "hint_normal", "hint_roughness_g"), "packed"),
        ("shader_param", ("hint_albedo", "hint_normal", "hint_roughness_gray"), "roughness"),
    ],
)
def test_a_shaders_hints_say_what_its_textures_are_for(
    project: Path, parameter: str, hints: tuple[str, ...], last: str
) -> None:
    (project / "rock.gdshader").write_text(
        "shader_type spatial;\n// uniform sampler2D a : hint_normal;\n"
        f"uniform sampler2D a : {hints[0]};\nuniform sampler2D n:{hints[1]} ;\n"
        f"uniform sampler2D m : {hints[2]}, repeat_enable;\nuniform sampler2D silent;\n",
        encoding="utf-8",
    )
    (project / "rock.tres").write_text(
        '[gd_resource type="ShaderMaterial" load_steps=2 format=3]\n\n'
        '[ext_resource type="Shader" path="res://rock.gdshader" id="1"]\n'
        + "".join(
            f'[ext_resource type="Texture2D" path="res://{file}" id="{at}"]\n'
            for at, file in enumerate(("rock.png", "rock_n.png", "orm.png", "hero.png"), 2)
        )
        + '\n[resource]\nshader = ExtResource("1")\n'
        + "".join(
            f'{parameter}/{name} = ExtResource("{at}")\n'
            for at, name in enumerate(("a", "n", "m", "silent"), 2)
        ),
        encoding="utf-8",
    )
    assert texture_uses(project) == {"rock.png": ["albedo"], "rock_n.png": ["normal"], "orm.png": [last]}


@pytest.mark.parametrize(
    "path", ["res://" + "a" * 5000 + ".png", "res:///dev/stdin", "res://a\0b", "res://pipe"]
)
def test_a_path_that_leads_nowhere_says_nothing_and_stops_nothing(tmp_path: Path, path: str) -> None:
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "pipe")
    (tmp_path / "odd.tres").write_text(
        '[gd_resource type="ShaderMaterial" format=3]\n\n'
        f'[ext_resource type="Shader" path="{path}" id="1"]\n'
        f'[ext_resource type="Texture2D" path="{path}" id="2"]\n\n'
        '[sub_resource type="StandardMaterial3D" id="m"]\nalbedo_texture = ExtResource("2")\n\n'
        '[resource]\nshader = ExtResource("1")\nshader_parameter/a = ExtResource("2")\n',
        encoding="utf-8",
    )
    assert texture_uses(tmp_path) == {}


def test_normals_of_2d_pictures_are_of_no_3d_surface(project: Path) -> None:
    (project / "hero.tres").write_text(
        '[gd_resource type="CanvasTexture" format=3]\n\n'
        '[ext_resource type="Texture2D" path="res://hero.png" id="1"]\n'
        '[ext_resource type="Texture2D" path="res://rock_n.png" id="2"]\n\n'
        '[resource]\ndiffuse_texture = ExtResource("1")\nnormal_texture = ExtResource("2")\n',
        encoding="utf-8",
    )
    (project / "old.tscn").write_text(
        '[gd_scene format=2]\n\n[ext_resource path="res://orm.png" type="Texture" id=1]\n\n'
        '[node name="Hero" type="Sprite"]\nnormal_map = ExtResource( 1 )\n',
        encoding="utf-8",
    )
    both = ["normal", "sprite"]
    assert texture_uses(project) == {"hero.png": ["sprite"], "rock_n.png": both, "orm.png": both}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.gdshader", "/* " * 20_000),
        ("a.gdshader", "uniform sampler2D a:" * 8_000),
        ("a.tscn", "a" + " " * 40_000 + "b"),
    ],
)
def test_no_text_takes_long(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    begin = time.perf_counter()
    found: object = (
        shader_samplers(tmp_path / name) if name == "a.gdshader" else list(read_resource(tmp_path / name))
    )
    assert found is not None and time.perf_counter() - begin < 5
