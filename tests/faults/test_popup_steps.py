"""Popups where a daemon is killed, can't write or loses a connection between two certain steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.world import Editor, World

ENOUGH = 200
FEW = 20


class Scene:
    """A daemon and one editor, which has two popups on its screen."""

    def __init__(self, folder: Path) -> None:
        self.world, self.editor = World(folder), Editor("only")
        self.editor.connect(self.world)
        self.settle()
        for _ in range(2):
            self.ask()
        self.settle()
        assert set(self.editor.screen) == {1, 2}

    def ask(self, dedupe: str = "") -> None:
        assert self.editor.link is not None
        self.editor.link.send("event", name="ask", data={"dedupe": dedupe} if dedupe else {})

    def settle(self) -> None:
        for _ in range(5):
            self.world.run(ENOUGH)
            self.editor.read(ENOUGH)
            self.editor.ack()

    def joined(self) -> Editor:
        """Another editor, which shows what the first does."""
        other = Editor("other")
        other.connect(self.world)
        self.settle()
        other.read(ENOUGH)
        return other

    def comes_back(self) -> None:
        self.editor.drop()
        self.editor.connect(self.world)
        self.settle()

    def is_killed(self) -> None:
        self.editor.drop()
        self.world.kill()
        self.world.start()


async def on_the_loop(function: Callable[..., Any], *arguments: Any) -> Any:
    """In place of `asyncio.to_thread`: the world's steps count turns of its loop, which no thread takes."""
    return function(*arguments)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(asyncio, "to_thread", on_the_loop)
    made = Scene(tmp_path)
    yield made
    made.world.close()


def test_an_answer_that_isnt_kept_yet_isnt_confirmed_when_it_comes_again(scene: Scene) -> None:
    world, editor = scene.world, scene.editor
    world.store.fail("the disk is full")
    editor.answer(1, state="answered", action="yes")
    scene.settle()
    scene.comes_back()
    assert set(editor.answers) == {1}
    scene.is_killed()
    editor.connect(world)
    scene.settle()
    assert editor.answers == {} and editor.done == [(1, "1")]


def test_an_answer_that_came_again_is_confirmed_once_it_is_kept(scene: Scene) -> None:
    world, editor = scene.world, scene.editor
    world.store.fail("the disk is full")
    editor.answer(1, state="dismissed")
    scene.settle()
    editor.drop()
    editor.connect(world)
    scene.settle()
    world.store.fail("")
    scene.settle()
    assert editor.answers == {} and set(editor.screen) == {2}
    assert world.bridge.flows.answers._keeping == {}


@pytest.mark.parametrize("steps", range(1, 13))
def test_an_editor_that_was_restarted_has_its_popups_again_wherever_the_daemon_was_killed(
    scene: Scene, steps: int
) -> None:
    world, editor = scene.world, scene.editor
    editor.restart()
    world.run(ENOUGH)
    editor.connect(world)
    world.run(steps)
    world.store.flush()
    scene.is_killed()
    editor.connect(world)
    scene.settle()
    assert set(editor.screen) == {1, 2}


def test_what_one_editor_cant_show_isnt_lost_when_the_other_goes(scene: Scene) -> None:
    world, editor, other = scene.world, scene.editor, scene.joined()
    editor.answer(1, state="undeliverable")
    scene.settle()
    assert set(other.screen) == {1, 2}
    other.drop()
    world.run(ENOUGH)
    world.later()
    late = Editor("late")
    late.connect(world)
    world.run(ENOUGH)
    late.read(ENOUGH)
    assert set(late.screen) == {1, 2}


def test_what_one_editor_cant_show_is_confirmed_once_it_is_the_others(scene: Scene) -> None:
    world, editor, other = scene.world, scene.editor, scene.joined()
    world.store.fail("the disk is full")
    editor.answer(1, state="undeliverable")
    scene.settle()
    scene.comes_back()
    assert set(editor.answers) == {1}
    world.store.fail("")
    scene.settle()
    assert editor.answers == {} and world.bridge.flows.answers._handing == {}
    other.drop()
    world.run(ENOUGH)
    world.later()
    scene.settle()
    assert set(editor.screen) == {1, 2}


def test_what_another_editor_answers_while_it_is_left_to_it_is_confirmed_to_both(scene: Scene) -> None:
    world, editor, other = scene.world, scene.editor, scene.joined()
    world.store.fail("the disk is full")
    editor.answer(1, state="undeliverable")
    scene.settle()
    other.answer(1, state="answered", action="yes")
    scene.settle()
    assert editor.answers and other.answers
    world.store.fail("")
    scene.settle()
    other.read(ENOUGH)
    assert editor.answers == other.answers == {}
    assert other.done == [(1, "1")] and editor.done == []


def test_what_was_left_to_an_editor_that_goes_before_it_is_kept_couldnt_be_shown(scene: Scene) -> None:
    world, editor, other = scene.world, scene.editor, scene.joined()
    world.store.fail("the disk is full")
    editor.answer(1, state="undeliverable")
    scene.settle()
    other.drop()
    world.run(ENOUGH)
    world.later()
    world.store.fail("")
    scene.settle()
    assert editor.answers == {} and set(editor.screen) == {2}
    ((status, answer),) = world.rows("SELECT status, answer FROM popups WHERE id = 1")
    assert status == "settled" and b"undeliverable" in answer


