"""Rules that people made: in the project's own file, or with the bridge for a project elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest

from bridge.api import RequestError, SessionView
from bridge.core import errors
from bridge.project import config
from bridge.project.config import NAME
from bridge.server.rules import ProjectRules
from bridge.store.database import migrations
from bridge.store.receipts import RuleStore
from bridge.store.store import Store

BROKEN = "[[always\n"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = Store(tmp_path / "popbridge.db", migrations)
    yield made
    await made.close()


def kept(store: Store, project: str = "p") -> dict[str, list[str]]:
    return store.write_now(lambda db: RuleStore(db).of(project))


def keep(store: Store, project: str, finding: str) -> None:
    store.write_now(lambda db: RuleStore(db).add(project, "textures", finding))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    return made


def view(root: Path | None) -> SessionView:
    return SessionView("s", "p", "Project", root, None, None, "en")


async def test_a_rule_goes_into_the_projects_file(store: Store, root: Path) -> None:
    keeper = ProjectRules(store)
    await keeper.add(view(root), "textures", "no_mipmaps")
    await keeper.add(view(root), "textures", "no_mipmaps")
    assert await keeper.of(view(root)) == {"textures": ["no_mipmaps"]}
    assert (root / NAME).exists() and kept(store) == {}


@pytest.mark.parametrize("is_here", [True, False])
async def test_a_rule_is_removed_where_it_was_added(store: Store, root: Path, is_here: bool) -> None:
    keeper, session = ProjectRules(store), view(root if is_here else None)
    for code in ("no_mipmaps", "too_large"):
        await keeper.add(session, "textures", code)
    await keeper.remove(session, {"textures": ["no_mipmaps", "ui_mipmaps"], "gone": ["too_large"]})
    assert await keeper.of(session) == {"textures": ["too_large"]}


async def test_a_rule_that_cant_be_removed_is_told(store: Store, root: Path) -> None:
    (root / NAME).write_text(BROKEN, encoding="utf-8")
    with pytest.raises(RequestError) as refused:
        await ProjectRules(store).remove(view(root), {"textures": ["no_mipmaps"]})
    assert refused.value.code is errors.BAD_INPUT


async def test_rules_that_are_added_at_once_are_written_together(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, written = config.add_rules, []

    def add_rules(where: Path, rules: Mapping[str, Sequence[str]]) -> None:
        written.append(sum(map(len, rules.values())))
        real(where, rules)

    monkeypatch.setattr(config, "add_rules", add_rules)
    keeper = ProjectRules(store)
    wanted = {f"folder{number}": ["test.flat", "no_mipmaps"] for number in range(20)}
    await asyncio.gather(
        *(keeper.add(view(root), folder, code) for folder, codes in wanted.items() for code in codes)
    )
    assert await keeper.of(view(root)) == wanted
    assert sum(written) == 40 and len(written) <= 2
    await keeper.add(view(root), "late", "test.flat")
    assert (await keeper.of(view(root)))["late"] == ["test.flat"]


async def test_all_whose_rules_cant_be_written_are_told(store: Store, root: Path) -> None:
    (root / NAME).write_text(BROKEN)
    keeper = ProjectRules(store)
    wishes = [keeper.add(view(root), folder, "test.flat") for folder in ("a", "b")]
    one, other = await asyncio.gather(*wishes, return_exceptions=True)
    for outcome in (one, other):
        assert isinstance(outcome, RequestError) and NAME in outcome.message
    assert one is not other
    (root / NAME).write_text("")
    await keeper.add(view(root), "a", "test.flat")
    assert await keeper.of(view(root)) == {"a": ["test.flat"]}


async def test_a_rule_that_cant_be_written_costs_no_other(store: Store, root: Path) -> None:
    keeper = ProjectRules(store)
    folders = ("a", "b\udcff", "c", "d\udcff", "../d", "e")
    wishes = [*((folder, "test.flat") for folder in folders), ("e", "seams")]
    outcomes = await asyncio.gather(
        *(keeper.add(view(root), *wish) for wish in wishes), return_exceptions=True
    )
    assert [type(one) for one in outcomes] == [
        type(None), UnicodeEncodeError, type(None), UnicodeEncodeError, RequestError, type(None), RequestError
    ]  # fmt: skip
    assert await keeper.of(view(root)) == {"a": ["test.flat"], "c": ["test.flat"], "e": ["test.flat"]}


async def test_a_wish_that_can_settle_nothing_is_refused_alone(store: Store, root: Path) -> None:
    for session in (view(root), view(None)):
        keeper = ProjectRules(store)
        wishes = [("a", "no_mipmaps"), ("b", "seams"), ("..", "no_mipmaps"), ("c", "too_large")]
        one, bad, outside, other = await asyncio.gather(
            *(keeper.add(session, *wish) for wish in wishes), return_exceptions=True
        )
        assert (one, other) == (None, None)
        for outcome, says in ((bad, "`seams`, but no finding has that code"), (outside, "`folder` is `..`")):
            assert isinstance(outcome, RequestError) and outcome.code == errors.BAD_INPUT
            assert says in outcome.message and (NAME in outcome.message) == (session.root is not None)
        assert await keeper.of(session) == {"a": ["no_mipmaps"], "c": ["too_large"]}


async def test_a_change_by_hand_counts_at_once(store: Store, root: Path) -> None:
    keeper = ProjectRules(store)
    await keeper.add(view(root), "textures", "no_mipmaps")
    (root / NAME).write_text("")
    assert await keeper.of(view(root)) == {}


async def test_a_project_on_another_machine_has_its_rules_here(store: Store, root: Path) -> None:
    keeper = ProjectRules(store)
    await keeper.add(view(None), "textures", "no_mipmaps")
    assert await keeper.of(view(None)) == {"textures": ["no_mipmaps"]}
    assert not (root / NAME).exists()


async def test_rules_from_before_there_was_a_file_move_there_once(store: Store, root: Path) -> None:
    keep(store, "p", "no_mipmaps")
    keep(store, "q", "too_large")
    keeper = ProjectRules(store)
    assert await keeper.of(view(root)) == {"textures": ["no_mipmaps"]}
    assert (kept(store), kept(store, "q")) == ({}, {"textures": ["too_large"]})
    (root / NAME).unlink()
    assert await keeper.of(view(root)) == {}, "what people took away doesn't come back"


async def test_rules_that_no_file_can_have_keep_no_other_from_moving_there(
    store: Store, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for finding in ("no_mipmaps", "seams", "packed_order"):
        keep(store, "p", finding)
    store.write_now(lambda db: RuleStore(db).add("p", "..", "no_mipmaps"))
    keeper = ProjectRules(store)
    with caplog.at_level(logging.WARNING):
        assert await keeper.of(view(root)) == {"textures": ["no_mipmaps"]}
        assert await keeper.of(view(root)) == {"textures": ["no_mipmaps"]}
    assert config.read(root).rules() == {"textures": ["no_mipmaps"]}
    assert kept(store) == {"textures": ["packed_order", "seams"], "..": ["no_mipmaps"]}
    (told,) = [record.message for record in caplog.records if "stay there without effect" in record.message]
    assert told.startswith(f"{store.path}: the rules of the project Project: ") and NAME not in told
    assert told.endswith("3 such rules stay there without effect.")


async def test_a_code_that_is_passed_over_is_logged_once_and_the_others_hold(
    store: Store, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (root / NAME).write_text("[[always]]\nfolder = 'a'\nadvice = ['seams', 'too_large']\n")
    keeper = ProjectRules(store)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert await keeper.of(view(root)) == {"a": ["too_large"]}
    assert sum("a newer PopBridge may know it" in record.message for record in caplog.records) == 1


async def test_a_mistake_that_was_corrected_is_logged_again_when_it_is_made_again(
    store: Store, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = ProjectRules(store)
    for text in (BROKEN, "", BROKEN):
        (root / NAME).write_text(text)
        await keeper.of(view(root))
    assert sum(f"{NAME}, line 1" in record.message for record in caplog.records) == 2


async def test_a_mistake_in_the_file_is_logged_once_and_a_rule_is_refused_with_the_line(
    store: Store, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keep(store, "p", "no_mipmaps")
    (root / NAME).write_text(BROKEN)
    keeper = ProjectRules(store)
    with caplog.at_level(logging.WARNING):
        assert await keeper.of(view(root)) == {}
        assert await keeper.of(view(root)) == {}
    assert sum(f"{NAME}, line 1" in record.message for record in caplog.records) == 1
    with pytest.raises(RequestError, match="line 1"):
        await keeper.add(view(root), "textures", "too_large")
    assert (root / NAME).read_text() == BROKEN
    assert kept(store) == {"textures": ["no_mipmaps"]}, "nothing is lost meanwhile"
