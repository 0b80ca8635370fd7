"""Problems: findings grouped by code and severity."""

from __future__ import annotations

from bridge.advisors.findings import Finding
from bridge.audit.results import NOT_APPLIED, UNSEEN, Fix, Issue, Report, Row, problems_of
from bridge.core.textures import TextureIntent


def issue(code: str, rank: int = 1) -> Issue:
    return Issue.of(Finding(code, rank, code, {}, TextureIntent(mipmaps=True)))


def row(file: str, *issues: Issue, **saved: int) -> Row:
    fixes = {code: Fix({}, count) for code, count in saved.items()}
    return Row(file, file, list(issues), fixes=fixes, size=1)


def test_the_most_severe_come_first_then_those_that_free_most() -> None:
    rows = [
        row("a", issue("free"), issue("much"), free=1, much=9),
        row("b", issue("bad", 2), issue("much"), much=5),
        row("c", issue("note", 0), issue("note", 0), note=2),
    ]
    found = problems_of(rows)
    assert [(one.code, one.severity, one.saved) for one in found] == [
        ("bad", "error", 0),
        ("much", "warning", 14),
        ("free", "warning", 1),
        ("note", "note", 2),
    ]
    assert [each.file for each, _ in found[1].found] == ["a", "b"] and len(found[3].found) == 2


def test_one_code_with_two_severities_is_two_problems() -> None:
    found = problems_of([row("a", issue("x", 2)), row("b", issue("x", 0))])
    assert [(one.code, one.rank) for one in found] == [("x", 2), ("x", 0)]


def test_a_fix_that_failed_frees_nothing() -> None:
    refused = row("a", Issue(NOT_APPLIED, 2, NOT_APPLIED), issue("x"), x=9)
    assert [one.saved for one in problems_of([refused])] == [0, 0]


def test_the_score_counts_textures_without_errors_and_warnings() -> None:
    rows = [row("a", issue("x", 2)), row("b", issue("x", 1)), row("c", issue("x", 0))]
    # It isn't among the textures that were examined.
    rows.append(Row("d", "d", [issue("x", 2)]))
    report = Report(name="", root="", engine="", rows=rows, textures=10)
    assert (report.well_imported, report.judged) == (8, 10)


def test_files_that_could_not_be_examined_are_not_in_the_score() -> None:
    pointers = [Row(name, name, [issue("lfs_pointer", 2)], size=130) for name in "defg"]
    rows = [row("a", issue("x", 2)), *pointers, Row("folder", "folder", [issue("unlisted", 2)])]
    unseen = [(each.file, one) for each in rows for one in each.issues if one.code in UNSEEN]
    # The baseline ignores that one.
    report = Report(name="", root="", engine="", rows=rows[:-2] + rows[-1:], textures=10, unseen=unseen)
    assert (report.well_imported, report.judged) == (5, 6)
