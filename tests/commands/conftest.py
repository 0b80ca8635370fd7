"""A shell with a home of its own, and a third party's plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge import cli

ACME = Path(__file__).parents[1] / "data" / "acme"


@pytest.fixture(autouse=True)
def _workers(shared_workers: None) -> None:
    """A test of workers has the mark `own_workers`."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POPBRIDGE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def popbridge(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ACME))
