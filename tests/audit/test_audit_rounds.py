"""One --fix finds all that a second one would have found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from bridge.advisors.findings import Finding
from bridge.audit import judge
from bridge.audit.audit import MAX_ROUNDS, fix_until_settled
from bridge.audit.project import Project, find
from bridge.audit.results import Issue, Report, Row
from bridge.core.textures import TextureIntent
from bridge.host.host import Registry
from tests.audit.conftest import put

MIPMAPS = Issue.of(Finding("no_mipmaps", 1, "no_mipmaps", {}, TextureIntent(mipmaps=True)))
BLOCKS = Issue.of(Finding("uncompressed", 1, "uncompressed", {}, TextureIntent(compression="block")))
GREY = Issue("grey_as_rgb", 0, "grey_as_rgb", {"channels": 3})


def row(file: str, *issues: Issue, memory: tuple[int, int] = (0, 0), **options: Any) -> Row:
    settings = dict.fromkeys(options, False)
    before, after = memory
    return Row(file, file, list(issues), settings, options, memory=before, memory_after=after)


def looking(*rounds: list[Row]) -> tuple[Callable[[Project], Any], list[dict[str, Any]]]:
    """What finds one of `rounds` after the other, the last for ever; and what it was told is planned."""
    planned: list[dict[str, Any]] = []

    async def look(project: Project) -> Report:
        rows = rounds[min(len(planned), len(rounds) - 1)]
        planned.append(dict(project.planned))
        return Report(
            name="game", root="", engine="acme 1.0", rows=rows, memory=len(planned), seconds=1.0,
            textures=9, asked=9, faults=judge.plugin_faults(rows), unseen=judge.plugin_faults(rows),
        )  # fmt: skip

    return look, planned


async def test_what_is_planned_for_one_tells_more_of_another() -> None:
    look, planned = looking(
        [row("a", MIPMAPS, GREY, m=True, memory=(40, 30))],
        [row("a", BLOCKS, GREY, b=True, memory=(30, 10)), row("b", MIPMAPS, m=True)],
        [row("a", GREY, memory=(10, 10))],
    )
    report = await fix_until_settled(Project(Path()), look)
    assert planned == [{}, {"a": {"m": True}}, {"a": {"m": True, "b": True}, "b": {"m": True}}]
    a, b = report.rows
    assert a.options == {"m": True, "b": True} and (a.memory, a.memory_after) == (40, 10)
    assert [issue.code for issue in a.issues] == ["no_mipmaps", "uncompressed", "grey_as_rgb"]
    assert a.present == {"m": False, "b": None} and b.options == {"m": True}
    assert (report.memory, report.seconds) == (1, 3.0)


def unjudged(file: str, reason: str = "KeyError: 'a'") -> Row:
    return row(file, Issue("unjudged", 0, "unjudged", {"reason": reason, "plugin": "acme"}))


async def test_what_is_failed_at_in_several_rounds_is_told_once() -> None:
    first = [row("a", MIPMAPS, m=True), unjudged("b"), unjudged("c")]
    look, _ = looking(first, [unjudged("b", "OSError")])
    report = await fix_until_settled(Project(Path()), look)
    judge.report_faults(report)
    (notice,) = report.notices
    assert notice.values["n"] == 2 and report.unjudged == 2
    assert [file for file, _ in report.unseen] == ["b", "c"]


async def test_nothing_is_written_that_its_adapter_fails_at() -> None:
    look, _ = looking(
        [row("a", MIPMAPS, GREY, m=True, memory=(40, 30)), row("b", MIPMAPS, m=True, memory=(40, 30))],
        [unjudged("a")],
    )
    report = await fix_until_settled(Project(Path()), look)
    judge.report_faults(report)
    a, b = report.rows
    assert report.unjudged == 1 and report.notices[0].values["file"] == "a"
    assert [file for file, _ in report.unseen] == ["a"]
    assert [issue.code for issue in a.issues] == ["not_applied", "no_mipmaps", "grey_as_rgb"]
    assert a.options == {} and a.refused and (a.memory, a.memory_after) == (40, 40)
    assert b.options == {"m": True} and report.saved == 10
    assert a.issues[0].values["reason"].values == {"plugin": "acme", "reason": "KeyError: 'a'"}


async def test_what_a_plan_settles_beside_is_not_told() -> None:
    look, _ = looking([row("a", MIPMAPS, m=True), row("b", GREY)], [])
    (only,) = (await fix_until_settled(Project(Path()), look)).rows
    assert only.file == "a" and only.options == {"m": True}


async def test_a_picture_of_the_first_round_is_kept() -> None:
    look, _ = looking([replace(row("a", MIPMAPS, GREY, m=True), picture=b"a")], [row("a", GREY)])
    (only,) = (await fix_until_settled(Project(Path()), look)).rows
    assert only.picture == b"a"


async def test_a_project_with_nothing_to_mend_is_looked_at_once() -> None:
    look, planned = looking([row("b", GREY)])
    assert (await fix_until_settled(Project(Path()), look)).rows and len(planned) == 1


async def test_findings_that_speak_against_each_other_come_to_an_end() -> None:
    look, planned = looking(*([row("a", MIPMAPS, m=at % 2 == 0)] for at in range(MAX_ROUNDS + 3)))
    assert (await fix_until_settled(Project(Path()), look)).rows[0].options == {"m": True}
    assert len(planned) == MAX_ROUNDS
    look, planned = looking(*([row("a", MIPMAPS, m=at % 2 == 1)] for at in range(MAX_ROUNDS + 3)))
    assert (await fix_until_settled(Project(Path()), look)).rows == []


async def test_what_a_later_round_sets_back_is_not_told_as_mended() -> None:
    first = replace(row("a", MIPMAPS, m=True), settings={"m": False, "b": False})
    second = replace(row("a", BLOCKS), settings={"m": True, "b": False}, options={"m": False, "b": True})
    look, _ = looking([first], [second], [])
    (only,) = (await fix_until_settled(Project(Path()), look)).rows
    assert only.options == {"b": True} and only.issues == [BLOCKS]


async def test_what_is_planned_counts_as_set(project: Callable[..., Path], registry: Registry) -> None:
    root = project()
    put(root, "rock.png")
    put(root, "a/wall.png")
    before = {asset.file: asset.options for asset in find(registry, root).textures()}
    planned = replace(find(registry, root), planned={"rock.png": {"mipmaps/generate": True}})
    after = {asset.file: asset.options for asset in planned.textures()}
    assert after == {**before, "rock.png": {**(before["rock.png"] or {}), "mipmaps/generate": True}}
