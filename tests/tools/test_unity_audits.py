"""The repeated audits of public Unity projects, and the verdicts on their findings."""

from __future__ import annotations

from collections import Counter

from bridge.core.textures import CODES
from tools.train.fetch import read_table
from tools.unity_audits import DATA, FINDING_COLUMNS, FINDINGS, PROJECT_COLUMNS, PROJECTS, compare


def row(path: str, verdict: str, still: str) -> dict[str, str]:
    return {"path": path, "code": "no_mipmaps", "verdict": verdict, "still": still}


def test_what_was_mended_and_what_was_right_is_compared() -> None:
    verdicts = [row("a", "harmful", "no"), row("b", "right", "yes"), row("c", "taste", "no")]
    found = compare(verdicts, {("a", "no_mipmaps"), ("c", "no_mipmaps"), ("d", "no_mipmaps")})
    assert found.back == [("a", "no_mipmaps")] and found.gone == [("b", "no_mipmaps")]
    assert found.new == [("d", "no_mipmaps")]


def test_no_harmful_finding_is_left() -> None:
    projects = {one["project"]: one for one in read_table(DATA / PROJECTS, PROJECT_COLUMNS)}
    findings = read_table(DATA / FINDINGS, FINDING_COLUMNS)
    assert {one["project"] for one in findings} <= projects.keys()
    assert all(one["code"] in CODES or one["code"] in ("unknown_settings", "unity.readable",
               "unity.heights_as_normals") for one in findings)  # fmt: skip
    still = Counter(one["verdict"] for one in findings if one["still"] == "yes")
    assert still["harmful"] == 0 and set(still) <= {"right", "taste", "wrong"}
