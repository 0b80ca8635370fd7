"""Popups where a daemon is killed, can't write or loses a connection between two certain steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.world import Editor, World

ENOUGH = 200


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

    def is_killed(self) -> None:
        self.editor.drop()
        self.world.kill()
        self.world.start()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.world.close()


def test_an_answer_that_isnt_kept_yet_isnt_confirmed_when_it_comes_again(scene: Scene) -> None:
    world, editor = scene.world, scene.editor
    world.store.fail("the disk is full")
    editor.answer(1, state="answered", action="yes")
    scene.settle()
    editor.drop()
    editor.connect(world)
    scene.settle()
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
    assert world.bridge.flows._keeping == {}


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
    world, editor, other = scene.world, scene.editor, Editor("other")
    other.connect(world)
    scene.settle()
    other.read(ENOUGH)
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
