import numpy as np
import pytest
from msgspec import structs

from accel.texture.judgement import allow_doubt, judge, weigh_evidence
from accel.texture.kinds import CLASS_OF, KINDS
from accel.texture.model import Judgement, Thresholds, model
from accel.texture.naming import Cue
from accel.texture.workloads import Surroundings
from tests.accel.texture.pictures import ball, bricks, button, decoded, normal_map, surface
from tests.accel.texture.test_layouts import cross

EVEN = np.full(len(KINDS), 1 / len(KINDS))
GREY = np.round(surface() * 255).astype(np.uint8)[..., None]
DARK = np.round(surface() ** 3 * 255).astype(np.uint8)[..., None]
CHANNELS = np.concatenate([GREY, GREY[::-1], np.round(surface(seed=3) * 255).astype(np.uint8)[..., None]], -1)
NOISE = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
RAMP = np.broadcast_to(np.linspace(0, 255, 256).astype(np.uint8)[None, :, None], (8, 256, 3)).copy()
SURE = Thresholds(1.0, {"color": 0.9, "data": 0.9})
JUDGEMENT = Judgement({"name.word": 3.0, "name.word.ao": 1.0}, 0.5, SURE, SURE)


def best(classification) -> str:
    return max(classification.probabilities, key=classification.probabilities.get)


def test_a_cue_multiplies_the_probability_of_its_kind():
    cue = Cue("_rough", ("roughness",), "word", "name")
    weighed = dict(zip(KINDS, weigh_evidence(EVEN, [cue], JUDGEMENT), strict=True))
    assert weighed["roughness"] / weighed["height"] == pytest.approx(np.exp(3))
    assert sum(weighed.values()) == pytest.approx(1)


def test_a_cue_for_several_kinds_counts_less_for_the_later_ones():
    cue = Cue("_bump", ("height", "normal"), "word", "name")
    weighed = dict(zip(KINDS, weigh_evidence(EVEN, [cue], JUDGEMENT), strict=True))
    assert weighed["height"] > weighed["normal"] > weighed["ao"]


def test_a_kind_whose_cues_are_worth_less_has_a_worth_of_its_own():
    weighed = dict(
        zip(KINDS, weigh_evidence(EVEN, [Cue("_ao", ("ao",), "word", "name")], JUDGEMENT), strict=True)
    )
    assert weighed["ao"] / weighed["height"] == pytest.approx(np.e)


def test_a_word_multiplies_the_probabilities_of_all_kinds():
    worth = [float(kind == "ui") for kind in KINDS]
    known = structs.replace(JUDGEMENT, words={"arrow": worth, "ui/": worth})
    weighed = dict(zip(KINDS, weigh_evidence(EVEN, [], known, ["arrow", "ui/"]), strict=True))
    assert weighed["ui"] / weighed["sprite"] == pytest.approx(np.exp(2))
    assert weigh_evidence(EVEN, [], known) == pytest.approx(EVEN)


def test_known_words_are_evidence():
    assert len(model().judgement.words) > 300
    # Each word says little, so several are needed.
    name = "tools/windows/user/unchecked_zoom_waypoint_type.png"
    found = judge(decoded(bricks()), name, Surroundings())
    (told,) = [one for one in found.evidence if one.source == "words"]
    assert told.kind == "ui"
    assert "unchecked" in told.detail
    silent = judge(decoded(bricks()), "controls/checked.png", Surroundings(use_name=False))
    assert not [one for one in silent.evidence if one.source == "words"]


@pytest.mark.parametrize(
    ("name", "pixels", "kind"),
    [
        ("MetallicSmoothness.png", bricks(), "packed"),
        ("Wood_MetSmooth.png", CHANNELS, "packed"),
        ("T_Rock_AORMT.tga", bricks(), "packed"),
        ("Occlusion.png", DARK, "ao"),
        ("wall_ambientOcclusion.jpg", GREY, "ao"),
        ("lamp_emission.png", bricks(), "emissive"),
        ("floor_rough.png", DARK, "roughness"),
        ("Wall_AlbedoTransparency.png", GREY, "albedo"),
        ("rock_Normal.png", normal_map(), "normal"),
    ],
)
def test_a_whole_role_word_wins_over_the_pixels(name, pixels, kind):
    found = judge(decoded(pixels), name, Surroundings())
    assert found.kind == found.decided == kind
    assert next(one for one in found.evidence if one.decisive).source == "name"


