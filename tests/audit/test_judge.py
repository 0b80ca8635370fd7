"""Textures are judged when all are known, each by the others too; the shipped experience is the real one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy
import pytest
from packaging.version import Version

from accel.text import plural
from accel.texture import context
from accel.texture.kinds import KINDS, Classification, Evidence, Kind
from accel.texture.workloads import Examination
from bridge.api import Adapter, ImageFacts, Remark, TextureAsset, TextureUse, TextureUses
from bridge.audit import judge
from bridge.audit.examine import Answer, Question, Trouble, examination_questions
from bridge.audit.judge import FAILURES, OURS, OWN_REMEDY, REMEDY, Judge
from bridge.audit.project import Project, find
from bridge.audit.report_html import pages
from bridge.audit.results import UNSEEN, Issue, Report, Row, problems_of
from bridge.audit.texts import (
    HELP,
    OTHER_TITLE,
    SHORT_TITLES,
    TITLES,
    explain,
    explain_issue,
    problem_title,
    sentence,
    short_title,
)
from bridge.core.errors import UserError
from bridge.host import host
from bridge.locale import translate
from tests.advisors.desk import WRONG as SETTINGS
from tests.advisors.desk import FakeEngine
from tests.advisors.examinations import imagined
from tests.audit.doubles import examination

OTHERS = 40
RIGHT = {**SETTINGS, "block": True}
WALL = {**RIGHT, "mipmaps": True}


def answer(file: str, kind: Kind, share: float = 0.9, second: Kind | None = None) -> Answer:
    probabilities = dict.fromkeys(KINDS, 0.001)
    probabilities[second or kind] += 1 - share - 0.011
    probabilities[kind] += share
    found = msgspec.structs.replace(
        examination("ui", file.encode()), classification=Classification(kind, probabilities, False, [])
    )
    return Answer(Question(file, {}), found, 1, False)


@pytest.fixture
def judging(registry: host.Registry, tmp_path: Path) -> Judge:
    (tmp_path / "icons").mkdir()
    return Judge(find(registry, tmp_path / "icons"), Report(name="icons", root="icons", engine=""), 4096)


def take(judging: Judge, *answers: Answer) -> None:
    for one in answers:
        judging.add(TextureAsset(one.question.file, one.question.file), one)


async def test_a_doubtful_picture_among_widgets_counts_as_one(judging: Judge) -> None:
    take(judging, answer("a.png", "sprite", 0.5, "ui"))
    take(judging, *(answer(f"{place}.png", "ui") for place in range(OTHERS)))
    await judging.finish()
    assert judging._report.kinds == {"ui": OTHERS + 1}
    assert judging._report.textures == len(judging.states) == OTHERS + 1


async def test_alone_it_is_what_its_pixels_say(judging: Judge) -> None:
    take(judging, answer("a.png", "sprite", 0.5, "ui"))
    await judging.finish()
    assert judging._report.kinds == {"sprite": 1}


async def test_what_could_not_be_examined_is_no_neighbour(judging: Judge) -> None:
    broken = [
        Answer(Question(f"{place}.png", {}), Trouble("bad_input", "is corrupt"), 5, False)
        for place in range(OTHERS)
    ]
    take(judging, answer("a.png", "sprite", 0.5, "ui"), *broken)
    await judging.finish()
    assert judging._report.kinds == {"sprite": 1}
    assert [row.size for row in judging._report.rows] == [5] * OTHERS


async def test_what_a_busy_machine_did_not_get_done_is_no_mistake_of_the_file(judging: Judge) -> None:
    late = Trouble("deadline_exceeded", "wasn't done within 60000 ms")
    take(judging, Answer(Question("a.png", {}), late, 5, False))
    (issue,) = judging._report.rows[0].issues
    assert (issue.code, issue.severity) == ("unsupported", "note")


NOTICED = Remark("acme.odd", "warning", "is odd")
LONELY = Remark("acme.lonely", "error", "is alone")


class Noticing(FakeEngine):
    """An engine that has something to say of each texture that materials use as normals."""

    def remarks(
        self, options: Mapping[str, Any], facts: ImageFacts, used_as: Collection[Kind], version: Version
    ) -> Iterable[Remark]:
        if options.get("broken"):
            raise options["broken"]
        return [NOTICED] if "normal" in used_as else []


async def judged(
    tmp_path: Path, options: dict[str, Any] | None, *remarks: Remark, examined: Examination | None = None
) -> list[Issue]:
    """What is said of a texture that a material uses as normals, or of what was `examined`."""
    project = Project(tmp_path, Noticing(), Version("1"))
    judging = Judge(project, Report(name="game", root="game", engine="fake 1"), 4096)
    if examined is None:
        judging.uses = {"a.png": TextureUses((TextureUse(kinds=("normal",)),))}
    one = answer("a.png", "ui")
    used = Evidence("slot", "used as normal", "normal")
    told = msgspec.structs.replace(one.outcome.classification, evidence=[used])  # type: ignore[union-attr]
    found = examined or msgspec.structs.replace(one.outcome, classification=told)
    asset = TextureAsset("a.png", "a.png", options, remarks=remarks)
    judging.add(asset, msgspec.structs.replace(one, outcome=found))
    await judging.finish()
    return [issue for row in judging._report.rows for issue in row.issues]


async def test_what_an_engine_remarks_is_told_in_its_words_the_worst_first(tmp_path: Path) -> None:
    said = await judged(tmp_path, RIGHT, LONELY)
    assert [(issue.code, issue.severity) for issue in said] == [
        ("acme.lonely", "error"), ("acme.odd", "warning"),
    ]  # fmt: skip
    assert [sentence(issue, "en") for issue in said] == ["is alone", "is odd"]
    assert not any(issue.fixable for issue in said)


async def test_without_settings_only_what_the_project_remarks_is_told(tmp_path: Path) -> None:
    assert [issue.code for issue in await judged(tmp_path, None, LONELY)] == ["acme.lonely"]


@pytest.mark.parametrize(
    ("error", "told"), [(KeyError("a"), "KeyError: 'a'"), (SystemExit(3), "SystemExit: 3")]
)
async def test_an_adapter_that_fails_at_it_costs_one_line(
    tmp_path: Path, error: BaseException, told: str
) -> None:
    (said,) = await judged(tmp_path, {**RIGHT, "broken": error})
    assert (said.code, said.severity) == ("unremarked", "note") and said.code not in UNSEEN
    assert sentence(said, "en").startswith(f"Extra checks of fake1 failed: {told} (audit/test_judge.py:")
    assert told in sentence(said, "zh-CN")
    assert explain_issue(said, "en") == str(HELP["unremarked"])


@pytest.mark.parametrize("remark", [5, msgspec.structs.replace(LONELY, text=None)])
async def test_what_is_no_remark_costs_one_line(remark: Any, tmp_path: Path) -> None:
    said = await judged(tmp_path, None, remark)
    assert [issue.code for issue in said] == ["unremarked"]
    assert sentence(said[0], "en").startswith("Extra checks of fake1 failed: remarks ")


class Picky(FakeEngine):
    """An engine that fails at the textures whose options say so."""

    def compile_texture(self, intent: Any, present: Mapping[str, Any], version: Version) -> dict[str, Any]:
        if present.get("broken"):
            # One that is raised again keeps the traceback of each time before, which takes minutes to read.
            raise present["broken"].with_traceback(None)
        return super().compile_texture(intent, present, version)

    def remarks(self, options: Mapping[str, Any], *_: object) -> Iterable[Remark]:
        if options.get("mute"):
            raise options["mute"]
        return []


async def told_of(
    tmp_path: Path,
    *options: dict[str, Any] | None,
    remarks: Any = (),
    adapter: FakeEngine | None = None,
    max_size: Any = 4096,
) -> Report:
    """The report on textures `0.png`, `1.png` ... with these options and remarks, each a wall's colours."""
    project = Project(tmp_path, adapter or Picky(), Version("1"))
    judging = Judge(project, Report(name="game", root="game", engine="fake 1"), max_size)
    for at, one in enumerate(options):
        file = f"{at}.png"
        wall = imagined(f"{at}_albedo.png", "albedo", width=1024, height=1024, entropy=7.0)
        judging.add(
            TextureAsset(file, file, one, remarks=remarks), Answer(Question(file, {}), wall, 1, False)
        )
    await judging.finish()
    judge.report_faults(judging._report)
    return judging._report


