"""What materials, scenes and the project's settings use a texture as."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from bridge.api import TextureUse, TextureUses
from bridge_godot.resource_file import read_resource
from bridge_godot.shader import Shader
from bridge_godot.texture_uses import texture_uses
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


def kinds_used(project: Path) -> dict[str, list[str]]:
    return {file: kinds for file, uses in texture_uses(project).items() if (kinds := [*uses.kinds()])}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("rock.png", "rock_n.png", "orm.png", "hero.png", "sheet.png", "sky.exr"):
        texture(tmp_path / name, TEXT)
    return tmp_path


def test_a_scene_of_godot_4_tells_what_its_textures_are_for(project: Path) -> None:
    moved = TEXT.replace("[deps]", 'uid="uid://moved"\n\n[deps]').replace("\n\nuid", "\nuid")
    texture(project / "new/place.png", moved)
    (project / "main.tscn").write_text(SCENE4, encoding="utf-8")
    assert kinds_used(project) == {
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
    assert kinds_used(project) == {"rock.png": ["albedo"], "hero.png": ["height", "sprite"]}


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
    assert kinds_used(project) == {"hero.png": ["ui"], "orm.png": ["packed"]}


@pytest.mark.parametrize("garbage", [b"", b"\0\xff" * 100, b"[ext_resource", b"x = ExtResource( 1 )\n[node"])
def test_what_is_no_text_resource_says_nothing(project: Path, garbage: bytes) -> None:
    (project / "main.tscn").write_bytes(garbage)
    (project / "folder.tres").mkdir()
    assert kinds_used(project) == {}


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
    assert kinds_used(project) == {"rock.png": ["albedo"], "rock_n.png": ["normal"], "orm.png": [last]}


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
    assert kinds_used(tmp_path) == {}


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
    assert kinds_used(project) == {"hero.png": ["sprite"], "rock_n.png": both, "orm.png": both}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.gdshader", "/* " * 20_000),
        ("a.gdshader", "uniform sampler2D a:" * 8_000),
        ("a.gdshader", "texture(n," * 20_000),
        ("a.gdshader", '#include "a.gdshader"\n' * 20_000),
        ("a.tscn", "a" + " " * 40_000 + "b"),
        ("a.tscn", '[sub_resource type="Shader" id="1"]\ncode = "' + '\\"\n' * 100_000),
    ],
)
def test_no_text_takes_long(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    begin = time.perf_counter()
    found: object = (
        Shader.of_file(tmp_path, name) if name == "a.gdshader" else list(read_resource(tmp_path / name))
    )
    assert found is not None and time.perf_counter() - begin < 5


def write(project: Path, file: str, text: str) -> None:
    path = project / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def resource(kind: str, body: str, *files: str) -> str:
    """A text resource; the ids of `files` are 1, 2, …"""
    external = "".join(
        f'[ext_resource type="Texture2D" path="res://{file}" id="{at}"]\n' for at, file in enumerate(files, 1)
    )
    return f'[gd_resource type="{kind}" format=3]\n\n{external}\n{body}'


def scene(body: str, *files: str) -> str:
    return resource("PackedScene", body, *files).replace('[gd_resource type="PackedScene"', "[gd_scene")


def only_use(project: Path, file: str) -> TextureUse:
    (use,) = texture_uses(project)[file].uses
    return use


def test_paths_may_be_relative_to_the_resource(project: Path) -> None:
    texture(project / "trees/bark.png", TEXT)
    write(
        project,
        "trees/bark.tres",
        '[gd_resource type="StandardMaterial3D" format=3]\n\n'
        '[ext_resource type="Texture2D" path="bark.png" id="1"]\n'
        '[ext_resource type="Texture2D" path="../rock_n.png" id="2"]\n'
        '[ext_resource type="Texture2D" path="../../rock.png" id="3"]\n\n'
        '[resource]\nalbedo_texture = ExtResource("1")\nnormal_texture = ExtResource("2")\n'
        'ao_texture = ExtResource("3")\n',
    )
    assert kinds_used(project) == {"trees/bark.png": ["albedo"], "rock_n.png": ["normal"]}


@pytest.mark.parametrize(
    ("lines", "channels"),
    [
        ("albedo_texture = {1}", {"albedo_texture": "rgb"}),
        ("transparency = 2\nalbedo_texture = {1}", {"albedo_texture": "rgba"}),
        ("flags_transparent = true\nalbedo_texture = {1}", {"albedo_texture": "rgba"}),
        ("roughness_texture = {1}\nroughness_texture_channel = 3", {"roughness_texture": "a"}),
        ("ao_texture = {1}", {"ao_texture": "r"}),
        ("metallic_texture = {1}\nmetallic_texture_channel = 4", {"metallic_texture": "rgb"}),
    ],
)
def test_a_material_tells_the_channels_that_it_reads(
    project: Path, lines: str, channels: dict[str, str]
) -> None:
    body = "[resource]\n" + lines.replace("{1}", 'ExtResource("1")') + "\n"
    write(project, "rock.tres", resource("StandardMaterial3D", body, "rock.png"))
    assert {use.slot: use.channels for use in texture_uses(project)["rock.png"].uses} == channels


def test_roughness_in_the_alpha_of_a_normal_map_leaves_it_a_normal_map_whose_alpha_is_read(
    project: Path,
) -> None:
    body = (
        '[resource]\nnormal_texture = ExtResource("1")\nroughness_texture = ExtResource("1")\n'
        "roughness_texture_channel = 3\n"
    )
    write(project, "rock.tres", resource("StandardMaterial3D", body, "rock_n.png"))
    uses = texture_uses(project)["rock_n.png"]
    assert uses.kinds() == ["normal"]
    assert uses.reads("a")


def test_metalness_in_blue_alone_means_a_packed_map(project: Path) -> None:
    body = '[resource]\nmetallic_texture = ExtResource("1")\nmetallic_texture_channel = 2\n'
    write(project, "rock.tres", resource("StandardMaterial3D", body, "orm.png"))
    assert kinds_used(project) == {"orm.png": ["packed"]}


QUAD = '[sub_resource type="QuadMesh" id="q"]\nmaterial = {material}\n\n'
PUFF = '[sub_resource type="StandardMaterial3D" id="m"]\nalbedo_texture = ExtResource("1")\n\n'
SYSTEM = '[node name="Smoke" type="GPUParticles3D"]\ndraw_pass_1 = SubResource("q")\n'


@pytest.mark.parametrize(
    ("body", "domain"),
    [
        (PUFF + QUAD.format(material='SubResource("m")') + SYSTEM, "particles"),
        (PUFF + '[node name="A" type="CPUParticles3D"]\nmaterial_override = SubResource("m")\n', "particles"),
        (PUFF.replace("]\n", "]\nbillboard_mode = 3\n") + '[node name="A" type="Node3D"]\n', "particles"),
        (PUFF + '[node name="A" type="GPUParticles3D"]\nprocess_material = SubResource("m")\n', "surface"),
        (PUFF + QUAD.format(material='SubResource("m")') + '[node name="A" type="Node3D"]\n', "surface"),
    ],
)
def test_what_particles_draw_lies_in_3d_as_particles(project: Path, body: str, domain: str) -> None:
    write(project, "smoke.tscn", scene(body, "rock.png"))
    assert only_use(project, "rock.png") == TextureUse(
        kinds=("albedo",),
        slot="albedo_texture",
        domain=domain,
        channels="rgb",  # type: ignore[arg-type]
    )


def test_particles_draw_with_materials_and_meshes_in_files_of_their_own(project: Path) -> None:
    write(
        project,
        "fx/puff.tres",
        resource("StandardMaterial3D", '[resource]\nalbedo_texture = ExtResource("1")\n', "hero.png"),
    )
    write(
        project,
        "fx/quad.tres",
        '[gd_resource type="QuadMesh" format=3]\n\n'
        '[ext_resource type="Material" path="res://fx/puff.tres" id="1"]\n\n'
        '[resource]\nmaterial = ExtResource("1")\n',
    )
    write(
        project,
        "a.tscn",
        '[gd_scene format=3]\n\n[ext_resource type="QuadMesh" path="res://fx/quad.tres" id="1"]\n\n'
        '[node name="Smoke" type="GPUParticles3D"]\ndraw_pass_1 = ExtResource("1")\n',
    )
    assert only_use(project, "hero.png").domain == "particles"


SHADER = """\
shader_type spatial;
/* uniform sampler2D orm_sampler : hint_normal; */
uniform sampler2D albedo_sampler : source_color, filter_nearest;
uniform sampler2D orm_sampler : filter_linear_mipmap;
uniform sampler2D bumps : hint_roughness_normal;
uniform sampler2D wall_mask : source_color;
uniform sampler2D waves : hint_normal;
uniform sampler2D unlit;
#include "common.gdshaderinc"

