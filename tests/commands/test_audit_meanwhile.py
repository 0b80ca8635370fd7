"""`popbridge audit --fix` and `revert` while somebody else sets what they are about to write: what they set
stays, and what isn't mended is told."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.audit import fix
from bridge.project.safe_files import ProjectFolder
from tests.audit.projects import game
from tests.commands.shell import one_line
from tests.commands.test_audit import settings
from tests.unity import projects as unity

COLOR, NORMAL = "materials/brick_albedo.png", "materials/rock_normal.png"
FILES = (COLOR, NORMAL)
Between = Callable[[str, Callable[[], object]], None]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return game(tmp_path / "game", "4.6", FILES)


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Between:
    """Does something when a function of `bridge.audit.fix` is called, after all that is read was read."""

    def between(name: str, does: Callable[[], object]) -> None:
        own = getattr(fix, name)

        def called(*args: Any, **named: Any) -> Any:
            does()
            return own(*args, **named)

        monkeypatch.setattr(fix, name, called)

    return between


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8", newline="")


@pytest.mark.parametrize(
    ("old", "new", "option"),
    [
        # What the audit would set, and what it would leave but has judged by.
        ("compress/mode=0", "compress/mode=1", "compress/mode"),
        ("process/size_limit=0", "process/size_limit=64", "process/size_limit"),
        ("mipmaps/limit=-1\n", "", "mipmaps/limit"),
        ("mipmaps/limit=-1\n", "mipmaps/limit=-1\nnew=true\n", "new"),
    ],
)
def test_settings_that_were_changed_meanwhile_stay_and_are_told_the_others_are_mended(
    popbridge: Any, project: Path, tmp_path: Path, between: Between, old: str, new: str, option: str
) -> None:
    file, report = project / f"{COLOR}.import", tmp_path / "audit.json"
    before, other = (settings(project)[f"{name}.import"] for name in FILES)
    between("fix", lambda: edit(file, old, new))
    code, out, _ = popbridge("audit", str(project), "--fix", "--workers", "1", "--json", str(report))
    mine = file.read_text(encoding="utf-8")
    assert code == 1 and mine == before.replace(old, new)
    assert settings(project)[f"{NORMAL}.import"] != other and "`popbridge revert" in out
    rows = {row["file"]: row for row in json.loads(report.read_text(encoding="utf-8"))["files"]}
    assert rows[COLOR]["findings"][0]["code"] == "not_applied" and rows[COLOR]["mended"] == []
    assert option in rows[COLOR]["findings"][0]["message"]
    # The receipt is of what was written alone.
    assert popbridge("revert", "1")[0] == 0
    assert settings(project) == {f"{COLOR}.import": mine, f"{NORMAL}.import": other}


def test_it_is_told_in_chinese_and_a_further_run_mends_it(
    popbridge: Any, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, page = project / f"{COLOR}.import", tmp_path / "audit.html"
    own = fix.fix
    monkeypatch.setattr(fix, "fix", lambda *args: (edit(file, "size_limit=0", "size_limit=64"), own(*args)))
    arguments = ("audit", str(project), "--fix", "--workers", "1", "--locale", "zh-CN", "--html", str(page))
    assert popbridge(*arguments)[0] == 1
    assert "process/size_limit" in page.read_text(encoding="utf-8")
    monkeypatch.setattr(fix, "fix", own)
    assert popbridge(*arguments)[0] == 0
    assert "compress/mode=2" in file.read_text() and "size_limit=64" in file.read_text()


def test_what_somebody_has_mended_meanwhile_is_mended(
    popbridge: Any, project: Path, between: Between
) -> None:
    file = project / f"{COLOR}.import"
    between("fix", lambda: edit(file, "compress/mode=0", "compress/mode=2"))
    assert popbridge("audit", str(project), "--fix", "--workers", "1")[0] == 0
    assert popbridge("revert", "1")[0] == 0 and "compress/mode=2" in file.read_text()


def test_what_is_removed_or_merged_meanwhile_is_told_and_not_written(
    popbridge: Any, project: Path, between: Between
) -> None:
    gone, merged = (project / f"{file}.import" for file in FILES)

    def change() -> None:
        gone.unlink()
        edit(merged, "[params]", "<<<<<<< ours\n[params]")

    between("fix", change)
    code, out, _ = popbridge("audit", str(project), "--fix", "--workers", "1")
    assert code == 1 and not gone.exists() and "compress/mode=0" in merged.read_text()
    assert out.count("Not fixed: ") == 2 and "`popbridge revert" not in out


def test_what_wasnt_mended_is_accepted_by_no_baseline(
    popbridge: Any, project: Path, tmp_path: Path, between: Between
) -> None:
    file, baseline = project / f"{COLOR}.import", str(tmp_path / "baseline.json")
    arguments = ("audit", str(project), "--workers", "1", "--baseline", baseline)
    between("fix", lambda: edit(file, "compress/mode=0", "compress/mode=1"))
    code, out, _ = popbridge(*arguments, "--fix", "--update-baseline")
    assert code == 1 and "Not fixed: " in out
    code, out, _ = popbridge(*arguments)
    assert code == 1 and COLOR in out and "fit nothing any more" not in out


def test_what_was_found_is_told_where_nothing_can_be_mended(
    popbridge: Any, project: Path, tmp_path: Path, home: Path
) -> None:
    before, report = settings(project), tmp_path / "audit.json"
    home.mkdir()
    (home / "popbridge.db").write_bytes(b"no database" * 500)
    baseline = tmp_path / "baseline.json"
    arguments = ("audit", str(project), "--fix", "--workers", "1", "--json", str(report))
    code, out, err = popbridge(*arguments, "--baseline", str(baseline), "--update-baseline")
    assert code == 2 and one_line(err) and "popbridge.db" in err and settings(project) == before
    assert "--fix resolves" in out and "--fix frees " in out and not baseline.exists()
    assert json.loads(report.read_text(encoding="utf-8"))["warnings"] > 0


@pytest.fixture
def hold(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Keeps all others from writing into the database, for longer than anybody waits."""
    monkeypatch.setattr("bridge.store.database.BUSY_TIMEOUT_MS", 1)
    with contextlib.ExitStack() as held:

        def hold() -> None:
            other = sqlite3.connect(home / "popbridge.db", isolation_level=None)
            held.enter_context(contextlib.closing(other)).execute("BEGIN IMMEDIATE")

        yield hold