@pytest.mark.parametrize(
    ("uses", "read_only", "codes", "fixable"),
    [
        (TextureUses(), "", True, True),
        # Its addon would write other settings again, or break.
        (TextureUses(owner="addons/terrain"), "", False, False),
        (TextureUses(), "it is old", True, False),
    ],
)
async def test_what_an_addon_writes_has_no_findings_and_what_cant_be_changed_no_fix(
    tmp_path: Path, uses: TextureUses, read_only: str, codes: bool, fixable: bool
) -> None:
    judging = Judge(Project(tmp_path, Picky(), Version("1")), Report(name="a", root="a", engine="a"), 4096)
    judging.uses = {"wall_albedo.png": uses}
    wall = imagined("wall_albedo.png", "albedo", width=1024, height=1024, entropy=7.0)
    asset = TextureAsset("wall_albedo.png", "wall_albedo.png", SETTINGS, read_only=read_only)
    judging.add(asset, Answer(Question("wall_albedo.png", {}), wall, 1, False))
    await judging.finish()
    assert bool(judging._report.rows) is codes
    assert any(issue.fixable for row in judging._report.rows for issue in row.issues) is fixable
    assert any(row.options for row in judging._report.rows) is fixable


def codes_of(report: Report) -> dict[str, set[str]]:
    return {row.file: {issue.code for issue in row.issues} for row in report.rows}


