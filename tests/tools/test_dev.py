"""What the commands of the repository give to those that they start."""

from __future__ import annotations

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


def test_editors_are_tested_by_themselves_and_whatever_else_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def fails(command: list[str], env: Any) -> int:
        commands.append(command[3:])
        return int("not engine" in command)

    monkeypatch.setattr(dev, "run", fails)
    assert dev.everything({}) == 1
    most, editors = commands
    assert most[:2] == ["-m", "not engine"] and "-n" in most
    assert editors[:2] == ["-m", "engine"] and "-n" not in editors
    assert "--cov-append" in editors, "what both parts cover is counted together"
