"""Tests of the calibration on projects."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from accel.texture.kinds import LEARNED_KINDS
from accel.texture.naming import read_name, vocabulary
from tools.train.project_calibration import (
    PACKAGES,
    Examples,
    fit_names,
    predict,
    predict_out_of_fold,
    thresholds,
)

ALBEDO, HEIGHT, AO = (LEARNED_KINDS.index(kind) for kind in ("albedo", "height", "ao"))
REPOSITORIES, EACH = 12, 10


def examples() -> Examples:
    """Occlusion maps whose pixels look like heights, and heights, both with whole words as names; and albedo
    maps that the pixels recognise."""
    kinds = np.tile([AO, HEIGHT] + [ALBEDO] * 8, REPOSITORIES * EACH // 10)
    by_pixels = np.full((len(kinds), len(LEARNED_KINDS)), 0.002)
    by_pixels[:, HEIGHT] = 0.9
    by_pixels[kinds == ALBEDO, HEIGHT] = 0.002
    by_pixels[kinds == ALBEDO, ALBEDO] = 0.9
    by_pixels /= by_pixels.sum(axis=1, keepdims=True)
    names = {AO: "stone_ao.png", HEIGHT: "stone_height.png", ALBEDO: "moss.png"}
    files = np.array([f"art/{place}/{names[kind]}" for place, kind in enumerate(kinds.tolist())])
    repositories = np.repeat([f"github-ann+{place}" for place in range(REPOSITORIES)], EACH)
    return Examples(
        by_pixels, kinds, repositories, repositories, files, np.full((len(kinds), 2), 64),
        [read_name(file) for file in files.tolist()], [vocabulary(file) for file in files.tolist()],
    )  # fmt: skip


@pytest.fixture(scope="module")
def packages() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(PACKAGES.read_text(encoding="utf-8"))
    return found


def test_words_that_are_always_right_count_more(packages: dict[str, Any]) -> None:
    found = fit_names(examples(), packages)
    assert found["cues"]["name.word"] >= packages["cues"]["name.word"]
    _, with_names = predict(examples(), found)
    of_ao = with_names.kinds == AO
    assert (with_names.probabilities[of_ao].argmax(axis=1) == AO).all()
    before, after = (
        predict(examples(), each)[1].probabilities[of_ao, AO].mean() for each in (packages, found)
    )
    assert after > before


def test_out_of_fold_every_texture_has_a_prediction(packages: dict[str, Any]) -> None:
    by_pixels, with_names = predict_out_of_fold(examples(), packages)
    assert np.allclose(with_names.probabilities.sum(axis=1), 1)
    assert not by_pixels.named.any() and with_names.named.any()


def test_a_class_that_is_often_wrong_keeps_the_threshold_of_packages(packages: dict[str, Any]) -> None:
    before = dict.fromkeys(packages["pixels"]["thresholds"], 0.99)
    by_pixels, _ = predict(examples(), packages)
    assert thresholds(by_pixels, examples(), before)["color"] < 0.99
    wrong = examples()
    wrong.kinds[2::10] = HEIGHT
    by_pixels, _ = predict(wrong, packages)
    assert thresholds(by_pixels, wrong, before)["color"] == 0.99


def test_what_was_fitted_on_packages_is_kept(packages: dict[str, Any]) -> None:
    assert set(packages) == {"cues", "second", "words", "pixels", "names", "context"}
    assert all(len(row) <= len(LEARNED_KINDS) for row in packages["words"].values())