@pytest.mark.parametrize("error", [KeyError("a"), SystemExit(3)])
async def test_an_adapter_that_fails_at_one_texture_is_at_fault_and_no_file(
    tmp_path: Path, error: BaseException
) -> None:
    report = await told_of(tmp_path, SETTINGS, {**SETTINGS, "broken": error}, SETTINGS)
    told = codes_of(report)
    assert told["1.png"] == {"unjudged"} and told["0.png"] == told["2.png"] != set()
    (issue,) = next(row.issues for row in report.rows if row.file == "1.png")
    assert issue.severity == "note" and issue.code in UNSEEN and report.unjudged == 1
    assert sentence(issue, "en").startswith(f"Not checked, because fake1 failed: {type(error).__name__}: ")
    assert sentence(issue, "zh-CN").startswith("未检查，fake1 出错：")
    (notice,) = report.notices
    assert notice.id == FAILURES["unjudged"].id and notice.values["reason"].startswith(type(error).__name__)
    assert [notice.values[name] for name in ("plugin", "n", "file")] == ["fake1", 1, "1.png"]
    assert notice.values["remedy"] == REMEDY


async def test_an_adapter_that_fails_at_most_textures_is_told_once(tmp_path: Path) -> None:
    broken = {**SETTINGS, "broken": KeyError("a")}
    report = await told_of(tmp_path, broken, None, SETTINGS, *[broken] * 600)
    assert not {"unjudged"} & set.union(*codes_of(report).values(), set()) and report.unjudged == 601
    assert len(report.notices) == 1 and report.notices[0].values["n"] == 601
    page = "".join(pages(report, "en"))
    assert "601 textures" in page and "No findings" not in page


async def test_an_adapter_that_fails_at_all_its_remarks_is_told_once(tmp_path: Path) -> None:
    mute = {**SETTINGS, "mute": KeyError("a")}
    right, report = await told_of(tmp_path, SETTINGS), await told_of(tmp_path, mute, mute)
    assert codes_of(report) == {"0.png": codes_of(right)["0.png"], "1.png": codes_of(right)["0.png"]}
    (notice,) = report.notices
    assert (notice.id, notice.values["n"]) == (FAILURES["unremarked"].id, 2)


