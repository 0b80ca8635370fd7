"""What the audit of dependencies fails for."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tools import advisories

FLAW = {"id": "PYSEC-1", "fix_versions": ["2.1"], "aliases": [], "description": ""}


def package(*flaws: dict[str, Any]) -> dict[str, Any]:
    return {"name": "thing", "version": "2.0", "vulns": list(flaws)}


def test_a_vulnerability_fails_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert advisories.judge({"dependencies": [package(FLAW)]}) == 1
    assert "PYSEC-1" in capsys.readouterr().out


def test_an_accepted_one_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advisories, "ACCEPTED", {"PYSEC-1": "we never call it"})
    assert advisories.judge({"dependencies": [package(FLAW)]}) == 0


def test_unknown_packages_are_not_counted_as_audited(capsys: pytest.CaptureFixture[str]) -> None:
    skipped = {"name": "other", "skip_reason": "Dependency not found"}
    assert advisories.judge({"dependencies": [package(), skipped]}) == 0
    assert capsys.readouterr().out.startswith("1 of 2 ")


def test_an_unreachable_database_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_: Any, **__: Any) -> Any:
        return subprocess.CompletedProcess([], 1, stdout="", stderr="ConnectionError")

    monkeypatch.setattr(subprocess, "run", run)
    assert advisories.main() == 0
    assert "nothing was audited" in capsys.readouterr().out
