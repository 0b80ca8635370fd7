"""What the import advisor finds, on real pictures through the real inspection; what it must not find most."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accel.image.examine import examine
from accel.image.inspection import Inspection
from accel.workload import Input, Limits
from bridge.advisors.findings import Finding, find
from bridge.core.textures import TextureIntent
from tests.advisors import pictures
from tests.advisors.pictures import Pixels

ALL = frozenset(TextureIntent.__struct_fields__)
SETTLED = TextureIntent(
    color_space="srgb", normal_convention="opengl", mipmaps=True, alpha="transparency", max_size=0
)
"""As a colour texture with mipmaps is imported."""


@pytest.fixture
def found(tmp_path: Path) -> Any:
    def look(
        file: str, pixels: Pixels, decides: frozenset[str] = ALL, limit: int = 4096, **present: Any
    ) -> dict[str, Finding]:
        path = pictures.save(tmp_path / file, pixels)
        image = examine(Input(file, str(path)), 0, Limits()).value
        assert isinstance(image, Inspection)
        settings = TextureIntent(**present).over(SETTLED)
        return {finding.code: finding for finding in find(image, file, settings, decides, limit)}

    return look


class TestNormalMaps:
    @pytest.mark.parametrize(
        "file", ["rock.png", "rock_n.png", "textures/Rock_Normal_2K.png", "rockNormalGL.png"]
    )
    def test_one_that_is_imported_as_colour_is_found_whatever_its_name(self, found: Any, file: str) -> None:
        finding = found(file, pictures.normal_map())["normal_as_color"]
        assert finding.intent == TextureIntent(kind="normal", color_space="linear")
        assert finding.values["share"] == 100

    def test_one_that_is_imported_as_one_is_fine(self, found: Any) -> None:
        assert not found("rock_n.png", pictures.normal_map(), kind="normal", color_space="linear")

    def test_one_that_points_down_is_found_in_an_engine_that_takes_it_as_up(self, found: Any) -> None:
        present = {"kind": "normal", "color_space": "linear"}
        down = found("rock_n.png", pictures.normal_map(green_up=False), **present)
        assert down["normal_convention"].intent == TextureIntent(normal_convention="directx")
        settled = found(
            "a_n.png", pictures.normal_map(green_up=False), normal_convention="directx", **present
        )
        assert not settled

    def test_one_that_points_up_is_found_where_the_engine_is_told_down(self, found: Any) -> None:
        present = {"kind": "normal", "color_space": "linear", "normal_convention": "directx"}
        up = found("rock_n.png", pictures.normal_map(), **present)
        assert up["normal_convention"].intent == TextureIntent(normal_convention="opengl")

    def test_a_name_that_contradicts_the_convention_leaves_it_open(self, found: Any) -> None:
        present = {"kind": "normal", "color_space": "linear"}
        assert not found("rock_nor_gl_2k.png", pictures.normal_map(green_up=False), **present)

    def test_an_engine_without_a_switch_for_green_isnt_advised_on_it(self, found: Any) -> None:
        present = {"kind": "normal", "color_space": "linear"}
        decides = ALL - {"normal_convention"}
        assert not found("rock_n.png", pictures.normal_map(green_up=False), decides, **present)


@pytest.mark.parametrize(
    ("file", "pixels"),
    [
        ("flat_n.png", pictures.flat((128, 128, 255))),
        ("flat.png", pictures.flat((130, 128, 250))),
        ("sky.png", pictures.gradient((90, 140, 235), (170, 200, 250), noise=2)),
        ("dusk.png", pictures.gradient((110, 120, 255), (140, 140, 245), noise=3)),
        ("pale.png", pictures.gradient((120, 122, 250), (140, 138, 250))),
        ("pale_noisy.png", pictures.gradient((128, 128, 250), (128, 128, 250), noise=10)),
        ("sky_normal.png", pictures.gradient((60, 110, 200), (140, 190, 240), noise=2)),
        ("grey_n.png", pictures.grey()),
        ("noise_n.png", pictures.noise(3)),
        ("ui/button_normal.png", pictures.noise(3)),
        ("photo.png", pictures.gradient((200, 120, 80), (40, 90, 60), noise=30)),
        ("north_n.png", pictures.gradient((10, 200, 30), (100, 20, 30), noise=4)),
    ],
)
def test_what_isnt_a_normal_map_is_never_called_one(found: Any, file: str, pixels: Pixels) -> None:
    assert not {"normal_as_color", "normal_convention"} & set(found(file, pixels))


def test_a_normal_map_in_the_interfaces_folder_is_left_alone(found: Any) -> None:
    assert not found("ui/button_normal.png", pictures.normal_map(), mipmaps=False)


class TestData:
    @pytest.mark.parametrize(
        "file", ["rock_roughness.png", "Rock_AO_1k.png", "WoodHeight.png", "r_metallic.png"]
    )
    def test_grey_data_that_is_read_as_srgb_is_found(self, found: Any, file: str) -> None:
        finding = found(file, pictures.grey())["data_as_srgb"]
        assert finding.intent == TextureIntent(color_space="linear")
        assert finding.sentence == "data_as_srgb"

    def test_packed_data_that_is_read_as_srgb_is_found(self, found: Any) -> None:
        assert found("crate_orm.png", pictures.noise(3))["data_as_srgb"].sentence == "packed_as_srgb"

    @pytest.mark.parametrize(
        ("file", "pixels"),
        [
            ("concrete.png", pictures.grey()),
            ("concrete_albedo.png", pictures.grey()),
            ("rock_roughness.png", pictures.noise(3)),
            ("crate_orm.png", pictures.grey()),
            ("character_arm.png", pictures.noise(3)),
            ("rusty_metal.png", pictures.grey()),
        ],
    )
    def test_a_name_without_the_pixels_or_pixels_without_the_name_say_nothing(
        self, found: Any, file: str, pixels: Pixels
    ) -> None:
        assert "data_as_srgb" not in found(file, pixels)

    def test_nothing_is_said_where_the_engine_leaves_it_to_the_shader(self, found: Any) -> None:
        assert not found("rock_roughness.png", pictures.grey(), ALL - {"color_space"})

    def test_nothing_is_said_where_it_is_linear_or_unknown(self, found: Any) -> None:
        assert not found("rock_roughness.png", pictures.grey(), color_space="linear")


class TestAlpha:
    def test_an_alpha_that_is_opaque_everywhere_is_found(self, found: Any) -> None:
        finding = found("leaf.png", pictures.opaque(pictures.noise(3)))["alpha_constant"]
        assert finding.intent == TextureIntent(alpha="none")

    def test_an_alpha_that_is_used_is_fine(self, found: Any) -> None:
        assert not found("leaf.png", pictures.noise(4))

    def test_an_alpha_that_hides_everything_is_left_alone(self, found: Any) -> None:
        invisible = np.dstack([pictures.noise(3), np.zeros((128, 128), np.uint8)])
        assert not found("leaf.png", invisible)


class TestMipmaps:
    @pytest.mark.parametrize(
        "file", ["ui/panel.png", "icon_sword.png", "HUD/Health.png", "art/crosshair.png"]
    )
    def test_an_interface_image_with_mipmaps_is_found(self, found: Any, file: str) -> None:
        assert found(file, pictures.noise(4))["ui_mipmaps"].intent == TextureIntent(mipmaps=False)

    def test_a_sprite_with_mipmaps_is_found_where_the_engine_knows_it_as_one(self, found: Any) -> None:
        assert "ui_mipmaps" in found("hero.png", pictures.noise(4), kind="sprite")

    def test_an_interface_image_without_mipmaps_is_fine(self, found: Any) -> None:
        assert not found("ui/panel.png", pictures.noise(4), mipmaps=False)

    def test_what_only_sounds_like_an_interface_is_left_alone(self, found: Any) -> None:
        for file in ("guitar.png", "building/wall.png", "ruin.png", "silicon.png"):
            assert not found(file, pictures.noise(4)), file

    @pytest.mark.parametrize(
        "file", ["wall_albedo.png", "wall_BaseColor.png", "wall_diff_2k.png", "w_ao.png"]
    )
    def test_a_material_texture_without_mipmaps_is_found(self, found: Any, file: str) -> None:
        pixels = pictures.grey() if "ao" in file else pictures.noise(3)
        codes = found(file, pixels, mipmaps=False, color_space="linear")
        assert codes["no_mipmaps"].intent == TextureIntent(mipmaps=True)

    def test_a_picture_of_no_known_use_may_go_without_mipmaps(self, found: Any) -> None:
        assert not found("hero.png", pictures.noise(4), mipmaps=False)

    def test_a_tiny_lookup_texture_may_go_without_mipmaps(self, found: Any) -> None:
        assert not found("ramp_albedo.png", pictures.noise(3, size=8), mipmaps=False)


class TestSize:
    def test_a_texture_over_the_limit_is_found(self, found: Any) -> None:
        assert found("wall.png", pictures.noise(3), limit=64)["too_large"].intent == TextureIntent(
            max_size=64
        )

    def test_one_that_the_engine_limits_already_is_fine(self, found: Any) -> None:
        assert not found("wall.png", pictures.noise(3), ALL, 64, max_size=64)

    def test_a_sprite_sheet_keeps_its_size_as_its_regions_are_in_pixels(self, found: Any) -> None:
        assert not found("hero_sheet.png", pictures.noise(4), limit=64)

    def test_a_material_that_is_no_power_of_two_is_told_to_its_author(self, found: Any) -> None:
        for present in ({"compression": "block"}, {"wrap": "repeat"}):
            finding = found("wall_albedo.png", pictures.noise(3, size=100), **present)["not_power_of_two"]
            assert not finding.applicable

    def test_no_power_of_two_is_fine_where_nothing_needs_it(self, found: Any) -> None:
        assert not found("wall_albedo.png", pictures.noise(3, size=100), compression="lossless")
        assert not found("hero.png", pictures.noise(4, size=100), compression="block")
        assert not found("ui/panel.png", pictures.noise(4, size=100), mipmaps=False)


def test_the_worst_comes_first(found: Any) -> None:
    codes = list(found("a_n.png", pictures.opaque(pictures.normal_map()), mipmaps=False))
    assert codes[0] == "normal_as_color"
    assert set(codes) == {"normal_as_color", "no_mipmaps", "alpha_constant"}
