import numpy as np
import pytest
from msgspec import structs

from accel.texture.judgement import allow_doubt, judge, weigh_evidence
from accel.texture.kinds import KINDS
from accel.texture.model import Judgement, Thresholds, model
from accel.texture.naming import Cue
from accel.texture.workloads import Surroundings
from tests.accel.texture.pictures import ball, bricks, decoded, normal_map, surface

EVEN = np.full(len(KINDS), 1 / len(KINDS))
SURE = Thresholds(1.0, {"color": 0.9, "data": 0.9})
JUDGEMENT = Judgement({"name.word": 3.0, "name.word.ao": 1.0}, 0.5, SURE, SURE)


def grey():
    return (surface() * 255).astype(np.uint8)[..., None]


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


def test_the_name_tells_grey_data_apart():
    for name, kind in (
        ("rock_roughness.png", "roughness"),
        ("rock_height.png", "height"),
        ("rock_ao.png", "ao"),
    ):
        assert judge(decoded(grey()), name, Surroundings()).kind == kind


def test_a_name_that_may_not_be_used_changes_nothing():
    silent = Surroundings(use_name=False, siblings=["rock_n.png", "rock_d.png"])
    named, other = (judge(decoded(grey()), name, silent) for name in ("rock_roughness.png", "x.png"))
    assert named == other
    assert {one.source for one in named.evidence} == {"pixels"}


def test_what_a_material_uses_it_as_outweighs_pixels():
    pixels = decoded(grey())
    assert judge(pixels, "a.png", Surroundings(slots=["roughness"])).kind == "roughness"
    assert judge(pixels, "a.png", Surroundings(slots=["ao"])).kind == "ao"


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
