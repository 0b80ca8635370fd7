"""`popbridge audit --fix`: what its rounds leave behind, and what they need."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import pytest

from accel.workload import Limits
from bridge.advisors.import_project import AuditResults
from bridge.audit import audit, illustrate
from bridge.audit.project import find
from bridge.audit.results import Report, Row
from bridge.host.host import load
from bridge_godot.adapter import Godot4
from tests.audit.projects import game
from tests.commands.shell import one_line

FILES = ("materials/brick_albedo.png", "materials/rock_normal.png", "ui/panel.png")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return game(tmp_path / "game", "4.6", FILES)


def taken(home: Path) -> dict[str, bytes]:
    """What is kept for the import advisor: the probabilities of each file."""
    (file,) = (home / "cache" / "kinds").iterdir()
    known = msgspec.msgpack.decode(file.read_bytes(), type=AuditResults)
    each = len(known.shares) // len(known.files)
    return {file: known.shares[at * each : (at + 1) * each] for at, file in enumerate(known.files)}


def test_settings_that_an_adapter_fails_at_are_left_and_told(
    popbridge: Any, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, plan, file = Godot4.read_texture, audit._plan, project / f"{FILES[0]}.import"
    before, report, planned = file.read_text(encoding="utf-8"), tmp_path / "audit.json", False

    def planning(*given: Any) -> bool:
        nonlocal planned
        planned = True
        return plan(*given)

    def read_texture(self: Godot4, options: Any, version: Any) -> Any:
        if planned and options["compress/mode"] == 2 and not options["compress/normal_map"]:
            raise ZeroDivisionError("acme")
        return own(self, options, version)

    monkeypatch.setattr(audit, "_plan", planning)
    monkeypatch.setattr(Godot4, "read_texture", read_texture)
    arguments = ("audit", str(project), "--fix", "--workers", "1", "--json", str(report))
    code, out, _ = popbridge(*arguments)
    assert code == 1 and file.read_text(encoding="utf-8") == before and "`popbridge revert" in out
    told = json.loads(report.read_text(encoding="utf-8"))
    assert told["unjudged"] == 1 and told["notice"].count("ZeroDivisionError") == 1
    (row,) = [row for row in told["files"] if row["file"] == FILES[0]]
    assert row["findings"][0]["code"] == "not_applied" and row["memory"] == row["memory_after"]


def test_a_build_fails_where_an_adapter_has_judged_nothing_whatever_is_accepted(
    popbridge: Any, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("acme")

    monkeypatch.setattr(Godot4, "read_texture", fail)
    base = ("audit", str(project), "--workers", "1")
    assert popbridge(*base)[0] == popbridge(*base, "--fail-on", "wrong")[0] == 1
    accepting = ("--baseline", str(tmp_path / "known.json"))
    assert popbridge(*base, *accepting, "--update-baseline")[0] == popbridge(*base, *accepting)[0] == 1
    assert popbridge(*base, "--fail-on", "never")[0] == 0


def test_a_build_fails_over_one_texture_that_an_adapter_fails_at_until_that_is_accepted(
    popbridge: Any, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Godot4.read_texture

    def read_texture(self: Godot4, options: Any, version: Any) -> Any:
        if options["compress/lossy_quality"] == 0.5:
            raise ZeroDivisionError("acme")
        return own(self, options, version)

    base = ("audit", str(project), "--workers", "1")
    assert popbridge(*base, "--fix")[0] == popbridge(*base)[0] == 0
    file = project / f"{FILES[0]}.import"
    text = file.read_text(encoding="utf-8").replace("lossy_quality=0.7", "lossy_quality=0.5")
    file.write_text(text, encoding="utf-8")
    monkeypatch.setattr(Godot4, "read_texture", read_texture)
    assert popbridge(*base)[0] == popbridge(*base, "--severity", "wrong")[0] == 1
    accepting = ("--baseline", str(tmp_path / "known.json"))
    assert popbridge(*base, *accepting, "--update-baseline")[0] == popbridge(*base, *accepting)[0] == 0


@pytest.mark.parametrize("place", ["bridge_godot.support.texture_uses", "bridge_godot.project.version"])
def test_a_build_fails_where_an_adapter_knows_no_uses_or_no_project(
    popbridge: Any, project: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(root: Path) -> None:
        if (root / "project.godot").exists():
            raise ZeroDivisionError("acme")

    base = ("audit", str(project), "--workers", "1")
    assert popbridge(*base, "--fix")[0] == 0
    monkeypatch.setattr(place, fail)
    for part in (project, project / "materials", project / FILES[0]):
        code, out, _ = popbridge("audit", str(part), "--workers", "1")
        assert code == 1 and "ZeroDivisionError" in out


@pytest.mark.parametrize(("locale", "says"), [("en", "acme_broken"), ("zh-CN", "acme_broken")])
def test_a_build_fails_where_a_disabled_plugin_may_have_known_the_project(
    popbridge: Any, tmp_path: Path, locale: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def popbridge_adapters(self) -> None:
            """Marked as no hook."""

    registry = load({"acme_broken": Broken()})
    monkeypatch.setattr("bridge.host.host.load", lambda: registry)
    (tmp_path / "files").mkdir()
    code, out, _ = popbridge("audit", str(tmp_path / "files"), "--locale", locale)
    assert code == 1 and says in out and "`popbridge plugins`" in out


def test_a_disabled_plugin_that_has_to_do_with_no_engine_fails_no_build(
    popbridge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = "import acme_library\n\ndef popbridge_workloads():\n    return []\n"
    (tmp_path / "acme_shape.py").write_text(broken, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    point = metadata.EntryPoint("acme", "acme_shape:plugin", "popbridge")
    own = metadata.entry_points(group="popbridge")
    monkeypatch.setattr(metadata, "entry_points", lambda **_: [*own, point])
    (tmp_path / "files").mkdir()
    code, out, _ = popbridge("audit", str(tmp_path / "files"))
    assert code == 0 and "disabled" not in out
    (tmp_path / "acme_shape.py").write_text(broken.replace("workloads", "adapters"), encoding="utf-8")
    code, out, _ = popbridge("audit", str(tmp_path / "files"))
    assert code == 1 and "Disabled plugins (acme)" in out


def test_duplicates_are_looked_for_and_pictures_made_once_however_many_rounds_there_are(
    popbridge: Any, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    alike, take = audit.duplicate_groups, illustrate.embed_pictures

    def groups(*given: Any) -> Any:
        made.append("groups")
        return alike(*given)

    async def taking(root: Path, report: Report, *given: Any) -> None:
        made.extend(row.file for row in report.rows if not row.picture)
        await take(root, report, *given)

    monkeypatch.setattr(audit, "duplicate_groups", groups)
    monkeypatch.setattr(illustrate, "embed_pictures", taking)
    page = tmp_path / "audit.html"
    popbridge("audit", str(project), "--fix", "--workers", "1", "--html", str(page))
    assert sorted(made) == ["groups", *FILES[:2]]
    assert page.read_text(encoding="utf-8").count('"pictured":true') == 2


async def test_what_only_a_later_round_has_found_gets_its_picture(project: Path, tmp_path: Path) -> None:
    registry = load()
    rows = [Row(file, file, [], width=9) for file in FILES]
    rows[0].picture = b"there"
    report = Report(name="game", root="", engine="", rows=rows)
    await audit.add_pictures(
        find(registry, project), audit.Plan(workers=1, limits=Limits()), registry, report
    )
    assert rows[0].picture == b"there" and all(row.picture[8:12] == b"WEBP" for row in rows[1:])


def test_the_import_advisor_is_left_what_is_so_by_the_settings_that_are_written(
    popbridge: Any, project: Path, home: Path
) -> None:
    arguments = ["audit", str(project), "--workers", "1"]
    popbridge(*arguments)
    before = taken(home)
    for file in project.rglob("*.import"):
        file.chmod(0o444)
    popbridge(*arguments, "--fix")
    assert taken(home) == before
    (project / "materials/rock_normal.png.import").chmod(0o644)
    popbridge(*arguments, "--fix")
    mended = taken(home)
    popbridge(*arguments)
    assert taken(home) == mended and {file for file in before if before[file] != mended[file]} == {
        "materials/rock_normal.png"
    }
    for file in project.rglob("*.import"):
        file.chmod(0o644)


def test_only_what_needs_a_temporary_folder_fails_where_none_can_be_made(
    popbridge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    arguments = ["audit", str(tmp_path / "empty"), "--fix"]
    assert popbridge(*arguments[:2])[0] == 0 and popbridge(*arguments)[0] == 0
    code, _, err = popbridge(*arguments, "--no-cache")
    assert code == 2 and one_line(err) and "--no-cache" in err


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every name is Unicode")
def test_where_nothing_could_be_written_no_folder_has_to_be_renamed(popbridge: Any, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"files\xff")
    odd.mkdir()
    code, out, err = popbridge("audit", str(odd), "--fix")
    assert (code, err) == (0, "") and "--fix has nothing to write" in out