void fragment() {
    vec4 albedo = texture(albedo_sampler, UV);
    ALBEDO = albedo.rgb * texture(wall_mask, UV).x;
    ROUGHNESS = texture(orm_sampler, UV * vec2(2.0)).g + texture(orm_sampler, UV).a;
    NORMAL_MAP = texture(bumps, UV).xyz;
    EMISSION = glow(unlit, UV) * texture(waves, UV).r;
}
"""


def test_a_shaders_source_tells_kinds_channels_and_filters(project: Path) -> None:
    write(project, "rock.gdshader", SHADER)
    write(project, "common.gdshaderinc", "uniform sampler2D emission_texture : source_color;\n")
    shader = Shader.of_file(project, "rock.gdshader")
    assert {name: (use.kinds, use.basis, use.channels) for name, use in shader.uses.items()} == {
        "albedo_sampler": (("albedo",), "declaration", "rgb"),
        "orm_sampler": (("packed",), "name", "ga"),
        "bumps": (("normal",), "declaration", "rgb"),
        "wall_mask": ((), "name", "r"),
        "waves": ((), "name", "r"),
        "unlit": ((), "name", ""),
        "emission_texture": (("emissive",), "declaration", ""),
    }
    assert {name: use.mipmaps for name, use in shader.uses.items() if use.mipmaps is not None} == {
        "albedo_sampler": False, "orm_sampler": True,
    }  # fmt: skip
    assert shader.uses["albedo_sampler"].color_space == "srgb"
    assert shader.uses["orm_sampler"].color_space == "linear"


def test_a_2d_shader_draws_in_2d_and_says_little_of_kinds(project: Path) -> None:
    source = (
        "shader_type canvas_item;\nuniform sampler2D noise_texture : source_color;\n"
        "uniform sampler2D normal_texture;\nvoid fragment() { COLOR = texture(noise_texture, UV); }\n"
    )
    body = (
        f'[sub_resource type="Shader" id="s"]\ncode = "{source}"\n\n'
        '[sub_resource type="ShaderMaterial" id="m"]\nshader = SubResource("s")\n'
        'shader_parameter/noise_texture = ExtResource("1")\n'
        'shader_parameter/normal_texture = ExtResource("2")\n'
    )
    write(project, "a.tscn", scene(body, "rock.png", "rock_n.png"))
    noise, normal = only_use(project, "rock.png"), only_use(project, "rock_n.png")
    assert (noise.kinds, noise.domain, noise.channels, noise.color_space) == ((), "canvas", "rgba", None)
    assert (normal.kinds, normal.domain, normal.basis) == (("normal", "sprite"), "canvas", "name")


@pytest.mark.parametrize(
    ("node", "scale", "size"),
    [
        ('[node name="A" type="Sprite2D"]\nscale = Vector2(0.25, -0.5)\n', 0.5, None),
        ('[node name="A" type="Sprite2D"]\n', None, None),
        ('[node name="A" type="Node2D"]\nscale = Vector2(0.5, 0.5)\n\n'
         '[node name="B" type="Node2D" parent="."]\n\n'
         '[node name="C" type="Sprite2D" parent="B"]\nscale = Vector2(0.5, 0.5)\n', 0.25, None),
        ('[node name="A" type="TextureRect"]\ncustom_minimum_size = Vector2(40, 30)\n', None, None),
        ('[node name="A" type="TextureRect"]\ncustom_minimum_size = Vector2(40, 30)\nexpand_mode = 1\n',
         None, (40.0, 30.0)),
        ('[node name="A" type="TextureRect"]\noffset_left = 8.0\noffset_right = 72.0\noffset_bottom = 16.0\n'
         "expand_mode = 1\n", None, (64.0, 16.0)),
        ('[node name="A" type="TextureRect"]\nanchor_right = 1.0\noffset_right = 72.0\noffset_bottom = 16.0\n'
         "expand_mode = 1\n", None, None),
        ('[node name="A" type="TextureRect"]\nmargin_right = 64.0\nmargin_bottom = 16.0\nexpand = true\n'
         "rect_scale = Vector2( 0.5, 0.5 )\n", None, (32.0, 8.0)),
    ],
)  # fmt: skip
def test_nodes_tell_how_large_they_draw_a_texture(
    project: Path, node: str, scale: float | None, size: tuple[float, float] | None
) -> None:
    write(project, "a.tscn", scene(node + 'texture = ExtResource("1")\n', "hero.png"))
    use = only_use(project, "hero.png")
    assert (use.scale, use.size) == (scale, size)


def test_a_part_of_an_atlas_has_no_size_of_the_whole(project: Path) -> None:
    body = (
        '[sub_resource type="AtlasTexture" id="a"]\natlas = ExtResource("1")\n\n'
        '[node name="A" type="TextureRect"]\ncustom_minimum_size = Vector2(40, 30)\nexpand_mode = 1\n'
        'texture = SubResource("a")\n'
    )
    write(project, "a.tscn", scene(body, "sheet.png"))
    assert only_use(project, "sheet.png") == TextureUse(kinds=("ui",), slot="texture", domain="ui")


def test_an_animated_sprite_scales_its_frames(project: Path) -> None:
    body = (
        '[sub_resource type="SpriteFrames" id="f"]\nanimations = [{\n"texture": ExtResource("1")\n}]\n\n'
        '[node name="A" type="AnimatedSprite2D"]\nscale = Vector2(0.25, 0.25)\n'
        'sprite_frames = SubResource("f")\n'
    )
    write(project, "a.tscn", scene(body, "hero.png"))
    use = only_use(project, "hero.png")
    assert (use.kinds, use.domain, use.scale) == (("sprite",), "canvas", 0.25)


def test_a_filter_with_mipmaps_is_inherited(project: Path) -> None:
    body = (
        '[node name="A" type="Node2D"]\ntexture_filter = 4\n\n'
        '[node name="B" type="Sprite2D" parent="."]\ntexture = ExtResource("1")\n\n'
        '[node name="C" type="Sprite2D" parent="."]\ntexture_filter = 1\ntexture = ExtResource("2")\n'
    )
    write(project, "a.tscn", scene(body, "hero.png", "sheet.png"))
    assert only_use(project, "hero.png").mipmaps is True
    assert only_use(project, "sheet.png").mipmaps is False
    write(project, "a.tscn", scene(body.replace("texture_filter = 4\n", ""), "hero.png"))
    assert only_use(project, "hero.png").mipmaps is None
    write(
        project,
        "project.godot",
        "config_version=5\n\n[rendering]\n\ntextures/canvas_textures/default_texture_filter=2\n",
    )
    assert only_use(project, "hero.png").mipmaps is True


def test_a_sprite_in_3d_and_a_decal_lie_in_3d(project: Path) -> None:
    body = (
        '[node name="A" type="Sprite3D"]\ntexture = ExtResource("1")\n\n'
        '[node name="B" type="Decal"]\ntexture_albedo = ExtResource("2")\n'
    )
    write(project, "a.tscn", scene(body, "hero.png", "rock.png"))
    assert only_use(project, "hero.png").domain == "surface"
    assert only_use(project, "rock.png").domain == "decal"


def test_the_properties_of_scripts_tell_kinds_by_their_names_alone(project: Path) -> None:
    body = '[node name="A" type="Node3D"]\nocclusion_map = ExtResource("1")\nportrait = ExtResource("2")\n'
    write(project, "a.tscn", scene(body, "orm.png", "hero.png"))
    assert only_use(project, "orm.png") == TextureUse(kinds=("ao",), basis="name", slot="occlusion_map")
    assert only_use(project, "hero.png").kinds == ()


WRITER = """\
@tool
extends Resource
const META_EXTENSION = "hterrain"
func write_options(path: String) -> void:
    var config := ConfigFile.new()
    config.set_value("params", "compress/mode", 0)
    config.save(path + ".import")
