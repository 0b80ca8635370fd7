"""The report in its forms: nothing that stands in a name steers a terminal, a page or a program."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from accel.texture.kinds import Evidence
from bridge.advisors.findings import DESIRED
from bridge.api import OptionLabel
from bridge.audit import report_html, report_json, report_sarif, report_terminal
from bridge.audit.results import Fix, Group, Issue, Report, Row
from bridge.audit.texts import HELP, SHORT_TITLES, TEXTS, TITLES, explain, say, summary
from bridge.commands.audit import audit
from bridge.locale import catalogue
from bridge.project.config import AlwaysRule, ProjectFile, ignored_code_notices
from tests.audit.reports import EVIL, MIPMAPS, told


@pytest.fixture
def report() -> Report:
    return told()


class Markup(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


def data_of(page: str) -> Any:
    """What the page's script reads."""
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found)


@pytest.mark.parametrize("locale", ["en", "zh-CN", "de"])
def test_the_page_is_of_one_piece_and_names_are_no_markup(report: Report, locale: str) -> None:
    report.ignored, report.accepted = [(EVIL, report.rows[0].issues[0])], 1
    report.name = EVIL
    page = "".join(report_html.pages(report, locale))
    page.encode()
    parsed = Markup()
    parsed.feed(page)
    # The data, the script and one chunk of pictures.
    assert parsed.tags.count("script") == 3 and "alert" not in parsed.tags
    assert all(link.startswith("#i-") for link in parsed.links)
    assert "<script>alert(1)</script>" in parsed.text and "\x1b" not in page
    assert "<script>alert" not in page and "</script>alert" not in page
    assert ("贴图检查" in page) == (locale == "zh-CN")
    assert data_of(page)["rows"][0]["file"].startswith("<script>alert(1)</script>")


def test_the_page_allows_its_own_script_and_style_and_no_connection(report: Report) -> None:
    page = "".join(report_html.pages(report, "en"))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    policy = html.unescape(policy)
    script, style = (
        re.findall(r"<script>(.*?)</script>", page, re.DOTALL),
        re.findall(r"<style>(.*?)</style>", page, re.DOTALL),
    )
    for name, (text,) in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy and "unsafe" not in policy and "import " not in script[0][:4000]


@pytest.mark.parametrize(("locale", "kind"), [("en", "albedo map"), ("zh-CN", "反照率贴图")])
def test_the_page_says_what_a_kind_was_told_by(report: Report, locale: str, kind: str) -> None:
    report.rows[0].evidence = [
        Evidence("pixels", "looks like ui (60%)", "ui", {"albedo": -1.0, "ui": 1.0}),
        Evidence("name", EVIL, "albedo", {"albedo": 4.0}),
    ]
    row, _ = data_of("".join(report_html.pages(report, locale)))["rows"]
    assert row["kind"] == kind and row["percent"] == "97%?"
    (_, _, other, against), (_, detail, own, support) = row["evidence"]
    assert own == kind != other and (against, support) == (-0.5, 1.0) and "\x1b" not in detail


def test_programs_get_all_evidence(report: Report) -> None:
    worst, note = json.loads("".join(report_json.pieces(report, "en")))["files"]
    assert worst["evidence"][1:] == [
        {"source": "name", "detail": EVIL, "kind": "albedo"},
        {"source": "project", "detail": "71% of its project's textures", "kind": "albedo"},
    ]
    assert note["evidence"] == [] and note["kind"] is None


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_what_was_mended_is_told_from_what_is_left(report: Report, locale: str) -> None:
    worst = report.rows[0]
    worst.mended, worst.issues = worst.issues[1:], worst.issues[:1]
    out = io.StringIO()
    report_terminal.show(report, locale, 0, out, 400)
    codes = ("  unreadable", "  no_mipmaps")
    levels = [line.split()[0] for line in out.getvalue().splitlines() if line.endswith(codes)]
    assert levels == [say("error", locale), say("mended", locale)]
    assert data_of("".join(report_html.pages(report, locale)))["rows"][0]["fixed"]


class Considered(Struct):
    message: str
    raised: bool


class Explanation(Struct):
    findings: list[Considered]
    changes: list[str]


class ExplainedRow(Row):
    explanation: Explanation | None = None


def test_an_explanation_says_what_was_considered_and_what_would_change_the_verdict(report: Report) -> None:
    considered = [Considered("raised", True), Considered("It has " + EVIL, False)]
    row = ExplainedRow("a.png", "a", [Issue.of(MIPMAPS)], explanation=Explanation(considered, ["Move it."]))
    report.rows[0] = row
    first, second = data_of("".join(report_html.pages(report, "en")))["rows"]
    assert len(first["explanation"]) == 2 and first["explanation"][1] == "Move it."
    assert "\x1b" not in first["explanation"][0] and second["explanation"] == []


