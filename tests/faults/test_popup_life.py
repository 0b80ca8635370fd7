"""Popups from the question to Undo, whatever dies in between: asked once, answered once, on every screen."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from bridge.core.messages import Answer, Popup
from tests.faults.world import Editor, World

STEPS = st.sampled_from([0, 1, 2, 3, 5, 8, 40])
FEW = 20
MANY = 40
"""More often nothing comes, unless it goes round in circles."""
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

    @initialize()
    def are_asked(self) -> None:
        self.bring_together()
        for which, dedupe in ((0, ""), (1, "rock")):
            self.imports(which, dedupe)
        self.bring_together()

    def teardown(self) -> None:
        try:
            self.bring_together()
            self.looks_right()
        finally:
            self.world.close()
            self.folder.cleanup()

    @rule(which=WHICH, how=st.sampled_from(["stays", "drops", "restarts"]), steps=STEPS, reads=st.booleans())
    def connects(self, which: int, how: str, steps: int, reads: bool) -> None:
        editor = self.editors[which]
        if how == "restarts":
            editor.restart()
        elif how == "drops":
            editor.drop()
        if not editor.connected:
            self.world.run(FEW)
            editor.connect(self.world)
            self.world.run(steps)
        if reads:
            editor.read(ENOUGH)
            self.world.run(steps)

    @rule(which=WHICH)
    def drops(self, which: int) -> None:
        self.editors[which].drop()

    @rule(which=WHICH)
    def loses_what_is_sent_to_it(self, which: int) -> None:
        """Its connection is dead, and nobody has noticed yet."""
        if link := self.editors[which].link:
            link.is_open = False

    @rule(which=WHICH, count=st.sampled_from([1, 2, ENOUGH]))
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

    @rule(steps=st.integers(0, 12), keeps=st.booleans())
    def is_killed(self, steps: int, keeps: bool) -> None:
        self.world.run(steps)
        if keeps:
            self.world.store.flush()
        self.world.kill()
        for editor in self.editors:
            if editor.link is not None:
                editor.link.is_open = False
        self.world.start()

    @rule(trouble=st.sampled_from(["", "the disk is full"]), seed=st.integers(0, 99))
    def keeps(self, trouble: str, seed: int) -> None:
        draws = Random(seed)
        self.world.store.dawdles = lambda: draws.randrange(FEW)
        self.world.store.fail(trouble)

    @rule()
    def gives_up_who_is_away(self) -> None:
        # In ten minutes whatever can be done is done: what an answer asks for, too.
        self.world.run(ENOUGH)
        self.world.later()

    def bring_together(self) -> None:
        """All are connected again, and have read and done everything."""
        self.world.store.fail("")
        rounds = 0
        while self.goes_on():
            rounds += 1
            assert rounds < MANY, [(each.name, each.codes[-3:]) for each in self.editors]

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
# Explaining a failure traces every line: it takes longer than all else.
TestPopupLife.settings = settings(
    max_examples=30, stateful_step_count=50, phases=set(Phase) - {Phase.explain}
)