def test_what_was_found_is_told_where_the_database_is_held_before_anything_is_written(
    popbridge: Any, project: Path, tmp_path: Path, between: Between, hold: Callable[[], None]
) -> None:
    before, report = settings(project), tmp_path / "audit.json"
    between("_open", hold)
    code, out, err = popbridge("audit", str(project), "--fix", "--workers", "1", "--json", str(report))
    assert code == 2 and one_line(err) and settings(project) == before
    assert "another program has locked its database" in err and "popbridge revert" not in err
    found = json.loads(report.read_text(encoding="utf-8"))
    assert "--fix resolves" in out and found["warnings"] > 0 and found["receipt"] is None


def test_how_to_put_back_is_told_where_the_database_is_held_once_settings_are_written(
    popbridge: Any, project: Path, tmp_path: Path, between: Between, hold: Callable[[], None]
) -> None:
    before, report = settings(project), tmp_path / "audit.json"
    between("_write", hold)
    code, _, err = popbridge("audit", str(project), "--fix", "--workers", "1", "--json", str(report))
    assert code == 2 and one_line(err) and settings(project) != before
    assert "`popbridge revert 1`" in err
    assert json.loads(report.read_text(encoding="utf-8"))["receipt"] == 1


def test_a_revert_says_so_where_the_database_is_held(
    popbridge: Any, project: Path, between: Between, hold: Callable[[], None]
) -> None:
    popbridge("audit", str(project), "--fix", "--workers", "1")
    mended = settings(project)
    between("_open", hold)
    code, _, err = popbridge("revert", "1")
    assert code == 2 and one_line(err) and "another program has locked its database" in err
    assert settings(project) == mended


def test_unitys_settings_that_were_changed_meanwhile_stay(
    popbridge: Any, tmp_path: Path, between: Between
) -> None:
    project = unity.game(tmp_path / "game", only=FILES)
    file = project / f"Assets/{NORMAL}.meta"
    between("fix", lambda: edit(file, "    filterMode: 1", "    filterMode: 0"))
    code, out, _ = popbridge("audit", str(project), "--fix", "--workers", "1")
    assert code == 1 and "rock_normal.png was changed during the audit: filterMode" in " ".join(out.split())
    assert file.read_text() == unity.meta(
        f"Assets/{NORMAL}", replaced={"    filterMode: 1": "    filterMode: 0"}
    )


