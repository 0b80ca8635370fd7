"""What the commands of the repository give to those that they start."""

from __future__ import annotations

import sys
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


@pytest.mark.parametrize(("most", "editors"), [(1, 0), (0, 1), (-11, 0), (0, 0)])
def test_editors_are_tested_by_themselves_and_whatever_else_fails(
    monkeypatch: pytest.MonkeyPatch, most: int, editors: int
) -> None:
    commands = []

    def ends(command: list[str], env: Any) -> int:
        commands.append(command[3:])
        return most if "not engine" in command else editors if "engine" in command else 0

    monkeypatch.setattr(dev, "run", ends)
    # Below 0 on POSIX: by a signal.
    assert dev.everything({}) == (most or editors)
    first, second, *rest = commands
    assert first[:2] == ["-m", "not engine"] and "-n" in first
    assert second[:2] == ["-m", "engine"] and "-n" not in second
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


@pytest.mark.parametrize("words", [["--python"], ["--python", "2.99"]])
def test_a_python_that_is_not_installed_is_refused(words: list[str]) -> None:
    assert dev.main(["test", *words]) == 2
