"""What the commands of the repository give to those that they start."""

from __future__ import annotations

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


BESIDE, EDITORS = "not engine and not alone", "engine or alone"
ALONE = "tests that run alone"
LINTS = ["format", "lint", "types", "unsafe calls", "advisories"]


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would be run, after the interpreter."""
    ran: list[list[str]] = []

    def run(command: list[str], env: dict[str, str]) -> int:
        ran.append(command[1:])
        return 0

    monkeypatch.setattr(dev, "run", run)
    monkeypatch.setattr(dev, "install", lambda *_, **__: None)
    return ran


def test_arguments_of_pytest_arrive_in_their_order(commands: list[list[str]]) -> None:
    given = ["tests/core", "-k", "codec", "-x", "-m", "not engine", "--co"]
    assert dev.main(["test", *given]) == 0
    assert commands == [["-m", "pytest", *given]]


@pytest.mark.parametrize(
    ("given", "installs", "runs"),
    [
        ([], False, [*LINTS, "tests", ALONE]),
        (["--coverage"], False, [*LINTS, "tests", ALONE, "coverage of bridge/core"]),
        (["--engines"], True, [*LINTS, "tests", "tests in editors"]),
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


@pytest.mark.parametrize(("most", "editors"), [(1, 0), (0, 1), (-11, 0), (0, 0)])
def test_editors_are_tested_by_themselves_and_whatever_else_fails(
    monkeypatch: pytest.MonkeyPatch, most: int, editors: int
) -> None:
    commands = []

    def ends(command: list[str], env: Any) -> int:
        commands.append(command[2:])
        return most if BESIDE in command else editors if EDITORS in command else 0

    monkeypatch.setattr(dev, "run", ends)
    # Below 0 on POSIX: by a signal.
    assert dev.run_parts(list(dev.parts(engines=True, coverage=True)), {}) == (most or editors)
    first, second, *rest = commands[len(LINTS) :]
    assert BESIDE in first and "-n" in first
    assert EDITORS in second and "-n" not in second
    assert "--cov-append" in second, "what both parts cover is counted together"
    if most or editors:
        assert rest == []
    else:
        (core,) = rest
        assert {"--include=bridge/core/*", "--fail-under=100"} <= set(core)


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
