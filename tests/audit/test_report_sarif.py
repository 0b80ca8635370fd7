"""The report for code review: what its schema and GitHub take."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from msgspec.structs import replace

from bridge.audit import report_json, report_sarif
from bridge.audit.results import Group, Issue, Report, Row
from bridge.project.config import AlwaysRule, ProjectFile, ignored_code_notices
from tests.audit.reports import EVIL, told


@pytest.fixture
def report() -> Report:
    return told()


def test_sarif_has_what_its_schema_requires(report: Report) -> None:
    log = json.loads("".join(report_sarif.pieces(report, "en")))
    (run,) = log["runs"]
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json")
    driver = run["tool"]["driver"]
    rules = [rule["id"] for rule in driver["rules"]]
    assert driver["name"] and rules == sorted(set(rules))
    assert all(rule["help"]["text"] and rule["shortDescription"]["text"] for rule in driver["rules"])
    assert not any(rule.get("name", "").lower() == rule["id"] for rule in driver["rules"])
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note") and result["message"]["text"]
        assert set(result["partialFingerprints"]) == {report_sarif.FINGERPRINT}
    prints = [json.dumps(result["partialFingerprints"]) for result in run["results"]]
    assert len(set(prints)) == len(prints)


@pytest.mark.parametrize(("locale", "said"), [("en", "The code is ignored"), ("zh-CN", "该代码被忽略")])
def test_sarif_says_what_the_audit_was_told_and_cannot_obey(
    report: Report, tmp_path: Path, locale: str, said: str
) -> None:
    (tmp_path / ".git").touch()
    rule = AlwaysRule(folder="a", advice=[EVIL.replace(".", "")])
    told = replace(
        report,
        root=str(tmp_path / "game"),
        notices=["It is \x1bodd."],
        passed_over=ignored_code_notices(Path(), ProjectFile(always=[rule])),
    )
    (invocation,) = json.loads("".join(report_sarif.pieces(told, locale)))["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is True
    (notification,) = invocation["toolConfigurationNotifications"]
    assert said in notification["message"]["text"] and "\x1b" not in notification["message"]["text"]
    assert notification["level"] == "warning"
    assert uris([notification]) == ["game/popbridge.toml"]
    odd = invocation["toolExecutionNotifications"][0]
    assert (odd["message"]["text"], odd["level"]) == ("It is \\x1bodd.", "note")


@pytest.mark.parametrize(("locale", "said"), [("en", "A plugin failed"), ("zh-CN", "有扩展出错")])
def test_a_run_in_which_a_plugin_has_failed_passes_for_no_success(
    report: Report, locale: str, said: str
) -> None:
    fault = Row("a.png", "a.png", [Issue("unjudged", 0, "unjudged", {"reason": "x", "plugin": "acme"})])
    for made in (replace(report, failed=True), replace(report, rows=[*report.rows, fault])):
        (invocation,) = json.loads("".join(report_sarif.pieces(made, locale)))["runs"][0]["invocations"]
        (error,) = (o for o in invocation["toolExecutionNotifications"] if o["level"] == "error")
        assert not invocation["executionSuccessful"] and said in error["message"]["text"]
        assert json.loads("".join(report_json.pieces(made, locale)))["failed"] is True
    assert json.loads("".join(report_json.pieces(report, locale)))["failed"] is False


def test_sarif_says_which_files_could_not_be_read(report: Report) -> None:
    report.rows.append(Row("shut", "shut", [Issue("unlisted", 2, "unlisted", {"reason": "it is shut"})]))
    report.unseen = [(row.file, row.issues[0]) for row in report.rows]
    (run,) = json.loads("".join(report_sarif.pieces(report, "en")))["runs"]
    (invocation,) = run["invocations"]
    assert invocation["toolConfigurationNotifications"] == []
    unseen = invocation["toolExecutionNotifications"]
    assert [one["descriptor"]["id"] for one in unseen] == ["unreadable", "unsupported", "unlisted"]
    assert [one["level"] for one in unseen] == ["warning", "note", "warning"]
    assert uris(unseen)[1:] == ["a%20b/c%23d%25.png", "shut"]
    for one in unseen:
        rule = run["tool"]["driver"]["rules"][one["associatedRule"]["index"]]
        assert rule["id"] == one["associatedRule"]["id"] == one["descriptor"]["id"]
    report.shown = []
    (run,) = json.loads("".join(report_sarif.pieces(report, "en")))["runs"]
    told = run["invocations"][0]["toolExecutionNotifications"]
    assert [one["descriptor"]["id"] for one in told] == ["unreadable", "unsupported", "unlisted"]
    assert not any("associatedRule" in one for one in told), "there is no rule of what isn't listed"


def uris(told: list[dict[str, Any]]) -> list[str]:
    places = [place["physicalLocation"] for one in told for place in one["locations"]]
    return [place["artifactLocation"]["uri"] for place in places]


@pytest.mark.parametrize(("locale", "language"), [("en", "en-US"), ("zh-CN", "zh-CN"), ("de", "en-US")])
def test_sarif_says_in_which_language_it_is(report: Report, locale: str, language: str) -> None:
    (run,) = json.loads("".join(report_sarif.pieces(report, locale)))["runs"]
    assert run["language"] == language


def test_a_group_of_thousands_is_one_that_code_review_takes(report: Report) -> None:
    report.rows, report.groups = [], [Group("file", [f"{at}.png" for at in range(5000)], 2048)]
    (run,) = json.loads("".join(report_sarif.pieces(report, "en")))["runs"]
    (result,) = run["results"]
    assert "7.png, … 4992 more. " in result["message"]["text"] and len(result["relatedLocations"]) == 99


def test_sarif_names_files_by_relative_encoded_uris(report: Report) -> None:
    (run,) = json.loads("".join(report_sarif.pieces(report, "en")))["runs"]
    places = [
        place["physicalLocation"]["artifactLocation"]["uri"]
        for result in run["results"]
        for place in (*result["locations"], *result.get("relatedLocations", ()))
    ]
    assert "a%20b/c%23d%25.png" in places
    evil = next(place for place in places if "script" in place)
    assert evil.isascii() and unquote_to_bytes(evil) == os.fsencode(EVIL)
    assert not any(place.startswith("/") or ":" in place for place in places)


def test_sarif_names_files_from_the_repository(report: Report, tmp_path: Path) -> None:
    def places() -> set[str]:
        (run,) = json.loads("".join(report_sarif.pieces(report, "en")))["runs"]
        locations = [place for result in run["results"] for place in result["locations"]]
        return {place["physicalLocation"]["artifactLocation"]["uri"] for place in locations}

    root = tmp_path / "our game" / "client"
    root.mkdir(parents=True)
    report.root = str(root)
    assert "a%20b/c%23d%25.png" in places()
    # In a worktree it is a file.
    (tmp_path / ".git").touch()
    assert "our%20game/client/a%20b/c%23d%25.png" in places()
    (root / ".git").mkdir()
    assert "a%20b/c%23d%25.png" in places()


def test_sarif_fingerprints_stay_when_settings_and_sentences_change(report: Report) -> None:
    def prints(text: str) -> list[str]:
        (run,) = json.loads(text)["runs"]
        return [result["partialFingerprints"][report_sarif.FINGERPRINT] for result in run["results"]]

    before = prints("".join(report_sarif.pieces(report, "en")))
    report.rows[0].options, report.root = {}, "/elsewhere"
    assert prints("".join(report_sarif.pieces(report, "zh-CN"))) == before