async def test_remarks_that_fail_at_textures_without_settings_are_told_of_each_unless_they_are_most(
    tmp_path: Path,
) -> None:
    # What is no remark fails at each, and the adapter is asked of those with settings alone.
    (one, *others) = [await told_of(tmp_path, {**WALL}, *[None] * 3, remarks=given) for given in ([5], [])]
    assert codes_of(one) == {} and one.notices[0].values["n"] == 4
    assert codes_of(others[0]) == {}
    # Those without settings are none that the adapter could judge.
    broken = {**SETTINGS, "broken": KeyError("a")}
    assert codes_of(await told_of(tmp_path, broken, broken, WALL, *[None] * 3)) == {}
    mute = {**WALL, "mute": KeyError("a")}
    report = await told_of(tmp_path, mute, mute, *[None] * 3)
    assert [codes_of(report).get(f"{at}.png") for at in range(3)] == [{"unremarked"}, {"unremarked"}, None]


async def test_nothing_is_praised_where_remarks_failed(tmp_path: Path) -> None:
    mute = {**WALL, "mute": KeyError("a")}
    report = await told_of(tmp_path, mute, mute, WALL)
    assert report.rows == [] and "No findings" not in "".join(pages(report, "en"))
    assert "No findings" in "".join(pages(await told_of(tmp_path, WALL, WALL), "en"))


class Careless(FakeEngine):
    """An engine whose author forgot a `return`."""

    def __init__(self, forgets: str) -> None:
        setattr(self, forgets, lambda *_: None)


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        ("read_texture", "a TextureIntent"),
        ("compile_texture", "a dict of options"),
        ("remarks", "Remarks, one after the other"),
    ],
)
async def test_an_adapter_that_gives_nothing_is_at_fault_and_not_popbridge(
    tmp_path: Path, method: str, wanted: str
) -> None:
    report = await told_of(tmp_path, SETTINGS, SETTINGS, adapter=Careless(method))
    assert (report.notices[0].values["plugin"], report.notices[0].values["n"]) == ("fake1", 2)
    reason = str(report.notices[0].values["reason"])
    assert method in reason and "None" in reason and wanted in reason


class Misspelling(FakeEngine):
    def gpu_format(self, *_: object) -> Any:
        return "BC7"

    gpu_memory = Adapter.gpu_memory


async def test_a_format_that_nobody_knows_is_told_as_the_adapters(tmp_path: Path) -> None:
    report = await told_of(tmp_path, SETTINGS, SETTINGS, adapter=Misspelling())
    said = str(report.notices[0])
    assert all(name in said for name in ("fake1", "gpu_format", "'BC7'", "GpuFormat"))


async def test_popbridges_own_mistake_is_no_plugins(tmp_path: Path) -> None:
    # What raises, and all that called it, is a line of PopBridge.
    report = await told_of(tmp_path, SETTINGS, max_size=None)
    values = report.notices[0].values
    assert (values["plugin"], values["remedy"]) == (OURS, OWN_REMEDY)
    given = await told_of(tmp_path, WALL, remarks=[5])
    assert given.notices[0].values["plugin"] == "fake1"


class Exiting(FakeEngine):
    def read_texture(self, options: Any, version: Any) -> Any:
        raise SystemExit(3)


def test_an_adapter_that_exits_over_one_textures_settings_ends_no_audit(tmp_path: Path) -> None:
    asset = TextureAsset("a.png", "a.png", {})
    (asked,) = examination_questions(Project(tmp_path, Exiting(), Version("1")), [asset], {}, True)
    assert asked.params["imported_as"] is None


class Weighing(Noticing):
    def gpu_memory(self, options: Any, facts: Any, platform: Any, version: Any) -> Any:
        return options["bytes"]


