"""What is found about textures of each kind; what must not be found most of all."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from accel.texture.kinds import KINDS, Evidence, Kind
from bridge.advisors.findings import DESIRED, ERROR, NOTE, WARNING, find
from bridge.advisors.texture_facts import is_judged_by_project, name_words, texture_facts
from bridge.core.textures import TextureIntent, TextureUse
from tests.advisors import pictures
from tests.advisors.examinations import classified, examined, imagined
from tests.advisors.judging import ALL, AS_DATA, AS_NORMAL, OPAQUE, VECTORS, imagine, judged
from tests.advisors.pictures import Pixels


def test_words_that_say_little_are_told_where_nothing_says_more() -> None:
    little, plain = Evidence("words", "arrow, next", "ui"), Evidence("name", "icon", "ui")
    assert name_words("ui", classified("ui", 0.97, little).evidence) == ["arrow, next"]
    assert name_words("ui", classified("ui", 0.97, plain, little).evidence) == ["icon"]
    assert name_words("albedo", classified("albedo", 0.97, little).evidence) == []


def test_the_project_speaks_only_for_what_the_texture_is_taken_for() -> None:
    evidence = [Evidence("project", "71% of its project's textures", "ui")]
    assert is_judged_by_project("sprite", evidence) and not is_judged_by_project("albedo", evidence)
    assert name_words("ui", evidence) == []


class TestNormalMaps:
    @pytest.mark.parametrize("file", ["rock.png", "rock_n.png", "textures/Rock_Normal_2K.png"])
    def test_one_that_is_imported_as_colour_is_found_whatever_its_name(self, found: Any, file: str) -> None:
        finding = found(file, pictures.normal_map(), "normal")["normal_as_color"]
        assert finding.intent == TextureIntent(kind="normal", color_space="linear")
        assert (finding.rank, finding.values["share"]) == (ERROR, 100)

    def test_a_steep_one_is_found_too(self, found: Any) -> None:
        steep = pictures.normal_map(depth=0.4)
        assert 0.7 < steep[..., 2].mean() / 255 < 0.8
        assert "normal_as_color" in found("rock_n.png", steep, "normal")

    def test_the_pixels_alone_are_enough_where_the_model_isnt_sure(self, found: Any) -> None:
        assert "normal_as_color" in found("rock.png", pictures.normal_map(), None)

    def test_a_name_that_says_something_else_leaves_it_open(self, found: Any) -> None:
        assert not found("ui/button_normal.png", pictures.normal_map(), None)
        assert not found("rock_albedo.png", pictures.normal_map(), None)

    def test_one_that_is_imported_as_one_is_fine(self, found: Any) -> None:
        assert not found("rock_n.png", pictures.normal_map(), "normal", **AS_NORMAL)

    def test_one_whose_texels_are_no_vectors_is_left_alone_whatever_the_model_says(self, found: Any) -> None:
        for pixels in (pictures.noise(3), pictures.grey()):
            assert "normal_as_color" not in found("rock_n.png", pixels, "normal")

    def test_one_of_other_lengths_is_found_where_its_name_says_so_too(self, found: Any) -> None:
        longer = pictures.normal_map()
        longer[..., 2] = np.minimum(longer[..., 2].astype(int) + 60, 255)
        finding = found("rock_n.png", longer, "normal")["normal_as_color"]
        assert finding.sentence == "normal_by_name" and finding.values["share"] < 50
        assert not found("rock.png", longer, "normal"), "nothing but the model says so"
        turned = np.ascontiguousarray(longer[..., ::-1])
        assert "normal_as_color" not in found("wall_n.png", turned, "normal"), "their mean points sideways"

    @pytest.mark.parametrize(("rows", "there"), [(40, True), (60, True), (10, False)])
    def test_islands_in_black_are_found_where_the_name_says_so_too(
        self, found: Any, rows: int, there: bool
    ) -> None:
        islands = pictures.normal_map()
        islands[rows:] = 0
        told = found("kart_Normal.png", islands, "normal")
        assert ("normal_as_color" in told) is there
        if there:
            assert told["normal_as_color"].sentence == "normal_by_name"
        assert not found("kart.png", islands, "normal"), "nothing but the model says so"
        islands[rows:] = (0, 90, 40)
        assert "normal_as_color" not in found("kart_Normal.png", islands, "normal"), "the rest isn't black"

    def test_one_that_points_down_is_found_in_an_engine_that_takes_it_as_up(self, found: Any) -> None:
        pixels = pictures.normal_map(green_up=False)
        down = found("rock_n.png", pixels, "normal", **AS_NORMAL)["normal_convention"]
        assert (down.intent, down.sentence) == (
            TextureIntent(normal_convention="directx"), "normal_green_down",
        )  # fmt: skip
        assert not found("rock_n.png", pixels, "normal", normal_convention="directx", **AS_NORMAL)

    def test_one_that_points_up_is_found_where_the_engine_is_told_down(self, found: Any) -> None:
        present = {**AS_NORMAL, "normal_convention": "directx"}
        up = found("rock_n.png", pictures.normal_map(), "normal", **present)["normal_convention"]
        assert up.intent == TextureIntent(normal_convention="opengl")

    def test_a_name_that_contradicts_the_convention_leaves_it_open(self, found: Any) -> None:
        pixels = pictures.normal_map(green_up=False)
        assert not found("rock_nor_gl_2k.png", pixels, "normal", **AS_NORMAL)

    def test_in_an_engine_without_a_switch_for_green_the_file_must_change(self, found: Any) -> None:
        decides = ALL - {"normal_convention"}
        pixels = pictures.normal_map(green_up=False)
        finding = found("rock_n.png", pixels, "normal", decides=decides, **AS_NORMAL)["normal_convention"]
        assert finding.rank == ERROR and not finding.applicable

    NORMAL_BLOCKS: ClassVar = {"compression": "lossless", "mipmaps": False, "color_space": "linear"}

    def test_without_srgb_decoding_it_costs_accuracy_alone(self, found: Any) -> None:
        finding = found("rock_n.png", pictures.normal_map(), "normal", color_space="linear")[
            "normal_as_color"
        ]
        assert (finding.rank, finding.sentence) == (WARNING, "normal_as_linear")
        assert finding.intent == TextureIntent(kind="normal", color_space="linear")
        # A flow map that a shader reads as vectors, for all that is known.
        assert not found("wind.png", pictures.normal_map(), "normal", color_space="linear")
        assert "normal_as_color" in found("wind.png", pictures.normal_map(), "normal", color_space="srgb")

    def test_what_the_engine_detects_is_a_note(self, found: Any) -> None:
        detects = frozenset({"kind", "compression", "mipmaps"})
        for domain, rank in ((None, WARNING), ("canvas", None), ("surface", NOTE), ("decal", NOTE)):
            uses = [TextureUse(kinds=("normal",), domain=domain)] if domain else []
            told = found(
                "rock_n.png",
                pictures.normal_map(512),
                "normal",
                uses=uses,
                detects=detects,
                **self.NORMAL_BLOCKS,
            )
            assert (told["normal_as_color"].rank, told["normal_as_color"].sentence) == (
                NOTE, "normal_as_color_detected",
            )  # fmt: skip
            assert (told["uncompressed"].rank if "uncompressed" in told else None) == (
                rank if domain != "decal" else NOTE
            )

    def test_blocks_come_with_the_kind_that_only_a_use_would_reveal(self, found: Any) -> None:
        detects = frozenset({"kind"})
        told = found("rock_n.png", pictures.normal_map(512), "normal", detects=detects, **self.NORMAL_BLOCKS)
        assert told["uncompressed"].intent == TextureIntent(kind="normal", compression="block")

    def test_alpha_that_may_be_read_is_never_dropped(self, found: Any) -> None:
        pixels = np.dstack([pictures.normal_map(512), pictures.grey(512)])
        read, unread = (
            TextureUse(kinds=("normal",), channels="rga"),
            TextureUse(kinds=("normal",), channels="rg"),
        )
        for uses, told in (((), False), ((read,), False), ((read, unread), False), ((unread,), True)):
            codes = found("rock_n.png", pixels, "normal", uses=uses, **self.NORMAL_BLOCKS)
            assert ("normal_as_color" in codes) is told and "uncompressed" not in codes
        srgb = found("rock_n.png", pixels, "normal", color_space="srgb")["normal_as_color"]
        assert srgb.intent == TextureIntent(color_space="linear") and srgb.rank == ERROR

    def test_one_that_somebody_has_ruled_out_stays_as_it_is(self, found: Any) -> None:
        codes = found(
            "rock_n.png", pictures.normal_map(512), "normal", excludes="normal", **self.NORMAL_BLOCKS
        )
        assert "normal_as_color" not in codes and "uncompressed" not in codes
        read = {"excludes": "normal", "uses": [TextureUse(kinds=("normal",), domain="surface")]}
        codes = found("rock_n.png", pictures.normal_map(512), "normal", **read, **self.NORMAL_BLOCKS)
        assert codes["normal_as_color"].rank == WARNING and "uncompressed" in codes

    @pytest.mark.parametrize(
        ("file", "pixels", "uses", "told"),
        [
            ("thing.png", pictures.noise(3), (), True),
            ("thing_normal.png", pictures.noise(3), (), False),
            ("thing_normal.png", pictures.grey(), (), True),
            ("thing.png", pictures.grey(), (TextureUse(kinds=("packed", "normal")),), False),
            ("thing.png", pictures.noise(3), (TextureUse(kinds=("packed",)),), True),
        ],
    )
    def test_a_slot_or_a_name_outweighs_the_pixels(
        self, found: Any, file: str, pixels: Pixels, uses: Any, told: bool
    ) -> None:
        assert ("color_as_normal" in found(file, pixels, "packed", uses=uses, **AS_NORMAL)) is told

    def test_what_a_declared_use_denies_isnt_advised(self, found: Any) -> None:
        slot, name = (TextureUse(kinds=("normal",), basis=basis) for basis in ("declaration", "name"))
        present = {"mipmaps": False, "compression": "lossless"}
        assert found("wall_orm.png", pictures.noise(3, 512), "packed", uses=[name], **present)
        assert not found("wall_orm.png", pictures.noise(3, 512), "packed", uses=[slot], **present)

    def test_where_nothing_is_lost_a_wrong_kind_is_a_warning(self, found: Any) -> None:
        for formats, rank in (((), ERROR), (("rgb8",), WARNING)):
            finding = found("thing.png", pictures.noise(3), "packed", formats=formats, **AS_NORMAL)
            assert finding["color_as_normal"].rank == rank

    def test_where_the_engines_convention_isnt_known_it_is_a_note(self, tmp_path: Path) -> None:
        examination = examined(tmp_path, "rock_n.png", pictures.normal_map(green_up=False), "normal")
        (finding,) = find(texture_facts(examination, "rock_n.png"))
        assert (finding.code, finding.rank, finding.applicable) == ("normal_directx", NOTE, False)


@pytest.mark.parametrize(
    ("file", "pixels"),
    [
        ("flat.png", pictures.flat((130, 128, 250))),
        ("sky.png", pictures.gradient((90, 140, 235), (170, 200, 250), noise=2)),
        ("dusk.png", pictures.gradient((110, 120, 255), (140, 140, 245), noise=3)),
        ("pale.png", pictures.gradient((120, 122, 250), (140, 138, 250))),
        ("pale_noisy.png", pictures.gradient((128, 128, 250), (128, 128, 250), noise=10)),
        ("sky_normal.png", pictures.gradient((60, 110, 200), (140, 190, 240), noise=2)),
        ("grey_n.png", pictures.grey()),
        ("noise_n.png", pictures.noise(3)),
        ("photo.png", pictures.gradient((200, 120, 80), (40, 90, 60), noise=30)),
    ],
)
def test_what_isnt_a_normal_map_is_never_called_one_by_pixels(found: Any, file: str, pixels: Pixels) -> None:
    assert not {"normal_as_color", "normal_convention"} & set(found(file, pixels, None))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("normal", "other")])
def test_a_texture_of_any_other_kind_that_is_imported_as_normals_is_found(found: Any, kind: str) -> None:
    finding = found("thing.png", pictures.noise(3), kind, **AS_NORMAL)["color_as_normal"]
    assert finding.intent == TextureIntent(kind=kind)  # type: ignore[arg-type]
    assert finding.rank == ERROR


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_that_are_imported_as_normals_are_left_alone_whatever_the_model_says(
    found: Any, kind: str
) -> None:
    assert "color_as_normal" not in found("thing.png", pictures.normal_map(), kind, **AS_NORMAL)


class TestData:
    @pytest.mark.parametrize("kind", ["roughness", "ao", "height", "specular"])
    def test_grey_data_that_is_read_as_srgb_is_found(self, found: Any, kind: str) -> None:
        assert "data_as_srgb" not in found("r.png", pictures.grey(), kind), "stone can be grey, too"
        assert "data_as_srgb" in found("roughness/wall01.png", pictures.grey(), "roughness")
        finding = found(f"rock_{kind}.png", pictures.grey(), kind)["data_as_srgb"]
        assert finding.intent == TextureIntent(color_space="linear")
        assert (finding.sentence, finding.rank) == ("data_as_srgb", ERROR)

    def test_coloured_reflection_is_a_colour_and_left_alone(self, found: Any) -> None:
        assert not found("armour_spec.png", pictures.noise(3), "specular")

    def test_data_that_the_engine_reads_as_colours_is_left_alone(self, found: Any) -> None:
        told = {"srgb_kinds": frozenset({"specular"})}
        assert "data_as_srgb" not in found("rock_specular.png", pictures.grey(), "specular", **told)
        assert "data_as_srgb" in found("rock_ao.png", pictures.grey(), "ao", **told)

    def test_a_slot_for_colours_outweighs_a_name(self, found: Any) -> None:
        slot = [TextureUse(kinds=("specular", "packed"))]
        for srgb_kinds, there in ((frozenset({"specular"}), False), (frozenset(), True)):
            codes = found("rock_rough.png", pictures.grey(), "roughness", uses=slot, srgb_kinds=srgb_kinds)
            assert ("data_as_srgb" in codes) is there

    @pytest.mark.parametrize(("other", "there"), [("albedo", False), ("emissive", False), ("height", True)])
    def test_data_that_another_material_shows_as_colour_is_left_alone(
        self, found: Any, other: Any, there: bool
    ) -> None:
        uses = [TextureUse(kinds=(kind,), domain="surface") for kind in ("ao", other)]
        assert ("data_as_srgb" in found("wall_ao.png", pictures.grey(), "ao", uses=uses)) is there

    def test_packed_data_that_only_pixels_speak_for_is_left_alone(self, found: Any) -> None:
        assert "data_as_srgb" not in found("wood.png", pictures.noise(3), "packed")
        assert "data_as_srgb" in found("wood_mask.png", pictures.noise(3), "packed")
        # Perhaps occlusion, perhaps one of a series: nothing that is packed.
        assert "data_as_srgb" not in found("lantern_a.png", pictures.noise(3), "packed")

    def test_packed_data_that_is_read_as_srgb_is_found_with_what_its_channels_mean(self, found: Any) -> None:
        finding = found("crate_orm.png", pictures.packed("orm"), "packed")["data_as_srgb"]
        assert finding.sentence == "packed_as_srgb"
        assert finding.intent == TextureIntent(
            color_space="linear", channels={"r": "occlusion", "g": "roughness", "b": "metallic"}
        )

    @pytest.mark.parametrize(("domain", "there"), [("canvas", False), ("ui", False), ("surface", True)])
    def test_masks_of_2d_are_tuned_by_eye_as_they_are(self, found: Any, domain: Any, there: bool) -> None:
        pictured: dict[Kind, Pixels] = {"packed": pictures.noise(3), "ao": pictures.grey()}
        for kind, pixels in pictured.items():
            uses = [TextureUse(kinds=(kind, "sprite"), domain=domain)]
            file = "coral_mask.png" if kind == "packed" else "coral_ao.png"
            assert ("data_as_srgb" in found(file, pixels, kind, uses=uses)) is there

    def test_masks_that_srgb_leaves_as_they_are_are_left_alone(self, found: Any) -> None:
        assert "data_as_srgb" not in found("rock_ao.png", pictures.mask(), "ao")
        shape = pictures.mask()
        colors = np.dstack([shape, 255 - shape, np.zeros_like(shape), pictures.grey()])
        assert "data_as_srgb" not in found("wood_mask.png", colors, "packed")
        colors[..., 2:3] = pictures.grey()
        assert "data_as_srgb" in found("wood_mask.png", colors, "packed")

    def test_a_name_that_the_model_agrees_with_is_enough_for_grey_texels(self, tmp_path: Path) -> None:
        examination = examined(tmp_path, "rock_roughness.png", pictures.grey(), "height", 0.5)
        unsure = classified(None)
        examination = type(examination)(
            examination.inspection,
            type(unsure)("height", {"height": 0.7}, False, examination.classification.evidence),
            examination.fingerprint,
        )
        assert "data_as_srgb" in judged(examination, "rock_roughness.png")
        assert "data_as_srgb" not in judged(examination, "rock_roughness.png", ALL - {"color_space"})

    def test_a_letter_that_also_means_glow_isnt_a_plain_word(self) -> None:
        examination = imagined("wall_g.png", None, grey=True, channels=1)
        guess = type(examination.classification)(
            "roughness", {"roughness": 0.5}, False, examination.classification.evidence
        )
        examination = type(examination)(examination.inspection, guess, examination.fingerprint)
        assert not judged(examination, "wall_g.png")

    @pytest.mark.parametrize("file", ["concrete.png", "rusty_metal.png", "concrete_albedo.png"])
    def test_grey_of_no_sure_use_is_left_alone(self, found: Any, file: str) -> None:
        assert not found(file, pictures.grey(), None)

    def test_nothing_is_said_where_the_engine_leaves_it_to_the_shader(self, found: Any) -> None:
        decides = ALL - {"color_space"}
        assert not found("rock_roughness.png", pictures.grey(), "roughness", decides=decides)

    def test_nothing_is_said_where_it_is_linear_or_unknown(self, found: Any) -> None:
        assert not found("rock_roughness.png", pictures.grey(), "roughness", **AS_DATA)

    def test_lossy_numbers_are_found_and_lossy_colours_are_taste(self, found: Any) -> None:
        lossy = found("r.png", pictures.grey(), "roughness", compression="lossy", **AS_DATA)["lossy_data"]
        assert (lossy.rank, lossy.intent) == (WARNING, TextureIntent(compression="lossless"))
        assert not found("wall_albedo.png", pictures.noise(3), "albedo", compression="lossy")


class TestColors:
    def test_colours_that_are_read_as_numbers_are_found(self, found: Any) -> None:
        finding = found("wall_albedo.png", pictures.noise(3), "albedo", color_space="linear")
        assert finding["color_as_linear"].intent == TextureIntent(color_space="srgb")

    @pytest.mark.parametrize("kind", ["albedo", "emissive", "sprite", "ui", "environment", None])
    def test_what_may_well_be_linear_is_left_alone(self, found: Any, kind: Any) -> None:
        assert not found("thing.png", pictures.noise(3), kind, color_space="linear", mipmaps=False)

    def test_a_grey_albedo_may_be_a_mask(self, found: Any) -> None:
        assert not found("wall_albedo.png", pictures.grey(), "albedo", color_space="linear")


class TestAlpha:
    def test_an_opaque_alpha_that_costs_memory_is_found(self) -> None:
        facts = {"channels": 4, "has_alpha": True, "alpha": OPAQUE}
        finding = imagine("leaf.png", None, facts, compression="block")["alpha_constant"]
        assert (finding.intent, finding.rank) == (TextureIntent(alpha="none"), WARNING)
        assert finding.memory == {"desktop": (349_552, 174_776), "mobile": (349_552, 174_776)}

    def test_one_that_an_engines_settings_save_nothing_by_is_no_word_worth(self) -> None:
        facts = {"channels": 4, "has_alpha": True, "alpha": OPAQUE}
        assert not imagine("leaf.png", None, facts, compression="lossless")

    def test_one_of_a_file_alone_is_a_note(self, tmp_path: Path) -> None:
        examination = examined(tmp_path, "leaf.png", pictures.opaque(pictures.noise(3)), None)
        (finding,) = find(texture_facts(examination, "leaf.png"))
        assert (finding.code, finding.rank, finding.applicable) == ("alpha_constant", NOTE, False)

    def test_an_alpha_that_is_used_is_fine(self, found: Any) -> None:
        assert not found("leaf.png", pictures.noise(4), None)

    def test_an_alpha_that_hides_everything_is_left_alone(self, found: Any) -> None:
        invisible = np.dstack([pictures.noise(3), np.zeros((128, 128), np.uint8)])
        assert not found("leaf.png", invisible, None)


def test_grey_in_three_channels_is_a_note(found: Any) -> None:
    grey = np.repeat(pictures.grey(), 3, axis=2)
    finding = found("thing.png", grey, None)["grey_as_rgb"]
    assert (finding.rank, finding.applicable, finding.values) == (NOTE, False, {"channels": 3})
    assert not found("thing.png", pictures.grey(), None)
    assert not found("icon.png", np.dstack([grey, pictures.noise(1)]), None), "white with an outline"


def test_a_baked_environment_is_stored_as_the_engine_does(found: Any) -> None:
    grey = np.repeat(pictures.grey(), 3, axis=2)
    assert "grey_as_rgb" not in found("ReflectionProbe-0.png", grey, "environment", kind="environment")


def test_grey_of_a_palette_is_stored_in_one_channel(tmp_path: Path) -> None:
    grey = np.repeat(pictures.grey(), 3, axis=2)
    assert "grey_as_rgb" in judged(examined(tmp_path, "a.png", grey, None), "a.png")
    assert not judged(examined(tmp_path, "a.png", grey, None, palette=True), "a.png")


@pytest.mark.parametrize(("size", "worth"), [(63, False), (64, True)])
def test_a_channel_too_many_of_a_few_pixels_isnt_worth_a_word(
    found: Any, tmp_path: Path, size: int, worth: bool
) -> None:
    present = {"mipmaps": False, "compression": "lossless"}
    grey = np.repeat(pictures.grey(size), 3, axis=2)
    assert ("grey_as_rgb" in found("a.png", grey, None, **present)) is worth
    examination = examined(tmp_path, "b.png", pictures.opaque(pictures.noise(3, size)), None)
    assert (
        "alpha_constant" in {finding.code for finding in find(texture_facts(examination, "b.png"))}
    ) is worth


@pytest.mark.parametrize(
    ("width", "kind", "rank"), [(8192, None, NOTE), (1024, None, WARNING), (8192, "albedo", WARNING)]
)
def test_a_strip_of_unknown_use_may_be_frames_side_by_side(width: int, kind: Any, rank: int) -> None:
    finding = imagine("cloud.png", kind, {"width": width, "height": 350}, limit=512)["too_large"]
    assert finding.rank == rank


@pytest.mark.parametrize(("kind", "rank", "scaled"), [("height", NOTE, False), ("roughness", WARNING, True)])
def test_a_terrain_is_as_wide_as_its_map_has_pixels(kind: Any, rank: int, scaled: bool) -> None:
    facts = {"width": 8193, "height": 8193, "grey": True}
    finding = imagine(f"terrain_{kind}.png", kind, facts, **AS_DATA)["too_large"]
    assert (finding.rank, finding.applicable) == (rank, scaled)


class TestPackedOrder:
    ORM: ClassVar = {"r": "occlusion", "g": "roughness", "b": "metallic"}

    def test_another_order_than_the_engines_is_told_to_the_files_author(self, found: Any) -> None:
        present = {"packed": self.ORM, **AS_DATA}
        finding = found("crate_mra.png", pictures.packed("mra"), "packed", **present)["packed_order"]
        assert (finding.rank, finding.applicable, finding.values) == (ERROR, False, {"word": "MRA"})

    @pytest.mark.parametrize(
        ("file", "order"), [("crate_orm.png", "orm"), ("crate.png", "mra"), ("crate_mra.png", "orm")]
    )
    def test_the_engines_order_or_one_that_isnt_sure_is_fine(self, found: Any, file: str, order: str) -> None:
        assert not found(file, pictures.packed(order), "packed", packed=self.ORM, **AS_DATA)

    def test_an_engine_whose_materials_choose_wants_no_order(self, found: Any) -> None:
        assert not found("crate_mra.png", pictures.packed("mra"), "packed", **AS_DATA)


def test_without_an_engine_only_the_file_itself_is_judged(tmp_path: Path) -> None:
    pixels = pictures.opaque(pictures.noise(3, 102))
    examination = examined(tmp_path, "wall_albedo.png", pixels, "albedo")
    found = find(texture_facts(examination, "wall_albedo.png", max_size=64))
    assert {finding.code for finding in found} == {"alpha_constant", "not_power_of_two", "too_large"}
    assert not any(finding.applicable for finding in found)


def test_the_worst_comes_first_and_then_what_saves_most(found: Any) -> None:
    pixels = pictures.opaque(pictures.normal_map(512))
    findings = found("a_n.png", pixels, "normal", mipmaps=False, compression="lossless")
    codes = list(findings)
    assert codes == ["normal_as_color", "uncompressed", "no_mipmaps"]
    assert findings["no_mipmaps"].saved < 0 < findings["uncompressed"].saved


@pytest.mark.parametrize("kind", KINDS)
def test_right_settings_are_left_alone_whatever_the_kind(kind: Any) -> None:
    facts = {"normals": VECTORS} if kind == "normal" else {"grey": kind in ("ao", "roughness", "height")}
    right = {
        "normal": {**AS_NORMAL, "compression": "block"}, "packed": {**AS_DATA, "compression": "block_high"},
        "ui": {"mipmaps": False, "compression": "lossless"}, "sprite": {"compression": "lossless"},
        "environment": {"compression": "lossless"}, "height": {**AS_DATA, "compression": "lossless"},
        "albedo": {"compression": "block"}, "emissive": {"compression": "block"},
    }.get(kind, {**AS_DATA, "compression": "block"})  # fmt: skip
    assert not imagine("rock.png", kind, {"channels": 1 if facts.get("grey") else 3, **facts}, **right)


@pytest.mark.parametrize("kind", [*KINDS, None])
@pytest.mark.parametrize("unknown", [TextureIntent(), TextureIntent(kind="albedo")])
def test_settings_that_say_nothing_are_never_wrong_but_for_normals(kind: Any, unknown: TextureIntent) -> None:
    facts = {"normals": VECTORS} if kind == "normal" else {}
    texture = texture_facts(imagined("rock_x.png", kind, **facts), "rock_x.png", present=unknown, decides=ALL)
    assert {finding.code for finding in find(texture)} <= ({"normal_as_color"} if kind == "normal" else set())


def test_each_want_is_about_a_field_that_there_is() -> None:
    wants = [want for wants in DESIRED.values() for want in wants]
    assert {want.field for want in wants} <= ALL
    assert set(DESIRED) == {"color", "normal", "data", "packed", "emissive", "flat", "environment"}


def test_one_colour_has_no_edges_that_blocks_could_smear(found: Any) -> None:
    plain = np.full((20, 20, 4), 77, np.uint8)
    for pixels, there in (
        (plain, False),
        (np.dstack([pictures.noise(3, 20) // 128 * 255, plain[..., 3:]]), True),
    ):
        said = found("ui/bar.png", pixels, "ui", kind="ui", compression="block", filter="nearest")
        assert ("pixel_art_blocks" in said) is there


def test_a_mask_in_one_channel_is_no_colour(found: Any) -> None:
    colors = pictures.noise(3)
    masks = np.dstack([colors[..., 0], np.zeros((128, 128, 2), np.uint8)])
    slot = [TextureUse(kinds=("albedo",), slot="_MainTex", domain="surface")]
    for pixels, there in ((colors, True), (masks, False)):
        told = found("corners_id_albedo.png", pixels, "albedo", uses=slot, color_space="linear")
        assert ("color_as_linear" in told) is there
