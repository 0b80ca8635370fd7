"""Explanations: weights lead to the verdict, each finding has a reason, and what would change it is so."""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from accel.image.operations.analysis import Fingerprint
from accel.texture.judgement import examine
from accel.texture.kinds import Evidence
from accel.texture.workloads import Examination, Examine
from accel.workload import Input, Limits
from bridge.advisors.advice import judge_all
from bridge.advisors.explanation import (
    explain,
    factor_text,
    lines,
    plain,
    verdict_text,
    weigh,
    with_findings,
)
from bridge.advisors.findings import WARNING, Considered, Finding, not_raised
from bridge.advisors.import_advisor import TextureImportAdvisor
from bridge.api import RequestError, RunResult, TextureAsset
from bridge.core.textures import CODES
from tests.advisors import pictures
from tests.advisors.desk import Bench, FakeEngine
from tests.advisors.examinations import imagined


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, TextureImportAdvisor())


def examined(folder: Path, file: str, **surroundings: Any) -> Examination:
    path = pictures.save(folder / file, pictures.normal_map())
    output = examine([Input(file, str(path))], Examine(**surroundings), Limits())
    assert isinstance(output.value, Examination)
    return output.value


def test_the_weights_lead_from_nothing_known_to_the_probability(tmp_path: Path) -> None:
    found = examined(tmp_path, "rock_normal.png", imported_as="albedo").classification
    weighed = weigh(found.kind, found.evidence)
    odds = math.exp(sum(each.weight or 0.0 for each in weighed)) / (len(found.probabilities) - 1)
    assert odds / (1 + odds) == pytest.approx(found.probabilities[found.kind], abs=0.01)
    by_source = {each.source: each.weight for each in weighed if each.weight is not None}
    assert by_source["pixels"] > 0 < by_source["name"] and by_source["settings"] < 0


def test_every_finding_was_raised_or_has_a_reason_or_is_for_other_kinds(tmp_path: Path) -> None:
    examination = examined(tmp_path, "rock_normal.png")
    found = explain(
        examination, "rock_normal.png", judge_all(examination, "rock_normal.png", None, None, None)
    )
    assert sorted([each.code for each in found.findings] + found.not_applicable) == sorted(CODES)
    assert all(str(each.message) for each in found.findings)
    assert found.sure and found.judged_as == "normal"


def test_without_its_name_a_doubtful_texture_would_be_something_else() -> None:
    evidence = [
        Evidence("pixels", "looks like albedo (60%)", "albedo", {"albedo": 1.0, "height": 0.5}),
        Evidence("name", "_rough", "roughness", {"roughness": 6.0}),
    ]
    examination = imagined("a_rough.png", "roughness")
    known = type(examination.classification)(
        "roughness", {"roughness": 0.95, "albedo": 0.03}, True, evidence, 0.9
    )
    examination = Examination(examination.inspection, known, Fingerprint("", "", "", (), 0.0))
    found = explain(examination, "a_rough.png", [])
    change = found.changes[0]
    assert not isinstance(change, str) and change.values["kind"] == "albedo map"


def test_a_texture_that_isnt_sure_gets_a_hint() -> None:
    found = explain(imagined("rock.png", None, 0.4), "art/rock.png", [])
    assert not found.sure and "rock_albedo.png" in str(found.changes[0])


def test_the_other_maps_of_a_material_have_the_last_word() -> None:
    alone = [Considered.of(Finding("no_mipmaps", WARNING, "no_mipmaps")), not_raised("uncompressed", "hdr")]
    final = [Finding("uncompressed", WARNING, "uncompressed")]
    found = explain(imagined("rock_d.png", "albedo"), "rock_d.png", with_findings(alone, final))
    assert [(each.code, each.raised) for each in found.findings] == [
        ("uncompressed", True),
        ("no_mipmaps", False),
    ]


@pytest.mark.parametrize(("weight", "shown"), [(0.0, "×1.0"), (math.log(2.5), "×2.5"), (-math.log(40), "÷40"),
                                               (99.0, "×10,000")])  # fmt: skip
def test_a_weight_reads_as_a_factor(weight: float, shown: str) -> None:
    assert factor_text(weight) == shown


def test_all_of_it_reads_in_chinese(tmp_path: Path) -> None:
    examination = examined(tmp_path, "rock_normal.png", imported_as="normal", siblings=["rock_albedo.png"])
    found = explain(
        examination, "rock_normal.png", judge_all(examination, "rock_normal.png", None, None, None)
    )
    value = plain(found, "zh-CN")
    said = [*value["changes"], *(each["message"] for each in value["findings"])]
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in sentence) for sentence in said)
    assert str(verdict_text(found)) in map(str, lines(found))


async def test_an_editor_asks_why(bench: Bench) -> None:
    bench.texture("art/rock_normal.png", pictures.normal_map())
    asked = {"path": "res://art/rock_normal.png"}
    answer = await bench.advisor.on_ask(bench, bench.view, "texture.explain", asked)
    value = answer.value
    assert answer.blobs == {}
    assert (value["file"], value["kind"], value["sure"]) == ("art/rock_normal.png", "normal", True)
    assert value["lines"] and value["not_raised"] and value["evidence"]
    # People read sentences, no codes.
    assert not any(re.match(r"[a-z]+[_ ]", line) for line in [*value["lines"], *value["not_raised"]])


async def test_the_answer_shows_the_texture_before_and_after_the_fixes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bench.texture("art/rock_normal.png", pictures.normal_map())
    asset = TextureAsset(path, "art/rock_normal.png", dict(bench.options[path]))
    engine = FakeEngine()
    monkeypatch.setattr(FakeEngine, "project", SimpleNamespace(texture=lambda *_: asset, uses=lambda _: {}))
    bench.view = replace(bench.view, adapter=engine)
    run, drawn = bench.run, []

    async def draw(workload: str, params: Any, paths: Any, **more: Any) -> RunResult:
        if workload != "texture.preview_lit":
            return await run(workload, params, paths, **more)
        drawn.append(params)
        return RunResult({}, {"before": "b" * 64, "after": "a" * 64})

    monkeypatch.setattr(bench, "run", draw)
    answer = await bench.advisor.on_ask(bench, bench.view, "texture.explain", {"path": path})
    assert answer.blobs == {"before": "b" * 64, "after": "a" * 64}
    (asked,) = drawn
    assert asked["kind"] == "normal" and asked["before"]["color_space"] == "srgb"
    assert asked["after"]["kind"] == "normal" and asked["after"]["color_space"] == "linear"
    raised = [each for each in answer.value["findings"] if each["raised"]]
    assert raised and all(each["present"].keys() == each["options"].keys() for each in raised)
    # What is wrong comes first.
    assert all(
        line.endswith(each["message"]) for line, each in zip(answer.value["lines"], raised, strict=False)
    )


@pytest.mark.parametrize(
    ("params", "code"),
    [({}, "bad_params"), ({"path": 1}, "bad_params"), ({"path": "gone.png"}, "not_found"),
     ({"path": "../rock.png"}, "not_found")],
)  # fmt: skip
async def test_a_question_about_no_texture_is_refused(bench: Bench, params: Any, code: str) -> None:
    with pytest.raises(RequestError) as error:
        await bench.advisor.on_ask(bench, bench.view, "texture.explain", params)
    assert error.value.code.name == code


async def test_textures_of_another_advisor_arent_asked_about(bench: Bench) -> None:
    path = bench.texture("rock_normal.png", pictures.normal_map())
    bench.taken = {path}
    await bench.imported(path)
    assert bench.shown == []
    bench.taken = set()
    await bench.imported(path)
    assert len(bench.shown) == 1
