"""Audits of small projects whose textures are examined by a stand-in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from accel.workload import Limits
from bridge.audit.audit import Plan, ProgressCallbacks, audit
from bridge.audit.project import scope_name
from bridge.audit.results import Report
from bridge.host import host
from bridge.project.config import read
from tests.audit import doubles
from tests.audit.projects import GODOT4, imported


@pytest.fixture(autouse=True)
def _workers(shared_workers: None) -> None:
    """A test of workers has the mark `own_workers`."""


@pytest.fixture(scope="session")
def registry() -> host.Registry:
    """All adapters, and the stand-in in the place of the examination."""
    loaded = host.load()
    workloads = {**loaded.workloads, "texture.examine": doubles.examine.workload}
    return host.Registry(loaded.adapters, workloads, settings=loaded.settings)


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Makes a project of files by name, each with the text that says what comes of it."""

    def make(version: str = "4.6", **_: str) -> Path:
        root = tmp_path / "game"
        root.mkdir()
        (root / "project.godot").write_text(GODOT4.format(version), encoding="utf-8")
        return root

    return make


def put(root: Path, file: str, text: str = "albedo", version: str = "4.6") -> Path:
    """A texture and its import settings."""
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    imported(root, file, version)
    return path


@pytest.fixture
def game(project: Callable[..., Path]) -> Path:
    """A project whose parts can be named, each texture broken so that something is said of it."""
    root = project()
    for file in ("art/rock.png", "art/old/moss.png", "artful/leaf.png", "icon.png"):
        put(root, file, f"broken {file}")
    return root


@pytest.fixture
def run(registry: host.Registry, tmp_path: Path) -> Callable[..., object]:
    """Audits a project, or a part of one, with one worker and a cache of the test's own."""

    async def run(
        place: Path,
        told: ProgressCallbacks | None = None,
        planned: Mapping[str, Mapping[str, Any]] = {},
        **changed: object,
    ) -> Report:
        project = replace(scope_name(registry, str(place)), planned=planned)
        plan = {"workers": 1, "limits": Limits(), "cache": tmp_path / "cache", "deadline_s": 20.0, **changed}
        return await audit(project, Plan(**plan), registry, told or ProgressCallbacks(), read(project.root))  # type: ignore[arg-type]

    return run
