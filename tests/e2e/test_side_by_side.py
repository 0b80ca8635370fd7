"""Real editors of both generations at once, each with a project of its own, and one daemon for both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.api import Adapter
from bridge.core.versions import lowest
from bridge.demo.textures import save
from bridge_godot.plugin import popbridge_adapters
from tests.e2e.conftest import FILES, WRONG, needs_engine
from tests.e2e.world import World, until, world
from tools import engines

pytestmark = pytest.mark.engine

NORMAL = "materials/rock_normal.png"
MIPMAPS = {"godot3": "flags/mipmaps", "godot4": "mipmaps/generate"}


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, World]]:
    """A world for each generation, of which the second's editor finds the first's daemon."""
    needs_engine(engines.godot3_server(), "godot3")
    needs_engine(engines.godot4(), "godot4")
    for name, command in engines.environment().items():
        monkeypatch.setenv(name, command)
    three, four = popbridge_adapters()
    with world(three) as first, world(four) as second:
        second.env["POPBRIDGE_HOME"] = first.env["POPBRIDGE_HOME"]
        first.env["POPBRIDGE_ROOTS"] = f"{first.project},{second.project}"
        for made in (first, second):
            prepare(made, made.adapter)
        yield {three.name: first, four.name: second}


def prepare(made: World, adapter: Adapter) -> None:
    for file, draw in FILES.items():
        (made.project / file).parent.mkdir(parents=True, exist_ok=True)
        save(draw(), made.project / file)
    options = adapter.compile_texture(WRONG, {}, lowest(adapter.versions))
    made.support.create_project(made.project, dict.fromkeys(FILES, options))
    made.support.install(made.project)


def settings(made: World) -> dict[str, Any]:
    text = (made.project / f"{NORMAL}.import").read_text(encoding="utf-8")
    return dict(line.split("=", 1) for line in text.partition("[params]")[2].splitlines() if "=" in line)


def test_each_is_asked_about_its_own_project_in_its_own_terms(both: Mapping[str, World]) -> None:
    daemon = both["godot3"]
    daemon.start_daemon()
    for made in both.values():
        made.start_editor()
    open_ = "SELECT session FROM popups WHERE status = 'open' AND seq IS NOT NULL"
    asked = until(lambda: len(found := daemon.rows(open_)) == 2 and found, "a popup in each editor")
    assert len({row["session"] for row in asked}) == 2
    before = {name: settings(made) for name, made in both.items()}
    for made in both.values():
        made.kill("editor")
        made.start_editor(answer="apply")
    receipts = daemon.applied(2)
    assert len(receipts) == 2 and len({receipt.project for receipt in receipts}) == 2
    for name, made in both.items():
        now = settings(made)
        assert (now["compress/normal_map"], now[MIPMAPS[name]]) == ("1", "true"), name
        assert now.keys() == before[name].keys(), "nothing of the other's"
    for receipt in receipts:
        reverted = daemon.popbridge("revert", str(receipt.id))
        assert reverted.returncode == 0, reverted.stderr
    assert {name: settings(made) for name, made in both.items()} == before
