"""File and folder names by the conventions that artists use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.texture.kinds import KINDS
from accel.texture.naming import (
    ANYWHERE,
    FOLDERS,
    LETTERS,
    ROLES,
    SHORT_ROLES,
    material_of,
    other_word,
    property_kinds,
    read_name,
)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("textures/Rock_Normal_2K.png", "normal"),
        ("rock_nor_gl_4k.png", "normal"),
        ("Bricks01_NormalDX.jpg", "normal"),
        ("ship01NormalMap.dds", "normal"),
        ("shipnormal.dds", "normal"),
        ("wallAmbientOcclusion.png", "ao"),
        ("AmbientOcclusion.png", "ao"),
        ("wall-ORM.png", "packed"),
        ("wall_occlusion_roughness_metallic.png", "packed"),
        ("wall_base_color.png", "albedo"),
        ("wall.diffuse_1024x1024.png", "albedo"),
        ("wall_rough.jpg", "roughness"),
        ("wall_Metallic.jpg", "specular"),
        ("wall_bump.jpg", "height"),
        ("robot_glow.tga", "emissive"),
        ("normalmap_earth_S1.png", "normal"),
        ("bamboo_1_norm.png.cached.dds", "normal"),
        ("flags/flag_blue_norm.tga", "normal"),
        ("hills_bk.dds", "environment"),
        ("岩石_normal.png", "normal"),
        ("desert_skybox.png", "environment"),
        ("ui/button_normal.png", "ui"),
        ("art/icon_sword.png", "ui"),
        ("sprites/hero.png", "sprite"),
        ("maps\\skies\\day.png", "environment"),
        ("T_Rock_AORMT.png", "packed"),
        ("T_Rock_BC.png", "albedo"),
        ("rock_MetSmooth.png", "packed"),
        ("rock_MaskMap.png", "packed"),
        ("rock_mask_map_2k.png", "packed"),
        ("rock_roughnessmap.png", "roughness"),
        ("rock_AlbedoTransparency.png", "albedo"),
        ("rock_Mixed_AO.png", "ao"),
        ("CliffAlbedoSpecular.psd", "albedo"),
        ("rock_NormalHeight.png", "normal"),
        ("ReflectionProbe-0.exr", "environment"),
    ],
)
def test_a_name_says_what_its_last_word_or_its_folder_says(name: str, kind: str) -> None:
    assert read_name(name)[0].kinds[0] == kind


@pytest.mark.parametrize("name", ["", "n.png", "2048.png", "岩石.png", "light.png", "metal/wood.png", "."])
def test_a_name_without_a_role_says_nothing(name: str) -> None:
    assert read_name(name) == []


def test_one_letter_counts_more_where_the_folder_has_the_rest_of_the_set() -> None:
    alone = read_name("rock_n.png")[0]
    together = read_name("rock_n.png", ["rock_d.png", "grass.png"])[0]
    assert (alone.strength, alone.source) == ("letter", "name")
    assert (together.strength, together.source) == ("suffix", "siblings")
    assert together.kinds == ("normal",)


def test_names_in_any_script_make_sets() -> None:
    assert read_name("岩石_n.png", ["岩石.png"])[0].kinds == ("normal",)
    assert read_name("岩石.png", ["岩石_n.png"])[0].kinds == ("albedo",)


def test_what_has_maps_beside_it_is_what_they_are_maps_of() -> None:
    cue = read_name("rock.png", ["rock.png", "rock_n.png", "moss.png"])[0]
    assert cue.kinds == ("albedo",)
    assert cue.word == "beside rock_n"
    assert read_name("rock.png", ["rocket.png", "rock_sprite.png"]) == []


def test_six_faces_are_a_sky_and_one_is_none() -> None:
    faces = [f"day_{face}.tga" for face in ("ft", "bk", "lf", "rt", "up", "dn")]
    assert read_name("day_ft.tga", faces)[0].kinds == ("environment",)
    assert read_name("robot_front.png", ["robot_back.png"]) == []


def test_the_nearest_folder_counts() -> None:
    assert [cue.word for cue in read_name("textures/ui/frame.png")] == ["ui/"]
    assert read_name("ui/one/two/three/frame.png") == []


@pytest.mark.parametrize(
    ("stem", "material"),
    [
        ("Rock_Normal_2K", "rock"),
        ("rock_d", "rock"),
        ("rock", "rock"),
        ("Old_Rock_baseColor", "oldrock"),
        ("normal", "normal"),
        ("岩石_n", "岩石"),
        ("木头_normal", "木头"),
        ("_n", "n"),
        ("", ""),
    ],
)
def test_the_textures_of_one_material_share_its_name(stem: str, material: str) -> None:
    assert material_of(stem) == material


def test_the_lexicon_speaks_of_kinds_that_there_are() -> None:
    for table in (ROLES, SHORT_ROLES, LETTERS, ANYWHERE, FOLDERS):
        assert {kind for kinds in table.values() for kind in kinds} <= set(KINDS)


@pytest.mark.parametrize(
    ("name", "word", "certain"),
    [
        ("T_Noise_01.png", "noise", True), ("LUT_Night.png", "lut", True),
        ("BlueNoise64.png", "bluenoise", True), ("rock.png", None, False), ("", None, False),
        ("terrain/splat_map.png", "splatmap", True), ("font SDF Atlas.png", None, False),
        ("button_noise.png", None, False), ("ui/noise.png", "noise", False),
        ("leaf_mask.png", "mask", False), ("ui/mask.png", None, False), ("masks/leaf.png", "masks/", False),
        ("masks/leaf_color.png", None, False), ("noise_normal.png", None, False),
        ("water_FlowMap.png", "flowmap", True), ("flow_map.png", "flowmap", True),
        ("Lightmap-0_comp_dir.png", "Lightmap-0_comp_dir", True),
    ],
)  # fmt: skip
def test_words_for_data_of_shaders_and_tools_are_known(name: str, word: str | None, certain: bool) -> None:
    assert other_word(name) == ((word, certain) if word else None)


@given(st.text(), st.lists(st.text(), max_size=4))
def test_any_name_is_read(name: str, siblings: list[str]) -> None:
    assert len(read_name(name, siblings)) <= 3
    material_of(name)
    other_word(name)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("_Occlusion", ("ao",)), ("_T_Orm", ("packed",)), ("orm_sampler", ("packed",)),
        ("_T_Normal", ("normal",)), ("_MainBump", ("normal", "height")), ("_Illum", ("emissive",)),
        ("shader_parameter/texture_albedo", ("albedo",)), ("emission_color_texture", ("emissive",)),
        ("_MetallicRoughnessAO", ("packed",)), ("normal_roughness", ("normal",)),
        ("_NormalNoise", ("other",)), ("_ColorControl", ("other",)), ("emission_mask", ("other",)),
        ("_ToonFresnel", ()), ("_ScreenColor", ()),
        ("mask_map", ("packed",)), ("noise_normal", ("normal",)), ("_MainTex", ()), ("", ()),
    ],
)  # fmt: skip
def test_a_propertys_name_tells_what_a_shader_reads(name: str, kinds: tuple[str, ...]) -> None:
    assert property_kinds(name) == kinds
