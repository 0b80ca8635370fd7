"""What is found about mipmaps, blocks and sizes; and what blocks would harm."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from accel.texture.kinds import KINDS, Evidence
from bridge.advisors.findings import ERROR, NOTE, WARNING, find
from bridge.advisors.texture_facts import texture_facts
from bridge.core.textures import TextureIntent, TextureUse
from tests.advisors import pictures
from tests.advisors.examinations import classified, imagined
from tests.advisors.judging import ALL, AS_DATA, AS_NORMAL, USED, VECTORS, imagine, judged


class TestMipmaps:
    @pytest.mark.parametrize("file", ["ui/panel.png", "icon_sword.png", "HUD/Health.png"])
    def test_an_interface_image_with_mipmaps_is_found(self, found: Any, file: str) -> None:
        finding = found(file, pictures.noise(4), "ui", compression="none")["ui_mipmaps"]
        assert (finding.intent, finding.rank) == (TextureIntent(mipmaps=False), WARNING)

    def test_one_by_pixels_alone_has_to_be_very_sure(self) -> None:
        facts = {"channels": 4, "alpha": USED, "width": 128, "height": 128}
        assert "ui_mipmaps" in judged(imagined("a.png", "ui", 0.95, **facts), "a.png", compression="none")
        assert not judged(imagined("a.png", "ui", 0.6, **facts), "a.png", compression="none")

    def test_one_that_the_engine_saw_in_3d_keeps_its_mipmaps(self, found: Any) -> None:
        facts = {"width": 192, "height": 128, "entropy": 7.0}
        assert not imagine("ui/screen.png", "ui", facts, compression="block")
        # It lies in blocks on some platforms, perhaps.
        assert not imagine("ui/screen.png", "ui", facts)
        assert "ui_mipmaps" in imagine("ui/screen.png", "ui", facts, decides=ALL - {"compression"})

    def test_a_sprite_keeps_its_mipmaps_as_it_may_be_seen_from_afar(self, found: Any) -> None:
        assert not found("hero.png", pictures.noise(4), "sprite")
        assert not found("hero.png", pictures.noise(4), "sprite", kind="sprite")

    def test_what_the_engine_knows_as_an_interface_needs_none(self, found: Any) -> None:
        assert "ui_mipmaps" in found("hero.png", pictures.noise(4), "sprite", kind="ui")
        assert "ui_mipmaps" in found("hero.png", pictures.noise(4), None, kind="ui")

    def test_blocks_are_no_sign_of_3d_where_the_engine_knows_it_as_2d(self, found: Any) -> None:
        facts = {"width": 192, "height": 128, "entropy": 7.0}
        assert "ui_mipmaps" in imagine("ui/screen.png", "ui", facts, compression="block", kind="sprite")

    @pytest.mark.parametrize(
        ("use", "side", "there"),
        [
            ({}, 128, True),
            ({}, 512, False),
            ({"size": (300, 300)}, 512, True),
            ({"size": (100, 100)}, 512, False),
            ({"size": (48, 48)}, 128, False),
            ({"scale": 0.25, "mipmaps": False}, 512, True),
            ({"size": (300, 300), "mipmaps": True}, 512, False),
            ({"domain": "particles"}, 128, False),
            ({"domain": "canvas"}, 128, False),
        ],
    )
    def test_mipmaps_are_useless_only_where_it_is_drawn_as_large_as_it_is(
        self, use: dict[str, Any], side: int, there: bool
    ) -> None:
        facts = {"width": side, "height": side}
        uses = [TextureUse(**{"domain": "ui", **use})] if use else []
        codes = imagine("ui/a.png", "ui", facts, uses=uses, compression="lossless")
        assert ("ui_mipmaps" in codes) is there

    @pytest.mark.parametrize(
        ("width", "height", "there"), [(16, 16, False), (128, 24, False), (128, 32, True)]
    )
    def test_mipmaps_of_small_icons_cost_nothing(self, width: int, height: int, there: bool) -> None:
        facts = {"width": width, "height": height}
        for kind in ("ui", None):
            assert ("ui_mipmaps" in imagine("ui/a.png", kind, facts, kind="ui")) is there

    def test_trilinear_filtering_is_chosen_for_the_mipmaps(self) -> None:
        for kind in ("ui", None):
            assert "ui_mipmaps" in imagine("ui/a.png", "ui", {"width": 64}, kind="ui")
            assert "ui_mipmaps" not in imagine(
                "ui/a.png", kind, {"width": 64}, kind="ui", mip_filter="linear"
            )

    def test_what_the_engine_knows_as_a_sprite_is_no_surface(self) -> None:
        assert "no_mipmaps" in imagine("wall_albedo.png", "albedo", {}, mipmaps=False)
        assert "no_mipmaps" not in imagine("wall_albedo.png", "albedo", {}, mipmaps=False, kind="sprite")

    @pytest.mark.parametrize(
        ("file", "kind"),
        [("wall_albedo.png", "albedo"), ("w_orm.png", "packed"), ("w_emissive.png", "emissive"),
         ("rock.png", "normal"), ("w_ao.png", "ao")],
    )  # fmt: skip
    def test_a_map_of_a_surface_without_mipmaps_is_found(self, file: str, kind: Any) -> None:
        facts = {"normals": VECTORS} if kind == "normal" else {"grey": kind == "ao"}
        present = AS_NORMAL if kind == "normal" else {"color_space": "srgb" if kind != "ao" else "linear"}
        finding = imagine(file, kind, facts, mipmaps=False, **present)["no_mipmaps"]
        assert (finding.intent, finding.rank) == (TextureIntent(mipmaps=True), WARNING)

    @pytest.mark.parametrize("kind", [*KINDS, None])
    def test_without_a_word_on_its_use_only_normals_are_taken_for_a_surface(self, kind: Any) -> None:
        facts = {"normals": VECTORS} if kind == "normal" else {}
        codes = imagine("thing.png", kind, facts, mipmaps=False)
        assert ("no_mipmaps" in codes) is (kind == "normal")

    @pytest.mark.parametrize(
        ("use", "there"),
        [
            ({"domain": "surface"}, True),
            ({"domain": "terrain"}, True),
            ({"domain": "canvas"}, False),
            ({"domain": "decal"}, False),
            ({"domain": "surface", "mipmaps": False}, False),
        ],
    )
    def test_mipmaps_are_missing_only_where_they_are_read(self, use: dict[str, Any], there: bool) -> None:
        uses = [TextureUse(kinds=("albedo",), **use)]
        assert ("no_mipmaps" in imagine("wall_albedo.png", "albedo", {}, uses=uses, mipmaps=False)) is there

    def test_a_material_that_uses_it_is_a_word_too(self) -> None:
        examination = imagined("thing.png", "albedo")
        slot = classified("albedo", 0.97, Evidence("slot", "used as albedo", "albedo"))
        examination = type(examination)(examination.inspection, slot, examination.fingerprint)
        assert "no_mipmaps" in judged(examination, "thing.png", mipmaps=False)

    @pytest.mark.parametrize(
        ("file", "kind", "facts"),
        [
            ("ramp_albedo.png", "albedo", {"width": 256, "height": 8}),
            ("ramp_albedo.png", "albedo", {"width": 512, "height": 32}),
            ("sprites/hero_n.png", "normal", {"normals": None}),
            ("hero_n.png", "normal", {"alpha": USED, "channels": 4}),
            ("hero_n.png", "normal", {"width": 64, "height": 32}),
            ("terrain_height.png", "height", {"grey": True}),
        ],
    )
    def test_what_is_looked_up_or_lies_in_2d_may_go_without(self, file: str, kind: Any, facts: Any) -> None:
        facts = {"normals": VECTORS, **facts} if kind == "normal" else facts
        assert "no_mipmaps" not in imagine(file, kind, facts, mipmaps=False, **AS_DATA)


class TestMemory:
    def test_an_uncompressed_map_of_a_surface_is_found_with_what_it_would_save(self) -> None:
        facts = {"width": 2048, "height": 2048}
        finding = imagine("wall_albedo.png", "albedo", facts, compression="lossless")["uncompressed"]
        assert (finding.intent, finding.rank) == (TextureIntent(compression="block"), WARNING)
        assert finding.memory == {
            "desktop": (22_369_620, 2_796_216), "mobile": (22_369_620, 2_796_216),
        }  # fmt: skip
        assert finding.saved == 22_369_620 - 2_796_216

    def test_packed_channels_get_blocks_that_keep_them_apart(self) -> None:
        finding = imagine("wall_orm.png", "packed", compression="none", **AS_DATA)["uncompressed"]
        assert finding.intent == TextureIntent(compression="block_high")

    def test_lossy_is_unpacked_for_the_gpu_all_the_same(self) -> None:
        facts = {"normals": VECTORS}
        codes = imagine("rock_n.png", "normal", facts, compression="lossy", **AS_NORMAL)
        assert set(codes) == {"uncompressed"}

    @pytest.mark.parametrize(
        ("file", "kind", "facts"),
        [
            ("hero.png", "sprite", {}),
            ("ui/panel.png", "ui", {}),
            ("thing.png", "albedo", {}),
            ("sky.hdr", "environment", {"bit_depth": 32}),
            ("terrain_height.png", "height", {"grey": True}),
            ("wall_albedo.png", "albedo", {"width": 128, "height": 128}),
            ("wall_albedo.png", "albedo", {"entropy": 3.0}),
            ("wall_albedo.png", "albedo", {"width": 510, "height": 512}),
            ("wall_albedo.png", "albedo", {"bit_depth": 32}),
            ("wall_albedo.png", None, {}),
        ],
    )
    def test_nothing_is_said_of_what_blocks_would_harm_or_barely_shrink(
        self, file: str, kind: Any, facts: Any
    ) -> None:
        codes = imagine(file, kind, facts, compression="lossless", mipmaps=kind != "ui", **AS_DATA)
        assert "uncompressed" not in codes

    def test_nothing_is_said_where_the_engines_formats_arent_known(self) -> None:
        texture = texture_facts(
            imagined("wall_albedo.png", "albedo"),
            "wall_albedo.png",
            present=TextureIntent(compression="lossless", mipmaps=True),
            decides=ALL,
        )
        assert find(texture) == []

    @pytest.mark.parametrize("compression", ["block", "block_high", "universal"])
    def test_pixel_art_in_blocks_is_found(self, compression: str) -> None:
        facts = {"width": 64, "height": 128, "entropy": 2.5, "hard_edges": 0.7, "channels": 4, "alpha": USED}
        settings = {"compression": compression, "mipmaps": False}
        finding = imagine("sprites/a.png", "sprite", facts, **settings)["pixel_art_blocks"]
        assert (finding.intent, finding.rank) == (TextureIntent(compression="lossless"), ERROR)

    @pytest.mark.parametrize(
        ("entropy", "says", "rank"), [(2.5, "pixel_art_blocks", ERROR), (6.0, "small_blocks", WARNING)]
    )
    def test_a_small_picture_of_many_tones_is_called_small_and_no_pixel_art(
        self, entropy: float, says: str, rank: int
    ) -> None:
        facts = {
            "width": 64,
            "height": 64,
            "entropy": entropy,
            "hard_edges": 0.7,
            "channels": 4,
            "alpha": USED,
        }
        finding = imagine("ui/icon.png", "ui", facts, compression="block", mipmaps=False)["pixel_art_blocks"]
        assert (finding.sentence, finding.rank) == (says, rank)

    @pytest.mark.parametrize("side", [64, 256])
    def test_a_glow_of_few_tones_is_no_pixel_art(self, side: int) -> None:
        facts = {
            "width": side,
            "height": side,
            "entropy": 2.5,
            "hard_edges": 0.05,
            "channels": 4,
            "alpha": USED,
        }
        assert not imagine("sprites/glow.png", "sprite", facts, compression="block")
        squares = {"compression": "block", "filter": "nearest", "decides": ALL | {"filter"}}
        assert "pixel_art_blocks" in imagine("sprites/glow.png", "sprite", facts, **squares)

    def test_pixel_art_that_is_drawn_in_3d_keeps_its_blocks(self) -> None:
        facts = {"width": 64, "height": 64, "entropy": 2.5, "hard_edges": 0.7}
        for domain, there in (("canvas", True), ("particles", False)):
            uses = [TextureUse(kinds=("sprite",), domain=domain)]
            codes = imagine("sprites/a.png", "sprite", facts, compression="block", uses=uses)
            assert ("pixel_art_blocks" in codes) is there

    def test_where_the_engine_knows_how_texels_are_shown_only_squares_are_pixel_art(self) -> None:
        facts = {
            "width": 1024,
            "height": 1024,
            "entropy": 2.5,
            "hard_edges": 0.7,
            "channels": 4,
            "alpha": USED,
        }
        known = {"decides": ALL | {"filter"}, "compression": "block"}
        assert "pixel_art_blocks" not in imagine("sprites/a.png", "sprite", facts, **known, filter="linear")
        assert "pixel_art_blocks" in imagine("sprites/a.png", "sprite", facts, **known, filter="nearest")

    def test_what_its_size_keeps_out_of_blocks_is_left_alone(self) -> None:
        facts = {"width": 30, "height": 30, "entropy": 2.5, "hard_edges": 0.7, "channels": 4, "alpha": USED}
        for formats, found in ((("bc3", "astc_6x6"), True), (("rgba8", "astc_6x6"), False), ((), True)):
            settings = {"compression": "block", "mipmaps": False, "formats": formats}
            codes = imagine("sprites/a.png", "sprite", facts, **settings)
            assert ("pixel_art_blocks" in codes) is found

    def test_a_small_picture_that_may_be_a_map_of_something_in_3d_keeps_its_blocks(self) -> None:
        facts = {"width": 64, "height": 64, "entropy": 2.5}
        assert not imagine("wheel.png", "ui", facts, compression="block", mipmaps=False)

    def test_a_large_painted_picture_in_blocks_is_taste(self) -> None:
        assert not imagine("backdrop.png", "sprite", {"width": 2048}, compression="block")

    def test_light_that_is_cut_off_is_found(self) -> None:
        finding = imagine("sky.exr", "environment", {"bit_depth": 32}, compression="lossy")["lossy_hdr"]
        assert (finding.intent, finding.rank) == (TextureIntent(compression="lossless"), NOTE)
        assert not imagine("sky.png", "environment", compression="lossy")


class TestSize:
    def test_a_map_over_the_limit_is_found(self) -> None:
        finding = imagine("wall_albedo.png", "albedo", limit=64)["too_large"]
        assert (finding.intent, finding.rank) == (TextureIntent(max_size=64), WARNING)

    def test_of_what_use_isnt_sure_the_author_decides(self) -> None:
        finding = imagine("wall.png", None, limit=64)["too_large"]
        assert (finding.applicable, finding.rank) == (False, WARNING)

    @pytest.mark.parametrize("kind", ["sprite", "environment"])
    def test_a_picture_of_2d_or_a_sky_may_need_its_size(self, kind: Any) -> None:
        finding = imagine("thing.png", kind, limit=64)["too_large"]
        assert (finding.applicable, finding.rank) == (False, NOTE)

    def test_one_that_the_engine_limits_already_is_fine(self) -> None:
        assert not imagine("wall_albedo.png", "albedo", limit=64, max_size=64)

    def test_a_sprite_sheet_keeps_its_size_as_its_regions_are_in_pixels(self) -> None:
        assert not imagine("hero_sheet.png", "sprite", limit=64)

    ODD: ClassVar = {"width": 102, "height": 102, "power_of_two": False}

    def test_a_material_that_doesnt_fit_its_blocks_is_told_to_its_author(self) -> None:
        for present in ({"compression": "block"}, {"wrap": "repeat"}):
            finding = imagine("wall_albedo.png", "albedo", self.ODD, **present)["not_power_of_two"]
            assert (finding.applicable, finding.rank) == (False, WARNING)

    def test_no_power_of_two_is_fine_where_nothing_needs_it(self) -> None:
        fours = {"width": 100, "height": 300, "power_of_two": False}
        assert not imagine("wall_albedo.png", "albedo", fours, compression="block")
        assert not imagine("wall_albedo.png", "albedo", self.ODD, compression="lossless")
        assert not imagine("hero.png", "sprite", {**self.ODD, "entropy": 7}, compression="block")