@pytest.mark.parametrize("dawdles", [(0, 0, 9, 9, 9), (9, 9, 0, 0, 0)], ids=["kept first", "ended first"])
def test_an_answer_that_isnt_kept_yet_is_acted_on_though_its_editor_was_away_too_long(
    scene: Scene, dawdles: tuple[int, ...]
) -> None:
    world, editor, other = scene.world, scene.editor, Editor("other")
    other.connect(world)
    world.run(ENOUGH)
    other.read(ENOUGH)
    world.store.fail("the disk is full")
    editor.answer(1, state="answered", action="yes")
    world.run(ENOUGH)
    editor.drop()
    world.run(ENOUGH)
    world.later()
    world.run(ENOUGH)
    drawn = iter(dawdles)
    world.store.dawdles = lambda: next(drawn, 0)
    world.store.fail("")
    world.run(ENOUGH)
    # The clock ticks at once.
    world.later(0)
    editor.connect(world)
    scene.settle()
    assert editor.answers == {} and editor.done == [(1, "1")]
    other.read(ENOUGH)
    assert 1 not in other.screen


def test_what_was_left_comes_to_an_editor_that_came_while_the_disk_was_full(scene: Scene) -> None:
    world, late = scene.world, Editor("late")
    scene.editor.drop()
    world.run(ENOUGH)
    world.later()
    world.run(ENOUGH)
    world.store.fail("the disk is full")
    late.connect(world)
    world.run(ENOUGH)
    world.store.fail("")
    world.run(ENOUGH)
    late.read(ENOUGH)
    assert set(late.screen) == {1, 2}


def test_what_was_closed_on_a_connection_that_was_dead_goes_from_the_screen(scene: Scene) -> None:
    world, editor = scene.world, scene.editor
    scene.ask("rock")
    scene.ask("rock")
    assert editor.link is not None
    # Nobody has noticed yet.
    editor.link.is_open = False
    world.run(ENOUGH)
    editor.drop()
    editor.connect(world)
    scene.settle()
    assert set(editor.screen) == {1, 2, 4}


@pytest.mark.parametrize("times", [1, 2])
def test_who_came_back_while_the_disk_was_full_isnt_taken_for_another_by_the_next_daemon(
    scene: Scene, times: int
) -> None:
    world, editor = scene.world, scene.editor
    world.store.fail("the disk is full")
    for _ in range(times):
        editor.restart()
        world.run(ENOUGH)
        editor.connect(world)
        scene.settle()
    world.store.fail("")
    world.run(ENOUGH)
    scene.is_killed()
    (live,) = world.bridge.sessions
    assert live.instance == editor.instance


def test_what_was_known_late_of_who_came_back_takes_nothing_from_what_is_known_since(scene: Scene) -> None:
    world, editor = scene.world, scene.editor
    world.store.fail("the disk is full")
    editor.restart()
    world.run(ENOUGH)
    editor.connect(world)
    scene.settle()
    world.store.flush()
    world.run(FEW)
    world.store.dawdles = lambda: 2 * ENOUGH
    world.store.fail("")
    world.run(ENOUGH)
    scene.editor.restart()
    world.run(FEW)
    editor.connect(world)
    scene.settle()
    world.run(3 * ENOUGH)
    scene.is_killed()
    (live,) = world.bridge.sessions
    assert live.instance == editor.instance


def test_who_came_and_was_restarted_while_the_disk_was_full_is_known_to_the_next_daemon(scene: Scene) -> None:
    world, late = scene.world, Editor("late")
    world.store.fail("the disk is full")
    for _ in range(2):
        late.restart()
        late.connect(world)
        world.run(ENOUGH)
        late.read(ENOUGH)
    drawn = iter([FEW])
    world.store.dawdles = lambda: next(drawn, 0)
    world.store.fail("")
    world.run(ENOUGH)
    late.drop()
    scene.is_killed()
    assert late.instance in [live.instance for live in world.bridge.sessions]


@pytest.mark.parametrize("steps", range(1, 13))
def test_what_a_session_leaves_while_others_popups_are_taken_over_comes_too(scene: Scene, steps: int) -> None:
    world, away, late = scene.world, Editor("away"), Editor("late")
    away.connect(world)
    world.run(ENOUGH)
    away.read(ENOUGH)
    assert away.link is not None
    away.link.send("event", name="ask", data={})
    world.run(ENOUGH)
    world.store.fail("the disk is full")
    scene.editor.drop()
    away.drop()
    world.run(ENOUGH)
    world.later()
    world.run(ENOUGH)
    late.connect(world)
    world.run(ENOUGH)
    dawdles = [0, ENOUGH, 0, 0, steps]
    world.store.dawdles = lambda: dawdles.pop(0) if dawdles else 0
    world.store.fail("")
    # The end of one session is kept, and who came, when the disk is full again; later the other end is.
    while not (left := world.rows("SELECT id FROM sessions WHERE closed = 1")):
        world.run(1)
    assert len(left) == 1
    world.store.fail("the disk is full")
    world.run(2 * ENOUGH)
    world.store.fail("")
    world.run(ENOUGH)
    late.read(ENOUGH)
    assert set(late.screen) == {1, 2, 3}
