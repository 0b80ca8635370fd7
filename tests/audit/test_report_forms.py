"""The report in its forms: nothing that stands in a name steers a terminal, a page or a program."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bridge.advisors.findings import DESIRED
from bridge.audit import report_html, report_json, report_sarif, report_terminal
from bridge.audit.results import Group, Issue, Report, Row
from bridge.audit.texts import HELP, TEXTS, explain, say, summary
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
        self.titles: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.titles += [value or "" for name, value in attrs if name == "title"]
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("locale", ["en", "zh-CN", "de"])
def test_the_page_is_of_one_piece_and_names_are_no_markup(report: Report, locale: str) -> None:
    page = "".join(report_html.pages(report, locale))
    page.encode()
    parsed = Markup()
    parsed.feed(page)
    assert parsed.tags.count("script") == 1 and "i" not in parsed.tags and "b" not in parsed.tags
    assert all(link.startswith("data:image/") for link in parsed.links) and parsed.links
    assert "<script>alert(1)</script>" in parsed.text and "\x1b" not in page
    assert ("贴图检查" in page) == (locale == "zh-CN") and "prefers-color-scheme: dark" in page


@pytest.mark.parametrize(
    ("locale", "said"), [("en", ", the project's other textures)"), ("zh-CN", "，项目中的其他贴图)")]
)
def test_the_page_says_what_a_kind_was_told_by(report: Report, locale: str, said: str) -> None:
    parsed = Markup()
    parsed.feed("".join(report_html.pages(report, locale)))
    (told,) = [title for title in parsed.titles if said in title]
    assert told.startswith("97% (<script>") and "\x1b" not in told and "looks like" not in told
    report.rows[0].evidence = []
    assert 'title="97%"' in "".join(report_html.pages(report, locale))


def test_programs_get_all_evidence(report: Report) -> None:
    worst, note = json.loads("".join(report_json.pieces(report, "en")))["files"]
    assert worst["evidence"][1:] == [
        {"source": "name", "detail": EVIL, "kind": "albedo"},
        {"source": "project", "detail": "71% of its project's textures", "kind": "albedo"},
    ]
    assert note["evidence"] == [] and note["kind"] is None


@pytest.mark.parametrize(
    ("locale", "said"), [("en", "Fixed: Material texture"), ("zh-CN", "已修复：材质贴图")]
)
def test_what_was_mended_is_told_from_what_is_left(report: Report, locale: str, said: str) -> None:
    worst = report.rows[0]
    worst.mended, worst.issues = worst.issues[1:], worst.issues[:1]
    out = io.StringIO()
    report_terminal.show(report, report.rows, locale, 0, out, 400)
    assert out.getvalue().count(said) == 1
    worst.issues = []
    out = io.StringIO()
    report_terminal.show(report, report.rows, locale, 0, out, 400)
    assert said not in out.getvalue() and say("mended", locale) in out.getvalue()


def test_the_page_says_by_what_it_is_sorted(report: Report) -> None:
    page = "".join(report_html.pages(report, "en"))
    assert '<th scope="col" data-largest aria-sort="descending"><button type="button">severity' in page
    assert page.count('aria-sort="') == 1 and '<th scope="col">picture</th>' in page


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium isn't installed")
@pytest.mark.parametrize(
    ("clicks", "first"),
    [("1", "b9"), ("1 1", "b9"), ("2", "a10"), ("2 2", "b9"), ("5", "b9"), ("5 5", "a10"), ("", "b9")],
)
def test_a_click_sorts_the_page(tmp_path: Path, clicks: str, first: str) -> None:
    """Numbers by the largest first, names in their order; a second click turns it round."""
    rows = [
        Row(f"{name}.png", name, [Issue.of(MIPMAPS)], size=size, kind="albedo", content="ab")
        for name, size in (("b9", 10_000), ("a10", 9))
    ]
    page = "".join(report_html.pages(Report(name="game", root="", engine="acme", rows=rows), "en"))
    script = "".join(f"heads[{at}].querySelector('button').click();" for at in clicks.split())
    shown = in_a_browser(tmp_path, page, script)
    assert re.findall(r'data-sort="(\w+)\.png"', shown)[0] == first and "2 shown" in shown


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium isn't installed")
@pytest.mark.parametrize(("memory", "options"), [(0, {}), (9, {}), (0, {"m": True}), (9, {"m": True})])
def test_the_sentences_have_the_widest_column_whichever_are_hidden(
    tmp_path: Path, memory: int, options: dict[str, Any]
) -> None:
    row = Row("a.png", "a", [Issue.of(MIPMAPS)], {}, options, kind="albedo", memory=memory)
    page = "".join(report_html.pages(Report(name="game", root="", engine="acme", rows=[row]), "en"))
    widths = "[...rows[0].cells].map(cell => cell.offsetWidth)"
    shown = in_a_browser(tmp_path, page, f"document.title = JSON.stringify({widths});")
    found = json.loads(re.findall(r"<title>(.*?)</title>", shown)[0])
    assert (found[6] > 0, found[8] > 0) == (memory > 0, bool(options))
    assert found[7] == max(found) > 1.4 * found[2]


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium isn't installed")
def test_nothing_lies_beside_a_narrow_window(tmp_path: Path) -> None:
    file = "a_folder_with_quite_a_long_name/" * 3 + "rock_normal.png"
    row = Row(file, file, [Issue.of(MIPMAPS)], {}, {"mipmaps/generate": True}, kind="albedo", memory=9)
    alike = Group("file", (file, f"b/{file}"), 9, 9)
    found = Report(name="game", root="", engine="acme", rows=[row], groups=[alike])
    page = "".join(report_html.pages(found, "en"))
    right = "rows[0].cells[7].getBoundingClientRect().right"
    script = f"document.title = [innerWidth, document.documentElement.scrollWidth, {right}].map(Math.ceil);"
    told = re.findall(r"<title>(.*?)</title>", in_a_browser(tmp_path, page, script, width=500))[0]
    window, whole, finding = map(int, told.split(","))
    assert window < 600 and whole <= window and 0 < finding <= window


def in_a_browser(folder: Path, page: str, script: str, width: int = 1280) -> str:
    """The page as it is there once `script` has run after its own, in a window so many pixels wide."""
    (folder / "page.html").write_text(page.replace("  show();\n}", f"  show(); {script}\n}}"), "utf-8")
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--dump-dom", f"--user-data-dir={folder / 'profile'}",
         f"--window-size={width},900",
         (folder / "page.html").as_uri()],
        capture_output=True, check=True, text=True, encoding="utf-8", timeout=120,
    )  # fmt: skip
    return done.stdout


def test_a_clean_page_has_no_table(report: Report) -> None:
    report.rows, report.groups = [], []
    assert "<table" not in "".join(report_html.pages(report, "en"))


def test_columns_of_which_no_row_says_anything_are_hidden(report: Report) -> None:
    assert '<table id="rows" class="no-memory">' in "".join(report_html.pages(report, "en"))
    report.rows[0] = replace(report.rows[0], memory=10, options={})
    assert '<table id="rows" class="no-setting">' in "".join(report_html.pages(report, "en"))


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
@pytest.mark.parametrize("width", [60, 200])
def test_the_table_tells_all_and_steers_no_terminal(report: Report, locale: str, width: int) -> None:
    out = io.StringIO()
    report_terminal.show(report, report.rows, locale, 0, out, width)
    text = out.getvalue()
    assert "\x1b" not in text and "\udcff" not in text
    joined = "".join(line.strip() for line in text.split())
    assert "m" in joined and "false→true" in joined and "a" in joined
    assert ("错误" in text) == (locale == "zh-CN")


@pytest.mark.parametrize("width", [40, 80])
def test_a_narrow_screen_gets_a_list_and_no_cut_words(report: Report, width: int) -> None:
    report.rows[0] = replace(report.rows[0], file="materials/brick_albedo.png")
    report.groups = [Group("file", ["materials/brick_albedo.png", "x.png"], 2048, 4096)]
    out = io.StringIO()
    report_terminal.show(report, report.rows, "en", 0, out, width)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert "error  materials/brick_albedo.png" in lines and "  albedo map?  64×32" in lines
    assert out.getvalue().count("materials/brick_albedo.png") == 2 and max(map(len, lines)) <= width
    assert any(line.startswith("identical files") for line in lines)
    assert "Shimmers" in out.getvalue() and "distance" in out.getvalue()


def test_where_there_is_a_table_no_name_in_it_is_folded(report: Report) -> None:
    file = "assets/textures/characters/hero/hero_body_01_albedo.png"
    reason = {"reason": "is a truncated or corrupt PNG (" + "what the library says of it " * 8 + ")"}
    row = Row(file, file, [Issue("unreadable", 2, "unreadable", reason)], width=1024, height=1024)
    report.rows, report.groups = [row, row], [Group("file", [f"{file * 4}", "b.png"], 1 << 33, 1 << 33)]
    for width in range(100, 200, 10):
        out = io.StringIO()
        report_terminal.show(report, report.rows, "en", 0, out, width)
        lines = out.getvalue().splitlines()
        if any(line.startswith("severity") for line in lines):
            assert sum(f" {file}  " in line for line in lines) == 2
        assert any("identical files  8.0 GiB" in line for line in lines), width
    assert any(line.startswith("severity") for line in lines)


def test_a_name_of_any_length_pushes_no_sentence_out_of_sight_in_a_file(report: Report) -> None:
    report.rows[0], report.groups = replace(report.rows[0], file="deep/" * 200 + "a.png"), []
    out = io.StringIO()
    report_terminal.show(report, report.rows, "en", 0, out, 10_000)
    assert any(line.startswith("error  deep/deep/") for line in out.getvalue().splitlines())
    assert all(len(line) - len(line.lstrip()) < 10 for line in out.getvalue().splitlines())


def test_the_table_says_how_many_rows_it_leaves_out(report: Report) -> None:
    out = io.StringIO()
    report_terminal.show(report, report.rows, "en", 1, out, 100)
    assert "… 1 more; --limit 0" in out.getvalue()


def test_what_is_not_bad_enough_is_counted_and_not_listed(report: Report) -> None:
    report.shown = [replace(report.rows[0], issues=report.rows[0].issues[:1])]
    out = io.StringIO()
    report_terminal.show(report, report.listed, "en", 0, out, 300)
    for text in (out.getvalue(), "".join(report_html.pages(report, "en"))):
        assert (
            "1 error, 1 warning, 1 note" in text and "Not listed: 2;" in text and "--fix resolves 1." in text
        )
        assert "Shimmers" not in text and "SVG" not in text
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
    assert say("memory_freed", "en", memory="8.0 KiB", saved="3.0 KiB") in told
    assert say("memory_freed", "zh-CN", memory="8.0 KiB", saved="3.0 KiB") in summary(report, "zh-CN")
    assert say("fixed", "en", count=1, receipt=3) in told


def test_the_page_names_kinds_in_the_readers_language(report: Report) -> None:
    assert "<p>反照率贴图 6</p>" in "".join(report_html.pages(report, "zh-CN"))


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
    report_terminal.show(told, [], locale, 0, out, 1000)
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
    assert wanted - set(HELP) == set()


def test_every_text_is_in_the_chinese_catalogue() -> None:
    assert [text.id for text in TEXTS.values() if text.id not in catalogue("zh")] == []
    assert [code for code in HELP if explain(code, "zh") == explain(code, "en")] == []
