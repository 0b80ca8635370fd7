"""One texture has one kind and one confidence, whoever asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from accel.texture.kinds import percent
from accel.texture.workloads import Examination, Examine, Surroundings, classify, examine
from accel.workload import Input, Limits
from bridge.advisors.advice import summarize_texture
from bridge.api import TextureAsset
from bridge.audit.examine import Answer, Question
from bridge.audit.judge import Judge
from bridge.audit.project import find
from bridge.audit.report_json import pieces
from bridge.audit.results import Report
from bridge.audit.texts import reasons
from bridge.commands.run.report import summarize
from bridge.host import host
from tests.accel.texture.pictures import bricks, button, normal_map, surface
from tests.advisors.pictures import save

GREY = np.round(surface() * 255).astype(np.uint8)
CASES = {
    "rock_roughness.png": GREY, "rock_height.png": GREY, "rock_n.png": normal_map(), "a.png": normal_map(),
    "rock_MetallicSmoothness.png": bricks(), "ui/button.png": button(), "rock_albedo.png": bricks(),
    "noise.png": GREY,
}  # fmt: skip


@pytest.mark.parametrize("file", CASES)
async def test_popup_audit_json_and_classifier_agree(
    registry: host.Registry, tmp_path: Path, file: str
) -> None:
    path = save(tmp_path / file, np.atleast_3d(CASES[file]))
    source = [Input(file, str(path))]
    value: Any = classify(source, Surroundings(), Limits()).value
    found: Any = examine(source, Examine(), Limits()).value
    assert isinstance(found, Examination) and found.classification == value

    judging = Judge(find(registry, tmp_path), Report(name="game", root="game", engine=""), 4096)
    judging.add(TextureAsset(file, file), Answer(Question(file, {}), found, 1, False))
    await judging.finish()
    about = summarize_texture(found, file)
    assert (about is not None) is value.advise
    if about is not None:
        assert (about.kind, about.sure) == (value.kind, percent(value.confidence))
        line = summarize(msgspec.to_builtins(value), several=True)
        assert line == f"{value.kind} {about.sure}%"
    for row in judging._report.rows:
        assert (row.kind, row.sure, row.probability) == (value.kind, value.advise, value.confidence)
        assert reasons(row, "en").split("%")[0] == str(percent(value.confidence))
        (told,) = json.loads("".join(pieces(judging._report, "en")))["textures"]
        assert told["probability"] == round(value.confidence, 4)