def test_a_revert_leaves_what_is_set_while_it_runs(popbridge: Any, project: Path, between: Between) -> None:
    before, file = settings(project), project / f"{COLOR}.import"
    popbridge("audit", str(project), "--fix", "--workers", "1")
    between("_open", lambda: edit(file, "compress/mode=2", "compress/mode=1"))
    code, out, err = popbridge("revert", "1")
    assert code == 1 and err == "" and "compress/mode was changed" in out
    mine = before[f"{COLOR}.import"].replace("compress/mode=0", "compress/mode=1")
    assert settings(project) == before | {f"{COLOR}.import": mine}


def test_settings_that_were_changed_within_the_clocks_grain_are_seen_by_the_next_run(
    popbridge: Any, project: Path
) -> None:
    file = project / f"{COLOR}.import"
    popbridge("audit", str(project), "--fix", "--workers", "1")
    was = os.stat(file)
    edit(file, "compress/mode=2", "compress/mode=0")
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert os.stat(file).st_size == was.st_size
    code, out, _ = popbridge("audit", str(project), "--workers", "1")
    assert code == 1 and COLOR in out


def test_two_runs_at_once_lose_nothing_of_what_was_before(
    popbridge: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, own = settings(project), fix.fix
    arguments = ("audit", str(project), "--fix", "--workers", "1")

    def other_first(*args: Any) -> None:
        monkeypatch.setattr(fix, "fix", own)
        assert popbridge(*arguments)[0] == 0
        own(*args)

    monkeypatch.setattr(fix, "fix", other_first)
    assert popbridge(*arguments)[0] == 0
    # The second has written what was there.
    assert popbridge("revert", "1")[0] == 0 and settings(project) == before
    code, _, err = popbridge("revert", "1")
    assert code == 2 and one_line(err)


@pytest.mark.parametrize("engine", ["godot", "unity"])
def test_what_is_set_in_the_moment_of_the_writing_stays(
    popbridge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    root = tmp_path / "game"
    if engine == "godot":
        file, mine = game(root, only=[NORMAL]) / f"{NORMAL}.import", ("size_limit=0", "size_limit=64")
    else:
        file, mine = unity.game(root, only=[NORMAL]) / f"Assets/{NORMAL}.meta", ("userData: ", "userData: me")
    before, write = file.read_text(encoding="utf-8"), ProjectFolder.write

    def edit_and_write(*given: Any, **options: Any) -> None:
        # After the settings were read.
        edit(file, *mine)
        write(*given, **options)

    monkeypatch.setattr(ProjectFolder, "write", edit_and_write)
    code, out, _ = popbridge("audit", str(root), "--fix", "--workers", "1")
    assert code == 1 and file.read_text(encoding="utf-8") == before.replace(*mine)
    assert "another program changed it at the same time; try again" in " ".join(out.split())
    assert [one for one in root.rglob("*.popbridge-new")] == []


def test_an_adapter_that_only_says_that_it_fixes_is_found_out_file_by_file(
    popbridge: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def claim(self: object, root: Path, changes: Any) -> Any:
        asked = [{"path": change["path"], "options": change["options"]} for change in changes]
        return {"before": [{**change, "options": {}} for change in asked], "after": asked, "errors": []}

    before = settings(project)
    monkeypatch.setattr("bridge_godot.support.GodotSupport.apply", claim)
    code, out, _ = popbridge("audit", str(project), "--fix", "--workers", "1")
    assert code == 1 and settings(project) == before
    assert out.count("compress/mode") >= 2 and "it is 0; 2 was asked for" in out
    code, _, err = popbridge("revert", "1")
    assert code == 2 and one_line(err) and "changed nothing" in err


def test_a_revert_that_an_adapter_only_claims_restores_nothing_and_says_so(
    popbridge: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    popbridge("audit", str(project), "--fix", "--workers", "1")
    mended = settings(project)
    with monkeypatch.context() as patch:
        patch.setattr(
            "bridge_godot.support.GodotSupport.apply",
            lambda self, root, changes: {"before": [], "after": [], "errors": []},
        )
        code, out, _ = popbridge("revert", "1")
    assert code == 1 and "was not reverted" in out and "compress/mode" in out
    assert settings(project) == mended
    # It may be tried again.
    assert popbridge("revert", "1")[0] == 0 and settings(project) != mended
