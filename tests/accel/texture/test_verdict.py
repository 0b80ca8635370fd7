"""What exact facts of the pixels and decisive evidence make of probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from accel.image.inspect import inspect_picture
from accel.image.records import Inspection
from accel.texture.kinds import CLASS_OF, KINDS, Classification, Evidence, Kind, percent
from accel.texture.verdict import conclude, is_contradicted, pin
from tests.accel.texture.pictures import ball, bricks, decoded, normal_map, surface


def image_of(pixels: Any) -> Inspection:
    return inspect_picture(decoded(np.ascontiguousarray(pixels)), 0)[0]


HEIGHTS = np.round(surface() * 255).astype(np.uint8)[..., None]
GREY, COLORS, NORMALS = image_of(HEIGHTS), image_of(bricks()), image_of(normal_map())
CUT_OUT = image_of(np.concatenate([bricks(), np.tile(np.uint8([0, 255]), 32768).reshape(256, 256, 1)], -1))
NAME = Evidence("name", "_word", "roughness", decisive=True)


def found(kind: Kind, share: float, *evidence: Evidence, advise: bool = False) -> Classification:
    rest = (1 - share) / (len(KINDS) - 1)
    return Classification(kind, {one: share if one == kind else rest for one in KINDS}, advise, evidence)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.6, 0.95])
@pytest.mark.parametrize("before", [("sprite", 0.9), ("ao", 0.5), ("normal", 1.0)])
def test_a_pinned_kind_is_the_likeliest_and_its_class_has_at_least_the_share(
    kind: Kind, share: float, before: tuple[Kind, float]
) -> None:
    pinned = pin(found(*before).probabilities, kind, share)
    same = sum(value for one, value in pinned.items() if CLASS_OF[one] == CLASS_OF[kind])
    assert max(pinned, key=lambda one: pinned[one]) == kind
    assert same >= share - 1e-9 and sum(pinned.values()) == pytest.approx(1)
    assert pin(pinned, kind, share) == pytest.approx(pinned)


def test_a_class_that_is_likelier_already_keeps_its_probability() -> None:
    before = found("height", 0.9).probabilities
    pinned = pin(before, "roughness", 0.6)
    assert pinned["roughness"] > pinned["height"] > pinned["sprite"]
    data = [one for one in KINDS if CLASS_OF[one] == "data"]
    assert sum(pinned[one] for one in data) == pytest.approx(sum(before[one] for one in data))


@pytest.mark.parametrize(
    ("alone", "image", "kind", "advise"),
    [
        (found("other", 0.99, advise=True), COLORS, "other", False),
        (found("normal", 0.99, advise=True), NORMALS, "normal", True),
        (found("normal", 0.99, advise=True), GREY, "normal", False),
        (found("normal", 0.99, advise=True), COLORS, "normal", False),
        (found("albedo", 0.5), NORMALS, "normal", True),
        (found("albedo", 0.5, Evidence("name", "_albedo", "albedo")), NORMALS, "albedo", False),
        (found("albedo", 0.5, Evidence("slot", "used as ui", "ui", decisive=True)), NORMALS, "albedo", False),
        (found("albedo", 0.5), COLORS, "albedo", False),
        (found("roughness", 0.7, NAME), GREY, "roughness", True),
        (found("roughness", 0.4, NAME), GREY, "roughness", False),
        (found("roughness", 0.7), GREY, "roughness", False),
        (found("roughness", 0.7, NAME), COLORS, "roughness", False),
        (found("sprite", 0.7, NAME), GREY, "sprite", False),
    ],
)
def test_exact_facts_have_the_last_word(
    alone: Classification, image: Inspection, kind: Kind, advise: bool
) -> None:
    verdict = conclude(alone, image)
    assert (verdict.kind, verdict.advise) == (kind, advise)
    assert conclude(verdict, image) == verdict


@pytest.mark.parametrize(
    ("kind", "image", "forbidden"),
    [
        ("normal", GREY, True), ("normal", COLORS, True), ("normal", NORMALS, False),
        ("normal", image_of(ball()), False), ("albedo", NORMALS, True), ("albedo", COLORS, False),
        ("height", GREY, False), ("height", COLORS, True), ("roughness", COLORS, True),
        ("ao", NORMALS, True), ("specular", COLORS, False), ("specular", GREY, False),
        ("packed", GREY, True), ("packed", COLORS, False), ("emissive", COLORS, False),
        ("environment", CUT_OUT, True), ("environment", COLORS, False),
    ],
)  # fmt: skip
def test_the_pixels_forbid_what_they_cannot_be(kind: Kind, image: Inspection, forbidden: bool) -> None:
    greyish = 1.0 if image.grey else 0.3
    assert is_contradicted(kind, image, greyish) is forbidden


@pytest.mark.parametrize(("confidence", "shown"), [(1.0, 99), (0.999, 99), (0.978, 97), (0.5, 50), (0, 0)])
def test_people_are_shown_whole_percents_and_never_certainty(confidence: float, shown: int) -> None:
    assert percent(confidence) == shown


def test_the_confidence_is_that_of_the_class() -> None:
    shares = dict.fromkeys(KINDS, 0.0) | {"height": 0.4, "roughness": 0.5, "sprite": 0.1}
    assert Classification("roughness", shares, False, []).confidence == pytest.approx(0.9)