def test_a_clean_page_has_no_table(report: Report) -> None:
    report.rows, report.groups = [], []
    assert "<table" not in "".join(report_html.pages(report, "en"))


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
@pytest.mark.parametrize("width", [60, 200])
def test_the_table_tells_all_and_steers_no_terminal(report: Report, locale: str, width: int) -> None:
    out = io.StringIO()
    report_terminal.show(report, locale, 0, out, width)
    text = out.getvalue()
    assert "\x1b" not in text and "\udcff" not in text
    joined = "".join(line.strip() for line in text.split())
    assert "m" in joined and "a" in joined
    assert ("错误" in text) == (locale == "zh-CN")


def lines_of(report: Report, limit: int = 0, width: int = 120, statistics: bool = False) -> list[str]:
    out = io.StringIO()
    show = report_terminal.show_statistics if statistics else report_terminal.show
    show(report, "en", limit, out, width)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def many(report: Report) -> Report:
    """Six textures without mipmaps, and one of them that can't be read."""
    rows = [
        Row(f"art/rock_{at}.png", "", [Issue.of(MIPMAPS)], {"m": False}, {"m": True}, width=64, height=64)
        for at in range(6)
    ]
    for at, row in enumerate(rows):
        row.fixes = {"no_mipmaps": Fix({"m": True}, -1024 * at)}
    rows[2].issues.insert(0, Issue("unreadable", 2, "unreadable", {"reason": "broken"}))
    labels = {"m": OptionLabel("Mipmaps › Generate")}
    return replace(report, rows=rows, groups=[], labels=labels)


def test_textures_are_grouped_by_problem_the_most_severe_first(report: Report) -> None:
    lines = lines_of(many(report))
    titles = [line for line in lines if line.startswith(("error", "warning", "note"))]
    assert [line.split()[:2] for line in titles] == [["error", "1"], ["warning", "6"]]
    below = lines[lines.index(titles[1]) + 1 :]
    assert "Mipmaps › Generate: Off → On" in below[0] and "costs 15.0 KiB" in below[0]
    files = [line.split()[0] for line in below if line.strip().startswith("art/")]
    assert files == [f"art/rock_{at}.png" for at in range(6)]


@pytest.mark.parametrize(("limit", "shown"), [(0, 7), (1, 2), (3, 3), (100, 7)])
def test_the_limit_leaves_at_least_one_texture_of_each_problem(
    report: Report, limit: int, shown: int
) -> None:
    lines = lines_of(many(report), limit)
    assert sum(line.strip().startswith("art/") for line in lines) == shown
    assert sum("--limit 0" in line for line in lines) == (shown < 7)
    # How many are left out is said once for each problem.
    omitted = [int(line.split()[1]) for line in lines if line.lstrip().startswith("… ")]
    assert sum(omitted) == 7 - shown


def test_statistics_count_findings_files_and_memory(report: Report) -> None:
    report = many(report)
    report.rows[0].issues *= 2
    rows = [line.split() for line in lines_of(report, statistics=True)]
    assert ["7", "6", "warning", "no_mipmaps", "+15.0", "KiB"] in rows
    assert ["1", "1", "error", "unreadable"] in rows and not any("rock" in line[0] for line in rows if line)


@pytest.mark.parametrize("width", [40, 80])
def test_a_narrow_screen_gets_a_list_and_no_cut_words(report: Report, width: int) -> None:
    report.rows[0] = replace(report.rows[0], file="materials/brick_albedo.png")
    report.groups = [Group("file", ["materials/brick_albedo.png", "x.png"], 2048, 4096)]
    out = io.StringIO()
    report_terminal.show(report, "en", 0, out, width)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert out.getvalue().count("materials/brick_albedo.png") == 3 and max(map(len, lines)) <= width
    assert any(line.strip().startswith("identical files") for line in lines)
    assert "Shimmers" in out.getvalue() and "distance" in out.getvalue()


def test_a_name_of_any_length_pushes_no_sentence_out_of_sight_in_a_file(report: Report) -> None:
    report.rows[0], report.groups = replace(report.rows[0], file="deep/" * 200 + "a.png"), []
    lines = lines_of(report, width=10_000)
    assert any(line.startswith("  deep/deep/") for line in lines)
    assert all(len(line) - len(line.lstrip()) < 10 for line in lines)


def test_what_is_not_bad_enough_is_counted_and_not_listed(report: Report) -> None:
    report.shown = [replace(report.rows[0], issues=report.rows[0].issues[:1])]
    out = io.StringIO()
    report_terminal.show(report, "en", 0, out, 300)
    text, page = out.getvalue(), "".join(report_html.pages(report, "en"))
    assert "1 error, 1 warning, 1 note" in text and "Not listed: 2;" in text and "--fix resolves 1." in text
    assert "Shimmers" not in text and "SVG" not in text
    assert [problem["code"] for problem in data_of(page)["problems"]] == ["unreadable"]
    value = json.loads("".join(report_json.pieces(report, "en")))
    assert (value["errors"], value["warnings"], len(value["files"])) == (1, 1, 1)
    (run,) = json.loads("".join(report_sarif.pieces(report, "en")))["runs"]
    assert {result["ruleId"] for result in run["results"]} == {"unreadable", "duplicate"}
    report.shown = []
    assert "No findings" not in "".join(report_html.pages(report, "en"))


