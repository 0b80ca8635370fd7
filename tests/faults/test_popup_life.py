"""Popups from the question to Undo, whatever dies in between: asked once, answered once, on every screen."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from bridge.core.messages import Answer, Popup
from tests.faults.world import Editor, World

STEPS = st.integers(0, 40)
WHICH = st.sampled_from([0, 1])
ENOUGH = 400
"""Steps of the loop in which everything that can be done is done."""


class PopupLife(RuleBasedStateMachine):
    """Two editors of one project, and a daemon that is killed, can't write, or forgets who is away."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.editors = [Editor("first"), Editor("second")]
        self.wiped = False
        self.log: list[Any] = []

    def teardown(self) -> None:
        try:
            self.everything_is_in_order()
        finally:
            self.world.close()
            self.folder.cleanup()

    @rule(which=WHICH)
    def connects(self, which: int) -> None:
        if not self.editors[which].connected:
            self.editors[which].connect(self.world)

    @rule(which=WHICH)
    def drops(self, which: int) -> None:
        self.editors[which].drop()

    @rule(which=WHICH)
    def restarts(self, which: int) -> None:
        self.editors[which].restart()

    @rule(which=WHICH, count=st.integers(1, 5))
    def reads(self, which: int, count: int) -> None:
        self.editors[which].read(count)

    @rule(which=WHICH)
    def acknowledges(self, which: int) -> None:
        self.editors[which].ack()

    @rule(which=WHICH, fails=st.booleans())
    def cant_do_what_it_is_told(self, which: int, fails: bool) -> None:
        self.editors[which].fails = fails

    @rule(which=WHICH, dedupe=st.sampled_from(["", "rock"]))
    def imports(self, which: int, dedupe: str) -> None:
        if link := self.editors[which].link:
            link.send("event", name="ask", data={"dedupe": dedupe} if dedupe else {})

    @precondition(lambda self: any(editor.screen for editor in self.editors))
    @rule(
        data=st.data(), said=st.sampled_from(["yes", "yes", "yes", "no", "dismissed", "undeliverable"]),
    )  # fmt: skip
    def answers(self, data: st.DataObject, said: str) -> None:
        editor = data.draw(st.sampled_from([each for each in self.editors if each.screen]))
        popup = data.draw(st.sampled_from(sorted(editor.screen)))
        is_action = said in ("yes", "no")
        if said == "undeliverable":
            editor.unshown.add(popup)
        editor.answer(popup, **({"state": "answered", "action": said} if is_action else {"state": said}))

    @rule(steps=STEPS)
    def runs(self, steps: int) -> None:
        self.world.run(steps)

    @rule()
    def is_killed(self) -> None:
        self.world.kill()
        for editor in self.editors:
            if editor.link is not None:
                editor.link.is_open = False
        self.world.start()

    @rule(trouble=st.sampled_from(["", "the disk is full"]))
    def keeps(self, trouble: str) -> None:
        self.world.store.fail(trouble)

    @rule()
    def keeps_what_waits(self) -> None:
        self.world.store.flush()

    @rule()
    def gives_up_who_is_away(self) -> None:
        # In ten minutes whatever can be done is done: what an answer asks for, too.
        self.world.store.fail("")
        self.world.run(ENOUGH)
        self.world.later()

    @rule()
    def everything_is_in_order(self) -> None:
        """Once all are connected again, and have read and done everything."""
        self.world.store.fail("")
        while self.goes_on():
            pass
        self.looks_right()

    def goes_on(self) -> bool:
        """Whether anything came."""
        for editor in self.editors:
            if not editor.connected:
                editor.connect(self.world)
        self.world.run(ENOUGH)
        self.world.store.flush()
        read = [editor.read(ENOUGH) for editor in self.editors]
        for editor in self.editors:
            editor.ack()
        self.world.run(ENOUGH)
        return any(read) or not all(editor.connected for editor in self.editors)

    def looks_right(self) -> None:
        rows = self.world.rows("SELECT id, status, answer, message FROM popups ORDER BY id")
        is_open = {number for number, status, *_ in rows if status == "open"}
        for editor in self.editors:
            shown = set(editor.screen)
            says = f"{editor.name} shows {shown}, not {is_open}"
            assert is_open - editor.unshown <= shown <= is_open, says
            assert editor.answers == {}, "an answer isn't confirmed"
        assert all(status in ("open", "settled") for _, status, *_ in rows), "an answer wasn't acted on"
        about_rock = [number for number, _, _, message in rows if _dedupe(message) == "rock"]
        assert not is_open & set(about_rock[:-1]), "one is asked whose place another has taken"
        lost = [
            number
            for number, status, answer, _ in rows
            if status == "settled" and answer is None and number not in about_rock[:-1]
        ]
        assert not lost, "nobody was asked, or an answer was lost"
        self.was_done_once(rows)

    def was_done_once(self, rows: list[Any]) -> None:
        yes = {number for number, _, answer, _ in rows if answer and _action(answer) == "yes"}
        receipts = self.world.rows("SELECT id, parent, state, reverts FROM receipts")
        assert all(state != "sent" for _, _, state, _ in receipts), "a command isn't answered"
        parents = [parent for _, parent, _, _ in receipts]
        assert len(parents) == len(set(parents)) and set(parents) <= yes, (
            "something was done twice, or unasked"
        )
        asked = {number for number, _, _, message in rows if _popup(message).kind == "ask"}
        assert yes & asked <= set(parents), "what was asked for wasn't done"
        done = [command for editor in self.editors for command, _ in editor.done]
        assert len(done) == len(set(done)), "a command was carried out twice"
        applied = {number for number, _, state, _ in receipts if state == "applied"}
        assert applied <= set(done)


def _popup(message: bytes) -> Popup:
    return msgspec.msgpack.decode(message, type=Popup)


def _dedupe(message: bytes) -> Any:
    return _popup(message).dedupe


def _action(answer: bytes) -> Any:
    return msgspec.msgpack.decode(answer, type=Answer).action


TestPopupLife = PopupLife.TestCase
TestPopupLife.settings = settings(max_examples=20, stateful_step_count=50)
