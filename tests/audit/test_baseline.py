"""A baseline accepts what is known, on every machine, until the file's content changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.audit import baseline
from bridge.audit.project import Project
from bridge.audit.results import Issue, Report, Row
from bridge.core.errors import UserError

NOBODY = Project(Path("nowhere"))


def report(*rows: Row) -> Report:
    return Report(name="game", root="game", engine="", rows=list(rows))


def row(file: str, *codes: str, content: str = "ab" * 32) -> Row:
    return Row(file, file, [Issue(code, 2, code) for code in codes], content=content)


def known(tmp_path: Path, *rows: Row) -> set[baseline.Entry]:
    path = tmp_path / "baseline.json"
    path.write_text(baseline.baseline_text(rows), encoding="utf-8")
    return baseline.read(path)


def test_what_it_lists_is_taken_out_and_counted(tmp_path: Path) -> None:
    accepted = known(tmp_path, row("a.png", "x"), row("b.png", "x", "y"))
    found = report(row("a.png", "x"), row("b.png", "x", "y", "z"), row("c.png", "x"))
    baseline.accept(found, accepted, NOBODY)
    assert [(r.file, [i.code for i in r.issues]) for r in found.rows] == [("b.png", ["z"]), ("c.png", ["x"])]
    assert (found.accepted, found.stale) == (3, 0)


def test_upper_and_lower_case_are_alike_as_checkouts_differ_in_them(tmp_path: Path) -> None:
    found = report(row("Assets/UI/Ä.png", "x"), row("Assets/UI/b.png", "x"))
    baseline.accept(found, known(tmp_path, row("assets/ui/ä.png", "x")), NOBODY)
    assert [r.file for r in found.rows] == ["Assets/UI/b.png"]
    assert (found.accepted, found.stale) == (1, 0)


def test_a_file_with_another_content_is_told_again(tmp_path: Path) -> None:
    found = report(row("a.png", "x", content="cd" * 32))
    baseline.accept(found, known(tmp_path, row("a.png", "x")), NOBODY)
    assert len(found.rows) == 1 and (found.accepted, found.stale) == (0, 1)


def test_it_has_a_line_for_each_finding_in_a_fixed_order() -> None:
    one, other = row("b.png", "y", "x"), row("a.png", "x")
    text = baseline.baseline_text([one, other])
    assert text == baseline.baseline_text([other, one])
    assert [line.split('"')[3] for line in text.splitlines()[3:-2]] == ["a.png", "b.png", "b.png"]


def test_names_in_any_script_and_of_no_unicode_are_kept(tmp_path: Path) -> None:
    rows = [row(name, "x") for name in ('岩"石\n.png', "b\udcff.png", "a" * 300)]
    assert {entry.file for entry in known(tmp_path, *rows)} == {r.file for r in rows}


def test_an_empty_one_accepts_nothing(tmp_path: Path) -> None:
    assert known(tmp_path) == set()


def test_one_that_an_editor_saved_with_a_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(baseline.baseline_text([row("a.png", "x")]), encoding="utf-8-sig")
    assert [entry.file for entry in baseline.read(path)] == ["a.png"]


def test_one_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"popbridge_baseline": 2, "accepted": []}', encoding="utf-8")
    with pytest.raises(UserError, match="of another PopBridge"):
        baseline.read(tmp_path / "b.json")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"popbridge_baseline": 1}',
        '{"accepted": [{"file": 1}]}',
        "[" * 100_000,
        '<<<<<<< HEAD\n{"popbridge_baseline": 1, "accepted": []}',
    ],
)
def test_what_is_no_baseline_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "b.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="is not a valid baseline"):
        baseline.read(tmp_path / "b.json")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{\n "popbridge_baseline": 1,\n "accepted": [{},]\n}', "line 3: "),
        ('{"popbridge_baseline": 1}'.encode("utf-16"), "isn't UTF-8"),
    ],
)
def test_a_slip_of_the_hand_says_where_and_that_it_can_be_corrected(
    tmp_path: Path, data: bytes, says: str
) -> None:
    (tmp_path / "b.json").write_bytes(data)
    with pytest.raises(UserError, match="Fix it, or delete it and rerun with `--update-baseline`") as raised:
        baseline.read(tmp_path / "b.json")
    assert says in str(raised.value) and "codec" not in str(raised.value)


@pytest.mark.parametrize(
    "text", ["", " \n", baseline.baseline_text([]), "<<<<<<< HEAD\n" + baseline.baseline_text([])]
)
def test_one_that_is_broken_may_be_made_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "b.json").write_text(text, encoding="utf-8")
    baseline.check_replaceable(tmp_path / "b.json")
    baseline.check_replaceable(tmp_path / "gone.json")


@pytest.mark.parametrize("code", ["utf-16", "utf-8-sig"])
@pytest.mark.parametrize("text", ["", "\r\n", baseline.baseline_text([])])
def test_one_that_windows_shells_have_written_may_be_made_anew(tmp_path: Path, code: str, text: str) -> None:
    (tmp_path / "b.json").write_bytes(text.encode(code))
    baseline.check_replaceable(tmp_path / "b.json")
    (tmp_path / "b.json").write_bytes("notes".encode(code))
    with pytest.raises(UserError, match="exists and is not a baseline"):
        baseline.check_replaceable(tmp_path / "b.json")


@pytest.mark.parametrize("text", ["[]", "{", '{"accepted": [{"file": 1}]}', baseline.baseline_text([])[:-3]])
def test_what_to_do_about_a_broken_one_can_be_done(tmp_path: Path, text: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="delete it and rerun with `--update-baseline` on the whole project"):
        baseline.read(path)
    path.unlink()
    baseline.check_replaceable(path)


def test_one_that_isnt_there_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Create it with `--update-baseline`"):
        baseline.read(tmp_path / "gone.json")