def test_what_fix_has_tried_in_vain_is_not_promised_again(report: Report) -> None:
    tried = Issue("not_applied", 2, "not_applied", {"reason": "read-only"})
    report.rows[0] = replace(report.rows[0], issues=[tried, *report.rows[0].issues])
    report.rows[0].memory, report.rows[0].memory_after = 4096, 1024
    report.memory, report.receipt = 8192, 3
    told = summary(report, "en")
    assert not any("--fix" in line or "freed" in line or "revert" in line for line in told)
    report.rows[0].mended, report.rows[0].issues = report.rows[0].issues[1:], []
    told = summary(report, "en")
    assert say("memory_freed", "en", memory="5.0 KiB", saved="3.0 KiB") in told
    assert say("memory_freed", "zh-CN", memory="5.0 KiB", saved="3.0 KiB") in summary(report, "zh-CN")
    assert say("fixed", "en", count=1, receipt=3) in told


def test_the_page_names_kinds_in_the_readers_language(report: Report) -> None:
    row, _ = data_of("".join(report_html.pages(report, "zh-CN")))["rows"]
    assert row["kind"] == "反照率贴图"


@pytest.mark.parametrize(("locale", "said"), [("en", "The code is ignored"), ("zh-CN", "该代码被忽略")])
def test_what_of_the_projects_file_is_passed_over_is_told_in_the_readers_language(
    report: Report, locale: str, said: str
) -> None:
    # With a dot in it, it could be a plugin's.
    rule = AlwaysRule(folder="a", advice=[EVIL.replace(".", "")])
    told = replace(
        report, notices=["It is odd."], passed_over=ignored_code_notices(Path(), ProjectFile(always=[rule]))
    )
    out = io.StringIO()
    report_terminal.show(told, locale, 0, out, 1000)
    page = "".join(report_html.pages(told, locale))
    for shown in (out.getvalue(), page, json.loads("".join(report_json.pieces(told, locale)))["notice"]):
        assert said in shown and "popbridge.toml" in shown and "It is odd." in shown
    assert "\x1b" not in out.getvalue() and EVIL[:10] not in page


def test_json_keeps_every_name_as_it_is(report: Report) -> None:
    value = json.loads("".join(report_json.pieces(report, "en")))
    assert [file["file"] for file in value["files"]] == [EVIL, "a b/c#d%.png"]
    assert (value["errors"], value["warnings"], value["notes"], value["textures"]) == (1, 1, 1, 7)
    assert value["files"][0]["options"] == {"m": True, "p": "<i>"}
    assert value["files"][0]["findings"][1]["fixable"] is True
    assert value["duplicates"][0] == {
        "how": "file",
        "disk": 2048,
        "memory": None,
        "files": ["x.png", EVIL],
    }
    assert "/somewhere" not in json.dumps(value)


def test_every_member_and_every_flag_is_documented(report: Report) -> None:
    pages = Path(__file__).parents[2] / "docs" / "reference"
    manual = "".join((pages / name).read_text(encoding="utf-8") for name in ("audit.md", "commands.md"))
    value = json.loads("".join(report_json.pieces(report, "en")))
    members = {*value, *value["files"][0], *value["files"][0]["findings"][0], *value["duplicates"][0]}
    flags = {flag.split()[0] for option in audit.params for flag in option.opts if flag.startswith("--")}
    words = set(re.findall(r"`(--[\w-]+|\w+)", manual))
    assert (members | flags) - words == set()


def test_a_page_on_a_part_without_textures_does_not_say_that_nothing_is_wrong(report: Report) -> None:
    nothing = replace(report, part="art", textures=0, rows=[], groups=[])
    assert "No findings." not in "".join(report_html.pages(nothing, "en"))
    assert "No findings." in "".join(report_html.pages(replace(nothing, textures=1), "en"))


def test_every_code_of_the_advisor_is_explained() -> None:
    wanted = {want.code for wants in DESIRED.values() for want in wants}
    assert wanted - set(HELP) == wanted - set(TITLES) == wanted - set(SHORT_TITLES) == set()
    assert set(HELP) - {"duplicate"} == set(TITLES) == set(SHORT_TITLES)


def test_every_text_is_in_the_chinese_catalogue() -> None:
    texts = [*TEXTS.values(), *TITLES.values(), *SHORT_TITLES.values(), *report_html.WORDS.values()]
    assert [text.id for text in texts if text.id not in catalogue("zh")] == []
    assert [code for code in HELP if explain(code, "zh") == explain(code, "en")] == []
