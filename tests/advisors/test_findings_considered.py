"""Findings that were considered: raised, or with the reason why not."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.advisors.findings import consider, find
from bridge.advisors.texts import REASONS
from bridge.advisors.texture_facts import No, texture_facts
from bridge.core.textures import CODES, TextureIntent
from tests.advisors.examinations import imagined
from tests.advisors.judging import ALL, SETTLED, VECTORS


def considered(file: str, what: Any, **present: Any) -> dict[str, str]:
    """The reason why a finding wasn't raised, by code; empty for those that were."""
    settings = TextureIntent(**present).over(SETTLED)
    found = consider(texture_facts(imagined(file, what), file, present=settings, decides=ALL))
    assert {each.code for each in found} <= set(CODES)
    assert [each.code for each in found] == list({each.code: each for each in found}), "each code once"
    return {each.code: each.reason for each in found}


@pytest.mark.parametrize(
    ("file", "kind", "present", "code", "reason"),
    [
        ("rock_d.png", "albedo", {"mipmaps": False}, "no_mipmaps", ""),
        ("rock_d.png", "albedo", {"mipmaps": True}, "no_mipmaps", "settled"),
        ("icon.png", "ui", {"mipmaps": False}, "ui_mipmaps", "settled"),
        ("rock_d.png", "albedo", {"color_space": "linear"}, "color_as_linear", ""),
        ("rock_d.png", "albedo", {}, "too_large", "within_limit"),
        ("rock_d.png", "albedo", {}, "alpha_constant", "no_alpha"),
        ("rock_rough.png", "roughness", {"color_space": "linear"}, "data_as_srgb", "settled"),
    ],
)
def test_what_is_considered_is_raised_or_has_a_reason(
    file: str, kind: Any, present: dict[str, Any], code: str, reason: str
) -> None:
    assert considered(file, kind, **present)[code] == reason


def test_rules_for_other_kinds_arent_considered() -> None:
    assert "normal_as_color" not in considered("rock_d.png", "albedo")
    assert "lossy_hdr" not in considered("rock_d.png", "albedo")


def test_an_answer_gives_the_reason_of_the_first_part_that_is_false() -> None:
    assert not No("grey") and (True and (False or No("grey"))) == No("grey")
    assert (No("flat") and No("grey")) == No("flat")


def test_every_reason_in_the_rules_has_a_sentence() -> None:
    files = [("rock_d.png", "albedo"), ("rock_n.png", "normal"), ("icon.png", "ui"), ("a_orm.png", "packed"),
             ("a.hdr", "environment"), ("a_e.png", "emissive"), ("a_rough.png", "roughness")]  # fmt: skip
    settings: list[dict[str, Any]] = [
        {},
        {"mipmaps": False, "compression": "lossless"},
        {"compression": "block"},
        {"kind": "normal"},
    ]
    for file, kind in files:
        for present in settings:
            assert set(considered(file, kind, **present).values()) <= {"", *REASONS}


def test_the_findings_are_those_that_were_raised() -> None:
    facts = texture_facts(
        imagined("rock_n.png", "normal", normals=VECTORS), "rock_n.png",
        present=SETTLED, decides=ALL,
    )  # fmt: skip
    raised = [each.finding for each in consider(facts) if each.finding]
    assert find(facts) == raised and raised