@pytest.mark.parametrize(
    ("name", "pixels", "kinds"),
    [
        ("rock_Normal.png", GREY, {"height", "specular", "roughness", "ao"}),
        ("rock_height.png", normal_map(), {"normal"}),
        ("rock_roughness.png", bricks(), {"albedo", "sprite", "ui", "specular"}),
        ("ui/emission.png", bricks(), set(KINDS)),
    ],
)
def test_a_role_word_that_the_pixels_forbid_decides_nothing(name, pixels, kinds):
    found = judge(decoded(pixels), name, Surroundings())
    assert found.decided is None and found.kind in kinds


def test_a_role_word_that_the_pixels_forbid_is_too_little_for_advice():
    found = judge(decoded(GREY), "rock_MaskMap.png", Surroundings())
    assert found.decided is None and not found.advise


def test_where_pixels_and_word_disagree_nothing_is_advised():
    found = judge(decoded(bricks()), "Wood_MetallicSmoothness.png", Surroundings())
    assert found.kind == "packed" and not found.advise


@pytest.mark.parametrize(
    ("name", "pixels", "around", "other"),
    [
        ("fx/perlin_noise_512.png", GREY, {}, True),
        ("LUT_Night.png", bricks(), {}, True),
        ("water/flow_map.png", bricks(), {}, True),
        ("SplatAlpha 0.png", CHANNELS, {}, True),
        ("Lightmap-3_comp_light.exr", bricks(), {}, True),
        ("leaf_mask.png", GREY, {}, True),
        ("gas_mask.png", bricks(), {}, False),
        ("skate_ramp.png", bricks(), {}, False),
        ("toon_ramp.png", RAMP, {}, True),
        ("a.png", RAMP, {}, True),
        ("a.png", NOISE, {}, True),
        ("ui/bar.png", RAMP, {}, False),
        ("ui/noise.png", bricks(), {}, False),
        ("noise_normal.png", normal_map(), {}, False),
        ("noise_roughness.png", GREY, {}, False),
        ("noise.png", GREY, {"slots": ["roughness"]}, False),
        ("rock.png", bricks(), {"slots": ["other"]}, True),
        ("rock.png", bricks(), {"named_slots": ["other"]}, True),
        ("noise.png", GREY, {"use_name": False}, False),
    ],
)
def test_data_that_is_none_of_the_kinds_is_known_and_never_advised(name, pixels, around, other):
    found = judge(decoded(pixels), name, Surroundings(**around))
    assert (found.kind == "other") is other
    assert not (other and found.advise)


def test_an_import_as_a_cube_map_outweighs_everything():
    around = Surroundings(imported_as="environment", slots=["ui"])
    found = judge(decoded(button()), "ui/button.png", around)
    assert found.kind == found.decided == "environment"


@pytest.mark.parametrize("name", ["ui/icons/glow.png", "cube_normal.png", "noise.png", "sprites/a.png"])
def test_the_shape_of_a_cube_map_outweighs_names(name):
    found = judge(decoded(cross()), name, Surroundings())
    assert found.kind == found.decided == "environment"


@pytest.mark.parametrize("slot", [kind for kind in KINDS if kind != "sprite"])
@pytest.mark.parametrize("name", ["ui/icon.png", "rock_albedo.png", "noise.png"])
def test_a_use_outweighs_pixels_and_names(slot, name):
    for pixels in (bricks(), GREY, RAMP):
        assert judge(decoded(pixels), name, Surroundings(slots=[slot])).kind == slot


def test_where_pixels_and_use_disagree_nothing_is_advised():
    found = judge(decoded(button()), "a.png", Surroundings(slots=["roughness"]))
    assert found.kind == "roughness" and not found.advise


def test_the_name_tells_grey_data_apart():
    for name, kind in (
        ("rock_roughness.png", "roughness"),
        ("rock_height.png", "height"),
        ("rock_ao.png", "ao"),
    ):
        assert judge(decoded(GREY), name, Surroundings()).kind == kind


