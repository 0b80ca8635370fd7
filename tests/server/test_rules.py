"""Rules that people made: in the project's own file, or with the bridge for a project elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from bridge.api import RequestError, SessionView
from bridge.projectfile import NAME
from bridge.server.rules import RuleKeeper
from bridge.store.database import open_database
from bridge.store.receipts import RuleStore

BROKEN = "[[always\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RuleStore]:
    db: Database = open_database(tmp_path / "popbridge.db")
    yield RuleStore(db)
    db.conn.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    return made


def view(root: Path | None) -> SessionView:
    return SessionView("s", "p", "Project", root, None, None, "en")


async def test_a_rule_goes_into_the_projects_file(store: RuleStore, root: Path) -> None:
    keeper = RuleKeeper(store)
    await keeper.add(view(root), "textures", "no_mipmaps")
    await keeper.add(view(root), "textures", "no_mipmaps")
    assert await keeper.of(view(root)) == {"textures": ["no_mipmaps"]}
    assert (root / NAME).exists() and store.of("p") == {}


async def test_a_change_by_hand_counts_at_once(store: RuleStore, root: Path) -> None:
    keeper = RuleKeeper(store)
    await keeper.add(view(root), "textures", "no_mipmaps")
    (root / NAME).write_text("")
    assert await keeper.of(view(root)) == {}


async def test_a_project_on_another_machine_has_its_rules_here(store: RuleStore, root: Path) -> None:
    keeper = RuleKeeper(store)
    await keeper.add(view(None), "textures", "no_mipmaps")
    assert await keeper.of(view(None)) == {"textures": ["no_mipmaps"]}
    assert not (root / NAME).exists()


async def test_rules_from_before_there_was_a_file_move_there_once(store: RuleStore, root: Path) -> None:
    store.add("p", "textures", "no_mipmaps")
    store.add("q", "textures", "too_large")
    keeper = RuleKeeper(store)
    assert await keeper.of(view(root)) == {"textures": ["no_mipmaps"]}
    assert (store.of("p"), store.of("q")) == ({}, {"textures": ["too_large"]})
    (root / NAME).unlink()
    assert await keeper.of(view(root)) == {}, "what people took away doesn't come back"


async def test_a_mistake_in_the_file_is_logged_once_and_a_rule_is_refused_with_the_line(
    store: RuleStore, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.add("p", "textures", "no_mipmaps")
    (root / NAME).write_text(BROKEN)
    keeper = RuleKeeper(store)
    with caplog.at_level(logging.WARNING):
        assert await keeper.of(view(root)) == {}
        assert await keeper.of(view(root)) == {}
    assert sum(f"{NAME}, line 1" in record.message for record in caplog.records) == 1
    with pytest.raises(RequestError, match="line 1"):
        await keeper.add(view(root), "textures", "too_large")
    assert (root / NAME).read_text() == BROKEN
    assert store.of("p") == {"textures": ["no_mipmaps"]}, "nothing is lost meanwhile"