@pytest.mark.parametrize(("given", "taken"), [(numpy.int64(5), 5), (None, 0), ("5", 0)])
async def test_memory_is_a_whole_number_or_told(tmp_path: Path, given: Any, taken: int) -> None:
    judging = Judge(
        Project(tmp_path, Weighing(), Version("1")), Report(name="game", root="game", engine=""), 4096
    )
    judging.add(TextureAsset("a.png", "a.png", {**RIGHT, "bytes": given}), answer("a.png", "ui"))
    await judging.finish()
    assert (judging._report.memory, type(judging._report.memory)) == (taken, int)
    said = [sentence(issue, "en") for row in judging._report.rows for issue in row.issues]
    assert any("gpu_memory" in one and "'5'" in one for one in said) == (given == "5")


@pytest.mark.parametrize(
    ("said", "locale", "told"),
    [({}, "en", "is alone"), ({"about": "Alone."}, "en", "Alone."), ({"about": "Alone."}, "zh-CN", "Alone."),
     ({"about": HELP["unjudged"]}, "zh-CN", explain("unjudged", "zh-CN"))],
)  # fmt: skip
def test_what_a_remark_is_about_is_explained_at_least_by_itself(
    said: dict[str, Any], locale: str, told: str
) -> None:
    assert explain_issue(Issue.remarked(msgspec.structs.replace(LONELY, **said)), locale) == told


@pytest.mark.parametrize(
    ("titles", "locale", "long", "short"),
    [
        ({}, "en", str(OTHER_TITLE.fill(n=2, code="acme.lonely")), "acme.lonely"),
        ({"title": plural("{n} seam", "{n} seams", 1), "short_title": "Seam"}, "en", "2 seams", "Seam"),
        ({"title": "Seams", "short_title": "A\tseam"}, "zh-CN", "Seams", "A\\tseam"),
        ({"title": TITLES["unjudged"], "short_title": SHORT_TITLES["unjudged"]}, "zh-CN",
         translate(TITLES["unjudged"].fill(n=2), "zh-CN"), translate(SHORT_TITLES["unjudged"], "zh-CN")),
    ],
)  # fmt: skip
def test_remarks_of_a_code_have_the_title_that_the_plugin_gives(
    titles: dict[str, Any], locale: str, long: str, short: str
) -> None:
    issue = Issue.remarked(msgspec.structs.replace(LONELY, **titles))
    (problem,) = problems_of([Row(file, file, [issue]) for file in ("a.png", "b.png")])
    assert (problem_title(problem, locale), short_title(issue, locale)) == (long, short)


async def test_what_else_is_found_is_told_all_the_same(tmp_path: Path) -> None:
    wall = imagined("wall_albedo.png", "albedo", width=1024, height=1024, entropy=7.0)
    right = await judged(tmp_path, SETTINGS, examined=wall)
    assert [issue.code for issue in right if issue.fixable]
    said = await judged(tmp_path, {**SETTINGS, "broken": KeyError("a")}, examined=wall)
    assert {issue.code for issue in said} == {issue.code for issue in right} | {"unremarked"}


@pytest.mark.parametrize("severity", ["terrible", "", ["error"]])
async def test_a_severity_that_isnt_known_is_a_note(severity: Any, tmp_path: Path) -> None:
    said = await judged(tmp_path, RIGHT, msgspec.structs.replace(LONELY, severity=severity))
    assert NOTICED.code in {issue.code for issue in said} and {issue.severity for issue in said} == {
        "note",
        "warning",
    }


async def test_a_damaged_installation_is_told_before_the_work_where_it_matters(
    judging: Judge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(context, "load_context_model", lambda: context.read(tmp_path / "gone.npz"))
    with pytest.raises(UserError, match=r"Can't judge the textures: .*gone\.npz.*install popbridge again"):
        judging.prepare(context.FEWEST + 1)
    # So few say nothing of one another.
    judging.prepare(context.FEWEST)
    take(judging, *(answer(f"{place}.png", "ui") for place in range(context.FEWEST)))
    await judging.finish()
    assert judging._report.kinds == {"ui": context.FEWEST}