def test_a_name_that_may_not_be_used_changes_nothing():
    silent = Surroundings(use_name=False, siblings=["rock_n.png", "rock_d.png"])
    named, other = (judge(decoded(GREY), name, silent) for name in ("rock_roughness.png", "x.png"))
    assert named == other
    assert {one.source for one in named.evidence} == {"pixels"}


def test_what_a_material_uses_it_as_outweighs_pixels():
    pixels = decoded(GREY)
    assert judge(pixels, "a.png", Surroundings(slots=["roughness"])).kind == "roughness"
    assert judge(pixels, "a.png", Surroundings(slots=["ao"])).kind == "ao"


def test_the_name_of_a_custom_property_tells_grey_data_apart_but_less_than_a_slot():
    pixels = decoded(GREY)
    assert judge(pixels, "a.png", Surroundings(named_slots=["ao"])).kind == "ao"
    assert judge(pixels, "a.png", Surroundings(named_slots=["ao"], slots=["roughness"])).kind == "roughness"


def test_normals_of_a_2d_picture_are_normals_although_it_is_a_sprite():
    around = Surroundings(slots=["normal", "sprite"])
    found = judge(decoded(ball()), "hero_n.png", around)
    assert found.kind == "normal" and found.advise
    assert {one.kind for one in found.evidence if one.source == "slot"} == {"normal", "sprite"}
    assert judge(decoded(ball()), "hero_n.png", Surroundings(slots=["sprite"])).kind == "sprite"


def test_present_import_settings_are_weak_evidence():
    pixels = decoded(bricks())
    plain = judge(pixels, "a.png", Surroundings())
    told = judge(pixels, "a.png", Surroundings(imported_as="normal"))
    assert told.kind == plain.kind == "albedo"
    assert told.probabilities["normal"] > plain.probabilities["normal"]


def test_evidence_begins_with_the_pixels_and_names_all_that_was_used():
    around = Surroundings(slots=["normal"], imported_as="albedo")
    found = judge(decoded(normal_map()), "walls/brick_normal.png", around)
    assert found.advise
    assert best(found) == found.kind == "normal"
    assert found.evidence[0].source == "pixels"
    assert "unit vectors" in " ".join(one.detail for one in found.evidence if one.source == "pixels")
    assert {"pixels", "name", "slot", "settings"} <= {one.source for one in found.evidence}


def test_probabilities_are_of_all_kinds_and_sum_to_one():
    found = judge(decoded(bricks()), "textures/brick.png", Surroundings())
    assert tuple(found.probabilities) == KINDS
    assert sum(found.probabilities.values()) == pytest.approx(1)


def test_pixels_rule_out_no_kind_and_least_of_all_one_of_the_same_class():
    certain = np.array([float(kind == "height") for kind in KINDS])
    floor = dict(zip(KINDS, allow_doubt(certain), strict=True))
    assert floor["height"] == 1
    assert floor["ao"] == floor["roughness"] > floor["sprite"] == floor["normal"] > 0


@pytest.mark.parametrize(
    "surroundings",
    [
        Surroundings(use_name=False),
        Surroundings(),
        Surroundings(slots=["ao"], imported_as="albedo"),
        Surroundings(slots=["normal", "sprite"], imported_as="normal"),
    ],
)
def test_the_weights_of_all_evidence_make_up_the_probabilities(surroundings):
    # This name has no words that are weak evidence, which is left out.
    found = judge(decoded(GREY), "smoothness.png", surroundings)
    logs = np.array([sum(each.weights.get(kind, 0.0) for each in found.evidence) for kind in KINDS])
    shares = np.exp(logs - logs.max()) / np.exp(logs - logs.max()).sum()
    assert shares == pytest.approx([found.probabilities[kind] for kind in KINDS], abs=0.005)
    ignored = [each for each in found.evidence if each.detail == "used as sprite"]
    assert all(not each.weights for each in ignored)


def test_a_classification_says_from_which_probability_on_it_is_sure():
    found = judge(decoded(ball()), "ball_normal.png", Surroundings())
    share = sum(found.probabilities[kind] for kind in KINDS if CLASS_OF[kind] == CLASS_OF[found.kind])
    assert found.needs > 0 and found.advise == (share >= found.needs)
