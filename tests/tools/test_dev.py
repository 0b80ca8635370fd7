"""What the commands of the repository give to those that they start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import dev


def test_the_processes_of_tests_share_their_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in dev.testing(False)


def test_engines_and_models_are_required_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    required = ("POPBRIDGE_REQUIRE_ENGINES", "POPBRIDGE_REQUIRE_MODELS")
    for name in required:
        monkeypatch.delenv(name, raising=False)
    assert not dev.testing(False).keys() & set(required)
    assert {dev.testing(True)[name] for name in required} == {"1"}


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["test", "--help"], ["test", "--engines", "-h"], ["demo", "--help"]]
)
def test_help_is_printed_and_nothing_is_installed_or_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    for name in ("install", "run", "run_parts", "environment"):
        monkeypatch.setattr(dev, name, lambda *_, **__: pytest.fail("does more than print help"))
    try:
        status = dev.main(arguments)
    except SystemExit as end:
        status = int(end.code or 0)
    assert status == 0
    assert "usage: python tools/dev.py" in capsys.readouterr().out


BESIDE, EDITORS, ALONE = "tests", "tests, also in editors", "tests that run alone"
LINTS = ["format", "lint", "types", "unsafe calls", "advisories"]


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would be run, after the interpreter."""
    ran: list[list[str]] = []

    def run(command: list[str], env: dict[str, str]) -> int:
        ran.append(command[1:])
        return 0

    monkeypatch.setattr(dev, "run", run)
    monkeypatch.setattr(dev, "start", lambda command, env: run(command, env))
    monkeypatch.setattr(dev, "finish", lambda status: status)
    monkeypatch.setattr(dev, "install", lambda *_, **__: None)
    return ran


def test_arguments_of_pytest_arrive_in_their_order(commands: list[list[str]]) -> None:
    given = ["tests/core", "-k", "codec", "-x", "-m", "not engine", "--co"]
    assert dev.main(["test", *given]) == 0
    assert commands == [["-m", "pytest", *given]]


@pytest.mark.parametrize(
    ("given", "installs", "runs"),
    [
        ([], False, [*LINTS, BESIDE, ALONE]),
        (["--coverage"], False, [*LINTS, BESIDE, ALONE, "coverage of bridge/core"]),
        (["--engines"], True, [*LINTS, EDITORS, ALONE]),
    ],
)
def test_packages_of_the_system_are_installed_only_for_engines(
    commands: list[list[str]],
    capsys: pytest.CaptureFixture[str],
    given: list[str],
    installs: bool,
    runs: list[str],
) -> None:
    assert dev.main(["test", *given]) == 0
    assert (["tools/engines.py", "--require"] in commands) == installs
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    assert [line.partition("] ")[2].rpartition(" (")[0] for line in lines] == runs


@pytest.mark.parametrize(
    ("lint", "most", "alone"), [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, -11, 0), (0, 0, 0), (3, 1, 0)]
)
def test_all_tests_run_whatever_else_fails(
    monkeypatch: pytest.MonkeyPatch, lint: int, most: int, alone: int
) -> None:
    commands = []

    def ends(command: list[str], env: Any) -> int:
        commands.append(command[2:])
        return (
            lint if command[2] == "mypy" else most if "-n" in command else alone if "alone" in command else 0
        )

    monkeypatch.setattr(dev, "run", ends)
    monkeypatch.setattr(dev, "start", ends)
    monkeypatch.setattr(dev, "finish", lambda status: status)
    # Below 0 on POSIX: by a signal.
    assert dev.run_parts(list(dev.parts(engines=True, coverage=True)), {}) == (lint or most or alone)
    first, second, *rest = commands[len(LINTS) :]
    assert "not alone" in first and "-n" in first
    assert "alone" in second and "-n" not in second
    assert "--cov-append" in second, "what both parts cover is counted together"
    if lint or most or alone:
        assert rest == []
    else:
        (core,) = rest
        assert {"--include=bridge/core/*", "--fail-under=100"} <= set(core)


def test_what_runs_beside_the_tests_is_printed_before_them_and_fails_the_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, lines in {
        "pytest": "open('ran', 'w'); print('tests said this')",
        "late": "import os, time\n"
        "while not os.path.exists('ran'): time.sleep(0.01)\n"
        "print('a lint said ü'); raise SystemExit(4)",
    }.items():
        (tmp_path / f"{name}.py").write_text(lines, "utf-8")
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONIOENCODING": "utf-8"}
    assert dev.run_parts([("lint", ["late"]), ("tests", ["pytest"]), ("report", ["none"])], env) == 4
    said = [line.partition(" (")[0] for line in capsys.readouterr().out.splitlines()]
    assert said[:4] == ["[1/3] lint", "a lint said ü", "[2/3] tests", "tests said this"]
    assert len(said) == 5


def test_files_with_a_mark_are_found_by_it() -> None:
    found = dev.marked("alone")
    assert "tests/security/test_local_flood.py" in found and "tests/core/test_codec.py" not in found


def test_another_python_has_a_venv_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[tuple[list[str], str]] = []
    monkeypatch.setattr(dev, "run", lambda command, env: runs.append((command, env["DEV_VENV"])) or 0)
    assert dev.main(["test", "--python", sys.executable, "tests/core"]) == 0
    ((command, folder),) = runs
    assert command == [sys.executable, dev.__file__, "test", "tests/core"]
    assert folder == ".venv-{}.{}".format(*sys.version_info)


def test_a_python_that_is_not_installed_is_refused() -> None:
    assert dev.main(["test", "--python", "2.99"]) == 2


def test_a_long_run_prints_a_line_for_each_tenth_and_each_failure(tmp_path: Path) -> None:
    (tmp_path / "test_many.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', range(40))\ndef test_it(n): assert n != 7\n", "utf-8"
    )
    command = [sys.executable, "-m", "pytest", *dev.PROGRESS, "-p", "no:cacheprovider", "-p", "no:cov"]
    command += ["-c", str(tmp_path / "none.ini"), "--rootdir", str(tmp_path), str(tmp_path)]
    (tmp_path / "none.ini").write_text("[pytest]\n", "utf-8")
    done = subprocess.run(command, cwd=dev.ROOT, capture_output=True, text=True, check=False)
    before = done.stdout.partition("= FAILURES =")[0].split("\n")
    assert [line.split(" (")[0].strip() for line in before if " (" in line] == [
        "4 of 40 tests",
        "failed: test_many.py::test_it[7]",
        *(f"{n} of 40 tests" for n in range(8, 41, 4)),
    ]
    assert done.returncode == 1 and "1 failed, 39 passed" in done.stdout
