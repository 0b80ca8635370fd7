"""`popbridge audit`: where its reports go, and what becomes of one that can't be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest

from tests.audit.projects import game
from tests.commands.shell import one_line
from tests.commands.test_audit import FILES, settings


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return game(tmp_path / "game", "4.6", FILES)


def as_program(out: IO[bytes], *arguments: str) -> tuple[int, str]:
    """Its exit code and what it says on stderr, in a process whose stdout is `out`."""
    command = [sys.executable, "-m", "bridge.cli", "audit", *arguments]
    done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, timeout=120, text=True)
    return done.returncode, done.stderr


def test_all_reports_are_written_at_once(popbridge: Any, project: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / f"audit.{name}" for name in ("html", "json", "sarif")}
    flags = [word for name, file in files.items() for word in (f"--{name}", str(file))]
    code, out, _ = popbridge("audit", str(project), "--workers", "1", *flags, "--locale", "zh-CN")
    assert code == 1 and "法线" in out
    told = json.loads(files["json"].read_text(encoding="utf-8"))
    assert told["warnings"] >= 1 and told["memory"] > 0
    page = files["html"].read_text(encoding="utf-8")
    assert "data:image/webp;base64," in page and page.rstrip().endswith("</html>")
    assert json.loads(files["sarif"].read_text(encoding="utf-8"))["version"] == "2.1.0"


def test_no_line_of_a_report_in_a_file_ends_in_spaces(popbridge: Any, project: Path) -> None:
    lines = popbridge("audit", str(project), "--workers", "1")[1].splitlines()
    assert len(lines) > 3 and [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize("form", ["html", "json", "sarif"])
def test_a_report_on_stdout_is_alone_there(popbridge: Any, project: Path, form: str) -> None:
    code, out, err = popbridge("audit", str(project), "--workers", "1", f"--{form}", "-")
    assert code == 1 and err == ""
    if form == "html":
        assert out.startswith("<!doctype html>") and out.endswith("</html>\n")
    else:
        json.loads(out)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device there")
@pytest.mark.parametrize("flags", [[], ["--html", "-"], ["--json", "-"], ["--sarif", "-"]])
def test_what_does_not_fit_on_the_disk_of_stdout_is_no_finding(project: Path, flags: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        code, err = as_program(full, str(project), "--workers", "1", *flags)
    assert code == 2 and one_line(err) and "Can't write the output (No space left on" in err


@pytest.mark.parametrize("flags", [[], ["--json", "-"]])
def test_a_reader_that_has_gone_is_no_finding(project: Path, flags: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as shut:
        assert as_program(shut, str(project), "--workers", "1", *flags) == (2, "")


def test_a_report_that_is_read_only_is_told_before_anything_is_done(
    popbridge: Any, project: Path, tmp_path: Path
) -> None:
    report, before = tmp_path / "audit.html", settings(project)
    report.touch(0o444)
    code, out, err = popbridge("audit", str(project), "--fix", "--html", str(report))
    assert (code, out) == (2, "") and one_line(err) and "it is read-only" in err
    assert settings(project) == before
    report.chmod(0o644)


def test_a_report_that_cannot_be_written_costs_no_other(
    popbridge: Any, project: Path, tmp_path: Path
) -> None:
    flags = ["--html", str(tmp_path / ("a" * 300)), "--sarif", str(tmp_path / "s")]
    code, out, err = popbridge("audit", str(project), "--workers", "1", "--fix", *flags)
    assert code == 2 and one_line(err) and "Can't write" in err
    assert "popbridge revert 1" in out and (tmp_path / "s").is_file()


def test_a_report_never_takes_the_place_of_a_texture(popbridge: Any, project: Path) -> None:
    texture = project / "ui" / "panel.png"
    before = texture.read_bytes()
    code, _, err = popbridge("audit", str(project), "--html", str(texture))
    assert code == 2 and one_line(err) and "is an image" in err and texture.read_bytes() == before
