"""The maps of a material get the same mipmaps and compression, or it is told why one doesn't."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.version import Version

from accel.texture.kinds import Classification
from accel.texture.workloads import Examination
from bridge.advisors.advice import judge
from bridge.advisors.material_sets import SetMember, material_batches, unite_materials
from bridge.advisors.texts import LEFT, finding_text
from bridge.core.textures import NO_USES, TextureUse, TextureUses
from bridge.locale import translate
from bridge_godot.adapter import Godot4
from tests.advisors.examinations import imagined
from tests.advisors.judging import USED, VECTORS
from tests.godot.test_textures import DEFAULTS

GODOT = Godot4()
VERSION = Version("4.6")


def member(
    file: str, kind: Any, sure: bool = True, uses: TextureUses = NO_USES, options: Any = None, **facts: Any
) -> SetMember:
    facts = {"normals": VECTORS, **facts} if kind == "normal" else facts
    found = imagined(file, kind, 0.97 if sure else 0.4, **facts)
    if not sure:
        unsure = Classification(kind, found.classification.probabilities, False, [])
        found = Examination(found.inspection, unsure, found.fingerprint)
    settings = {**DEFAULTS["godot4"], **(options or {})}
    return SetMember(file, found, settings, judge(found, file, settings, GODOT, VERSION, uses=uses), uses)


def united(*members: SetMember) -> dict[str, dict[str, dict[str, Any]]]:
    """The findings' values by code and file, of the files that the others change."""
    found = unite_materials(members, GODOT, VERSION, 4096)
    return {file: {one.code: dict(one.values) for one in findings} for file, findings in found.items()}


LEAD = member("m/rock_normal.png", "normal")


def test_a_map_of_no_sure_kind_gets_what_the_others_get() -> None:
    alone = member("m/rock.png", "albedo", sure=False)
    assert alone.findings == []
    assert united(alone) == {}
    found = united(LEAD, alone)
    assert found == {
        "m/rock.png": {"uncompressed": {"like": "rock_normal.png"}, "no_mipmaps": {"like": "rock_normal.png"}}
    }


def test_maps_of_other_materials_and_folders_stay_as_they_are() -> None:
    others = [member(file, "albedo", sure=False) for file in ("m/wall.png", "other/rock.png")]
    assert united(LEAD, *others) == {}


@pytest.mark.parametrize(
    ("kind", "facts", "code", "reason"),
    [
        ("albedo", {"width": 510, "height": 510}, "uncompressed", "size"),
        ("albedo", {"width": 128, "height": 128}, "uncompressed", "size"),
        ("albedo", {"entropy": 2.0}, "uncompressed", "content"),
        ("albedo", {"width": 2048, "height": 64}, "no_mipmaps", "size"),
        ("normal", {"alpha": USED, "channels": 4}, "uncompressed", "alpha"),
        ("height", {"grey": True}, "uncompressed", "height"),
        ("sprite", {}, "no_mipmaps", "2d"),
    ],
)
def test_the_others_say_why_a_map_is_left(kind: Any, facts: Any, code: str, reason: str) -> None:
    found = united(LEAD, member("m/rock_b.png", kind, **facts))
    assert found["m/rock_normal.png"][code]["left"] == {"rock_b.png": reason}


@pytest.mark.parametrize(
    ("uses", "code", "reason"),
    [
        (TextureUses((TextureUse(domain="canvas"),)), "no_mipmaps", "2d"),
        (TextureUses((TextureUse(domain="decal"),)), "no_mipmaps", "use"),
        (TextureUses((), "addons/terrain"), "uncompressed", "owner"),
    ],
)
def test_so_do_its_uses(uses: TextureUses, code: str, reason: str) -> None:
    found = united(LEAD, member("m/rock_albedo.png", "albedo", uses=uses))
    assert found["m/rock_normal.png"][code]["left"] == {"rock_albedo.png": reason}


def test_what_is_treated_already_needs_no_reason() -> None:
    done = {"compress/mode": 2, "mipmaps/generate": True}
    assert united(LEAD, member("m/rock_albedo.png", "albedo", options=done)) == {}


def test_what_the_engine_does_by_itself_decides_nothing() -> None:
    uses = TextureUses((TextureUse(kinds=("normal",), domain="surface"),))
    assert (
        united(member("m/rock_normal.png", "normal", uses=uses), member("m/rock.png", "albedo", False)) == {}
    )


def test_batches_keep_the_maps_of_a_material_together() -> None:
    files = [f"m/{name}{role}.png" for role in ("_n", "_ao", "") for name in ("rock", "wall", "wood")]
    batches = list(material_batches(files, str, 4))
    assert sorted(file for batch in batches for file in batch) == sorted(files)
    assert [len(batch) for batch in batches] == [6, 3]
    assert {file.partition("_")[0].removesuffix(".png") for file in batches[1]} == {"m/wood"}
    assert list(material_batches([], str, 4)) == []


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_the_sentence_names_the_maps_and_the_reasons(locale: str) -> None:
    for reason in LEFT:
        values = {"left": {"rock.png": reason}, "like": "rock_n.png"}
        said = translate(finding_text("no_mipmaps", "no_mipmaps", values), locale)
        assert "rock.png" in said and "rock_n.png" in said and translate(LEFT[reason], locale) in said
