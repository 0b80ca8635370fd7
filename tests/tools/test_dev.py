"""What the commands of the repository give to those that they start."""

from __future__ import annotations

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
