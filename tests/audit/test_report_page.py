"""The report's page in a browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accel.texture.kinds import Evidence
from bridge.advisors.findings import Finding
from bridge.audit import report_html
from bridge.audit.results import Fix, Folder, Group, Issue, LitPair, Report, Row
from bridge.core.textures import TextureIntent
from tests.audit.reports import EVIL, told
from tools.axe import SCRIPT as AXE
from tools.chromium import PROGRAM, Page, browse

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="Chromium isn't installed")

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SHOWN = "[...document.querySelectorAll('[data-at] :is(.nm, b)')].map(each => each.textContent)"
OPEN = "document.querySelector('.drawer.on h2')?.textContent ?? ''"
NO_OVERFLOW = "document.documentElement.scrollWidth <= innerWidth"
WIDTHS = (360, 400, 1280, 2560)
READY_S = 2.0


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browse(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.fixture
def opened(page: Page, tmp_path: Path) -> Iterator[Any]:
    """Opens the page of a report; its scripts must not fail."""
    page.errors.clear()

    def opened(report: Report, locale: str = "en", **window: Any) -> Page:
        file = tmp_path / "page.html"
        file.write_text("".join(report_html.pages(report, locale)), encoding="utf-8")
        page.open(file, **window)
        return page

    yield opened
    assert page.errors == []


def finding(code: str, rank: int = 1) -> Issue:
    values = {"confidence": 97, "channels": 3}
    sentence = {"normal_convention": "normal_green_down"}.get(code, code)
    return Issue.of(Finding(code, rank, sentence, values, TextureIntent(mipmaps=True)))


def webp(side: int, shade: int) -> bytes:
    import pyvips

    image = pyvips.Image.black(side, side, bands=3).linear([1, 1, 1], [shade, 255 - shade, 128])
    data: bytes = image.cast("uchar").copy(interpretation="srgb").write_to_buffer(".webp")
    return data


def project(count: int = 9) -> Report:
    """Textures of which each third has each problem; the later, the more memory a fix frees."""
    codes = (("normal_convention", 2), ("uncompressed", 1), ("grey_as_rgb", 0))
    rows = []
    for at in range(count):
        code, rank = codes[at % 3]
        options = {"mode": 2} if rank else {}
        row = Row(
            f"art/{'abc'[at % 3]}/rock_{at}.png", "", [finding(code, rank)], {"mode": 0}, options, width=256,
            height=256, size=2048, format="png", kind="normal" if at % 3 == 0 else "albedo", sure=True,
            probability=0.98, memory=4096 + at, memory_after=1024, picture=webp(32, at % 256),
            evidence=[
                Evidence("pixels", "unit vectors", "normal", {"normal": 3.0, "albedo": -2.0}),
                Evidence("words", "rock", "albedo", {"normal": -1.0}),
            ],
        )  # fmt: skip
        if rank:
            row.fixes = {code: Fix(options, 3072 + at)}
            row.diff = "@@ -1,3 +1,3 @@\n a=1\n-mode=0\n+mode=2"
        if rank == 2:
            row.lit = LitPair("lit", webp(64, 10), webp(64, 200))
        rows.append(row)
    folders = {f"art/{name}": Folder(4096 * count, count) for name in "abc"}
    return Report(
        name="game", root="", engine="godot 4.6", rows=rows, textures=count + 1, memory=4096 * 3 * count,
        folders=folders, groups=[Group("pixels", [row.file for row in rows[:2]], 2048, 4096)],
        accepted=1, ignored=[("icon.png", finding("no_mipmaps"))], finished=1_800_000_000.0, seconds=2.0,
    )  # fmt: skip


def click(page: Page, selector: str) -> None:
    page.run(f"document.querySelector({json.dumps(selector)}).click()")


def test_cards_filter_and_can_be_released(opened: Any) -> None:
    page = opened(project())
    assert len(page.run(SHOWN)) == 9
    click(page, ".pc")
    assert page.run(SHOWN) == ["rock_6.png", "rock_3.png", "rock_0.png"]
    assert page.run("document.querySelector('.pc').getAttribute('aria-pressed')") == "true"
    click(page, ".pc")
    assert len(page.run(SHOWN)) == 9


def test_textures_are_found_by_words_kind_severity_and_folder(opened: Any) -> None:
    page = opened(project())
    page.press("/", *"green rock_3")
    assert page.run(SHOWN) == ["rock_3.png"]
    page.press("Escape")
    assert len(page.run(SHOWN)) == 9
    page.run("kind.value = 'albedo map'; kind.dispatchEvent(new Event('change'))")
    click(page, "#severities [data-value=note]")
    assert page.run(SHOWN) == ["rock_2.png", "rock_5.png", "rock_8.png"]
    click(page, "#tm button")
    folder = page.run("document.querySelector('#folder button').textContent")
    assert len(page.run(SHOWN)) == 3 and folder.startswith("art/")
    page.press("/", *"nothing")
    assert page.run(SHOWN) == []
    click(page, ".empty button")
    assert len(page.run(SHOWN)) == 9


def test_pictures_of_a_fix_are_labelled_and_small_savings_have_no_bar(opened: Any) -> None:
    report = project()
    page = opened(report)
    labels = "[...document.querySelectorAll('.pc')].map(each => each.querySelectorAll('.state').length)"
    assert page.run(labels) == [2, 0, 0]
    assert page.run("[...document.querySelectorAll('.state')].every(each => each.textContent)")
    bars = "document.querySelectorAll('.meter').length + document.querySelectorAll('.memory .chip').length"
    assert page.run(bars) == 2
    report.memory *= 1000
    assert opened(report).run(bars) == 0


def test_textures_without_a_picture_do_not_take_those_of_others(opened: Any) -> None:
    report = project()
    report.rows = [Row("a.png", "", [Issue("lfs_pointer", 2, "lfs_pointer")], size=130), report.rows[0]]
    page = opened(report)
    pictured = (
        "[...document.querySelectorAll('[data-at]')].filter(e => e.querySelector('.pic img')).map(e => "
    )
    assert page.run(pictured + "e.querySelector('.nm').textContent)") == ["rock_0.png"]


def test_the_score_leaves_out_textures_that_could_not_be_examined(opened: Any) -> None:
    report = project()
    score = "document.querySelector('.ring')?.getAttribute('aria-label') ?? ''"
    assert opened(report).run(score) == "40%"
    pointers = [Row(f"{at}.png", "", [Issue("lfs_pointer", 2, "lfs_pointer")], size=130) for at in range(90)]
    report.rows += pointers
    report.textures += 90
    report.unseen = [(each.file, each.issues[0]) for each in pointers]
    assert opened(report).run(score) == "40%"
    report.rows, report.textures = pointers, 90
    assert opened(report).run(score) == ""


def test_the_table_is_sorted_by_its_heads(opened: Any) -> None:
    page = opened(project(12))
    page.press("g")
    for head, first in (
        (".c-file", "rock_0.png"),
        (".c-memory", "rock_10.png"),
        (".c-severity", "rock_9.png"),
    ):
        click(page, f"th{head} button")
        assert page.run(SHOWN)[0] == first
        assert page.run(f"document.querySelector('th{head}').getAttribute('aria-sort')")
    assert page.run("document.querySelectorAll('th[aria-sort]').length") == 1


def test_all_can_be_reached_by_keys(opened: Any) -> None:
    page = opened(project())
    page.press("j")
    assert page.run("document.activeElement.dataset.at") == "0" and page.run(OPEN) == ""
    page.press("Enter")
    assert page.run(OPEN) == "rock_6.png" and page.run("document.activeElement.id") == "drawer"
    page.press("j", "j", "k")
    assert page.run(OPEN) == "rock_3.png"
    page.press("Escape")
    assert page.run(OPEN) == "" and page.run("document.activeElement.dataset.at") == "1"
    page.press("g", "j", "Enter")
    assert page.run("document.querySelector('table.files') !== null") and page.run(OPEN) == "rock_0.png"
    page.press(*["j"] * 20)
    assert page.run(OPEN) == "rock_8.png"


def test_a_texture_shows_how_it_looks_and_what_changes(opened: Any) -> None:
    page = opened(project())
    click(page, "[data-at='0']")
    page.wait("[...document.querySelectorAll('.cmp img')].every(each => each.naturalWidth === 64)")
    assert page.run("document.querySelectorAll('.cmp img').length") == 2
    assert page.run("[...document.querySelectorAll('.diff .a, .diff .d')].map(each => each.textContent)") == [
        "-mode=0",
        "+mode=2",
    ]
    assert page.run("document.querySelectorAll('.ev .w').length") == 2
    assert page.run("document.querySelectorAll('.ev .w.no').length") == 1
    page.run("navigator.clipboard.writeText = async text => { window.copied = text; }")
    click(page, ".drawer .btn.s:not(.icon)")
    page.wait("window.copied === 'mode=2'")
    before = page.run("document.querySelector('canvas').toDataURL()")
    click(page, ".drawer [data-value=R]")
    assert page.run("document.querySelector('canvas').toDataURL()") != before
    page.run("const mip = document.querySelector('.controls input'); mip.value = 8; mip.oninput?.()")
    page.run("mip.dispatchEvent(new Event('input'))")
    assert page.run("document.querySelector('.controls b').textContent") == "8 · 1 × 1"


def test_a_name_stays_text_wherever_it_is_shown(opened: Any) -> None:
    report = told()
    report.name = EVIL
    report.folders, report.memory = {EVIL: Folder(9, 1)}, 9
    report.ignored, report.accepted = [(EVIL, report.rows[0].issues[0])], 1
    page = opened(report)
    page.run("window.alert = () => { window.steered = true; }")
    click(page, "[data-at='0']")
    page.press("g")
    assert page.run("document.querySelectorAll('script').length") == 3
    assert "<script>alert(1)</script>" in page.run("document.querySelector('h1').textContent")
    assert "<script>alert(1)</script>" in page.run("drawer.getAttribute('aria-label')")
    assert not page.run("window.steered")


def test_a_page_on_which_nothing_is_listed_has_the_memory_alone(opened: Any) -> None:
    report = project()
    report.shown = []
    page = opened(report)
    assert page.run("document.querySelectorAll('#tm > *').length") == 3
    assert page.run("document.querySelectorAll('#tm button, #list, .pc').length") == 0
    assert "--severity" in page.run("document.querySelector('.empty').textContent")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_nothing_lies_beside_the_window(opened: Any, width: int, locale: str) -> None:
    report = project()
    for row in report.rows:
        row.file = "a_folder_with_quite_a_long_name/" * 3 + row.file
    page = opened(report, locale, width=width)
    assert page.run(NO_OVERFLOW)
    page.press("g")
    assert page.run(NO_OVERFLOW)
    click(page, "[data-at='0']")
    assert page.run(NO_OVERFLOW)
    assert page.run(
        "document.querySelector('.dbody').scrollWidth <= document.querySelector('.dbody').clientWidth"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.skipif(not AXE.exists(), reason="axe-core isn't there: python tools/axe.py")
def test_axe_finds_nothing(opened: Any, theme: str, width: int) -> None:
    for locale in ("en", "zh-CN"):
        page = opened(project(), locale, width=width, theme=theme)
        page.run(f"{AXE.read_text(encoding='utf-8')}; 0")
        for action in ("0", "document.querySelector('#modes [data-value=table]').click()",
                       "document.querySelector('[data-at=\"0\"]').click()"):  # fmt: skip
            page.run(action)
            found = page.run(f"axe.run({{runOnly: {RULES}}}).then(found => found.violations)")
            assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


@pytest.mark.alone
def test_five_thousand_textures_open_at_once(opened: Any) -> None:
    page = opened(project(5000))
    timing = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    assert page.run(timing) < READY_S * 1000
    assert page.run("document.querySelectorAll('*').length") < 3000
    page.run("window.start = performance.now(); q.value = 'rock_4321'; q.dispatchEvent(new Event('input'))")
    drawn = "new Promise(done => requestAnimationFrame(() => done(performance.now() - start)))"
    assert page.run(drawn) < READY_S * 1000
    assert page.run(SHOWN) == ["rock_4321.png"]
    page.press("/", "Escape", "Escape")
    page.run("document.activeElement.blur()")
    page.run("scrollTo(0, document.documentElement.scrollHeight / 2)")
    page.wait(f"!({SHOWN}).includes('rock_0.png') && ({SHOWN}).length > 4")


def test_print_has_all_textures_in_light_colours(opened: Any) -> None:
    page = opened(project(300), theme="dark")
    page.run("dispatchEvent(new Event('beforeprint'))")
    page.send(
        "Emulation.setEmulatedMedia",
        media="print",
        features=[{"name": "prefers-color-scheme", "value": "dark"}],
    )
    # Paper has another width, which browsers may tell late.
    page.run("dispatchEvent(new Event('resize'))")
    assert len(page.run(SHOWN)) == 300
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.send("Emulation.setEmulatedMedia", media="")
    page.run("dispatchEvent(new Event('afterprint'))")
    assert len(page.run(SHOWN)) < 300