"""


def test_textures_of_an_addon_and_those_whose_settings_it_writes_are_its_own(project: Path) -> None:
    write(project, "addons/acme.terrain/plugin.cfg", '[plugin]\nname="Terrain"\n')
    write(project, "addons/acme.terrain/data.gd", WRITER)
    write(project, "addons/acme.terrain/set.gd", "extends Resource\n")
    write(project, "levels/one/data.hterrain", "{}")
    write(
        project,
        "levels/ground.tres",
        '[gd_resource type="Resource" format=3]\n\n'
        '[ext_resource type="Script" path="res://addons/acme.terrain/set.gd" id="1"]\n'
        '[ext_resource type="Texture2D" path="res://rock.png" id="2"]\n\n'
        '[resource]\nscript = ExtResource("1")\ntextures = [ExtResource("2")]\n',
    )
    for file in (
        "addons/acme.terrain/icon.png",
        "levels/one/splat.png",
        "levels/sky.png",
        "addons/art/wood.png",
    ):
        texture(project / file, TEXT)
    owners = {file: uses.owner for file, uses in texture_uses(project).items() if uses.owner}
    assert owners == dict.fromkeys(
        ("addons/acme.terrain/icon.png", "levels/one/splat.png", "rock.png"), "addons/acme.terrain"
    )
    write(project, "addons/acme.terrain/data.gd", WRITER.replace(".import", ".json"))
    owners = {file: uses.owner for file, uses in texture_uses(project).items() if uses.owner}
    assert owners == {"addons/acme.terrain/icon.png": "addons/acme.terrain"}


def test_a_texture_that_nothing_uses_has_no_entry(project: Path) -> None:
    assert texture_uses(project).get("rock.png", TextureUses()) == TextureUses()
