"""A session outlives its sockets: each numbered message is handled once and in order, come what may."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bridge.core import errors, session
from bridge.core.errors import LocalProtocolError
from bridge.core.messages import (
    Ack,
    Action,
    Answer,
    Cancel,
    Command,
    Error,
    Event,
    Numbered,
    Popup,
    PopupClose,
    Request,
    Result,
)
from bridge.core.session import Session
from tests.core.clients import refusal

ACTIONS = [Action(id="apply", label="Apply")]


def test_numbers_start_at_one_and_have_no_gaps() -> None:
    s = Session("s", now=0)
    assert [s.number(Event(name="e")).seq for _ in range(3)] == [1, 2, 3]
    assert [m.seq for m in s.waiting] == [1, 2, 3]


def test_something_is_owed_until_all_is_acknowledged_answered_and_closed() -> None:
    s = Session("s", now=0)
    assert not s.is_owed
    s.receive(Request(id=1, workload="w"))
    assert s.is_owed
    s.number(Result(id=1, value=None))
    assert s.is_owed
    s.receive(Ack(seq=1))
    assert not s.is_owed
    s.number(Command(id=1, name="c", args={}, deadline_ms=1))
    s.receive(Ack(seq=2))
    assert s.is_owed
    s.receive(Result(id=1, value=None))
    assert not s.is_owed
    popup = s.number(Popup(id=1, kind="k", title="t", body="", actions=ACTIONS))
    s.popups.open(popup, 0)
    s.receive(Ack(seq=3))
    assert s.is_owed
    s.receive(Answer(id=1, state="dismissed"))
    assert not s.is_owed


def test_an_acknowledgement_takes_in_all_numbers_below_it_and_may_be_repeated() -> None:
    s = Session("s", now=0)
    for _ in range(3):
        s.number(Event(name="e"))
    for seq in (2, 2, 1):
        assert s.receive(Ack(seq=seq)) is None
        assert [m.seq for m in s.waiting] == [3]


def test_acknowledging_what_was_never_sent_is_refused() -> None:
    s = Session("s", now=0)
    s.number(Event(name="e"))
    error = refusal(s.receive, Ack(seq=2))
    assert error.close is errors.WRONG_VALUE
    assert "'seq'" in error.reason


def test_a_client_that_never_acknowledges_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MAX_OUTBOX", 2)
    s = Session("s", now=0)
    s.number(Event(name="e"))
    s.number(Event(name="e"))
    assert refusal(s.number, Event(name="e")).close is errors.TOO_SLOW
    s.receive(Ack(seq=1))
    assert s.number(Event(name="e")).seq == 3


def test_the_id_of_an_open_request_cannot_be_used_again_until_it_is_answered() -> None:
    s = Session("s", now=0)
    asked = Request(id=1, workload="w")
    s.receive(asked)
    assert "'id'" in refusal(s.receive, asked).reason
    s.number(Result(id=1, value=None))
    s.receive(asked)
    s.number(Error(id=1, code="internal", message="m"))
    s.receive(asked)
    s.number(Error(code="internal", message="about no request"))
    assert set(s.requests) == {1}


def test_a_request_asked_once_more_shows_by_its_key_until_its_answer_is_acknowledged() -> None:
    s = Session("s", now=0)
    asked = Request(id=1, workload="w", key="k")
    assert not s.repeats(asked)
    s.receive(asked)
    assert s.repeats(asked)
    for other in (
        Request(id=1, workload="w"),
        Request(id=1, workload="w", key="l"),
        Request(id=2, workload="w", key="k"),
    ):
        assert not s.repeats(other)
    assert "'id'" in refusal(s.receive, asked).reason
    s.number(Result(id=1, value=None))
    assert s.repeats(asked)
    s.receive(Ack(seq=1))
    assert not s.repeats(asked)
    s.receive(asked)
    s.number(Error(id=1, code="overloaded", message="m", outcome="not_started"))
    assert not s.repeats(asked)


def test_an_id_may_be_another_requests_before_its_answer_is_acknowledged() -> None:
    s = Session("s", now=0)
    s.receive(Request(id=1, workload="w", key="k"))
    s.number(Result(id=1, value=None))
    s.receive(Request(id=1, workload="w"))
    assert not s.repeats(Request(id=1, workload="w", key="k"))


def test_a_restarted_client_repeats_nothing() -> None:
    s = Session("s", now=0)
    for number in (1, 2):
        s.receive(Request(id=number, workload="w", key="k"))
    s.number(Result(id=1, value=None))
    s.client_restarted()
    for number in (1, 2):
        assert not s.repeats(Request(id=number, workload="w", key="k"))
        s.receive(Request(id=number, workload="w", key="k"))


def test_a_stored_answer_settles_its_request() -> None:
    s = Session("s", now=0)
    asked = Request(id=1, workload="w", key="k")
    s.receive(asked)
    s.restore(Result(id=1, value=None, seq=5), now=0)
    assert s.requests == {}
    assert s.repeats(asked)
    assert s.attach(0) == (Result(id=1, value=None, seq=5),)


def test_a_command_is_settled_by_its_first_answer() -> None:
    s = Session("s", now=0)
    command = s.number(Command(id=7, name="texture.apply", args={}, deadline_ms=1000))
    assert s.receive(Result(id=7, value={})) == command
    assert s.receive(Result(id=7, value={})) is None
    second = s.number(Command(id=8, name="texture.apply", args={}, deadline_ms=1000))
    assert s.receive(Error(code="unsupported", message="about no command")) is None
    assert s.receive(Error(id=8, code="unsupported", message="m")) == second


def test_a_command_whose_answer_was_lost_comes_again_although_it_was_handled() -> None:
    s = Session("s", now=0)
    command = s.number(Command(id=7, name="texture.apply", args={}, deadline_ms=1000))
    s.number(Event(name="e"))
    assert s.attach(last_seq=2) == (command,)
    s.receive(Ack(seq=2))
    assert s.waiting == (command,)
    s.receive(Result(id=7, value={}))
    assert s.waiting == ()


def test_commands_that_wait_for_their_answers_keep_their_order() -> None:
    s = Session("s", now=0)
    commands = tuple(s.number(Command(id=n, name="c", args={}, deadline_ms=1000)) for n in range(3))
    later = s.number(Event(name="e"))
    s.receive(Ack(seq=3))
    assert s.waiting == (*commands, later)
    s.receive(Result(id=1, value={}))
    assert s.waiting == (commands[0], commands[2], later)


def test_an_answer_settles_a_popup_and_is_confirmed() -> None:
    s = Session("s", now=0)
    popup = s.number(Popup(id=1, kind="k", title="t", body="b", actions=ACTIONS))
    s.popups.open(popup, now=0)
    answer = Answer(id=1, state="answered", action="apply")
    assert s.receive(answer) == PopupClose(id=1, reason="answered")
    assert s.receive(answer) == PopupClose(id=1, reason="unknown")


def test_events_and_cancels_are_only_noted() -> None:
    s = Session("s", now=0)
    assert s.receive(Event(name="e")) is None
    assert s.receive(Cancel(id=1)) is None


def test_a_session_waits_its_keep_time_for_its_editor() -> None:
    s = Session("s", now=0, keep_s=600)
    assert not s.attached
    assert s.expired(now=600)
    s.attach()
    assert s.attached
    assert not s.expired(now=10_000)
    s.detach(now=10_000)
    assert not s.expired(now=10_599)
    assert s.expired(now=10_600)


def test_a_session_read_back_goes_on_where_it_was() -> None:
    s = Session("s", now=0, seq=9)
    command = Command(id=1, name="c", args={}, deadline_ms=1, seq=4)
    popup = Popup(id=2, kind="k", title="t", body="b", actions=ACTIONS, seq=6)
    for message in (command, popup):
        s.restore(message, now=0)
    assert s.waiting == (command, popup)
    assert s.receive(Result(id=1, value=None)) == command
    assert 2 in s.popups
    assert s.number(Event(name="e")).seq == 10


def test_a_session_whose_stored_number_lags_goes_on_above_its_messages() -> None:
    s = Session("s", now=0, seq=2)
    s.restore(Event(name="e", seq=5), now=0)
    assert s.number(Event(name="e")).seq == 6


@pytest.mark.parametrize("seqs", [[2, 2], [3, 1], [None]])
def test_a_store_that_gives_messages_out_of_order_is_our_own_fault(seqs: list[Any]) -> None:
    s = Session("s", now=0)
    with pytest.raises(LocalProtocolError):
        for seq in seqs:
            s.restore(Event(name="e", seq=seq) if seq else Event(name="e"), now=0)


def test_a_daemon_that_forgot_numbers_goes_on_above_those_that_the_client_has_seen() -> None:
    s = Session("s", now=0, seq=3)
    assert s.attach(last_seq=8) == ()
    assert s.number(Event(name="e")).seq == 9


class SessionMachine(RuleBasedStateMachine):
    """A server's session and a client that keeps the contract, with sockets that drop at any moment.

    The client handles messages in order, acknowledges when it likes, and comes back with any number that
    it may have kept: from the last one that it acknowledged to the last one that it handled.
    """

    KEEP_S = 10.0

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.session = Session("s", self.now, keep_s=self.KEEP_S)
        self.sent: list[Numbered] = []
        self.to_client: deque[Numbered] = deque()
        self.to_server: deque[Any] = deque()
        self.handled: list[Numbered] = []
        self.answers: dict[int, Result] = {}
        self.settled: list[int] = []
        self.acknowledged = 0
        self.connect(0)

    def connect(self, last_seq: int) -> None:
        self.to_client = deque(self.session.attach(last_seq))
        self.to_server = deque()

    @rule(kind=st.sampled_from(["event", "result", "command", "popup"]))
    def server_sends(self, kind: str) -> None:
        next_id = len(self.sent)
        message: Numbered = {
            "event": Event(name="job.done", data={"n": next_id}),
            "result": Result(id=next_id, value=next_id),
            "command": Command(id=next_id, name="texture.apply", args={}, deadline_ms=1000),
            "popup": Popup(id=next_id, kind="k", title="t", body="b", actions=ACTIONS),
        }[kind]
        numbered = self.session.number(message)
        self.sent.append(numbered)
        if self.session.attached:
            self.to_client.append(numbered)

    @precondition(lambda self: self.to_client)
    @rule()
    def client_handles(self) -> None:
        message = self.to_client.popleft()
        assert isinstance(message.seq, int)
        if message.seq == len(self.handled) + 1:
            self.handled.append(message)
            if isinstance(message, Command):
                self.answers[message.id] = Result(id=message.id, value=None)
        # A repetition is passed over; only a command is answered again, with the answer that was kept.
        assert message == self.handled[message.seq - 1]
        if isinstance(message, Command):
            self.to_server.append(self.answers[message.id])

    @precondition(lambda self: self.session.attached and len(self.handled) > self.acknowledged)
    @rule(data=st.data())
    def client_acknowledges(self, data: st.DataObject) -> None:
        self.to_server.append(Ack(seq=data.draw(st.integers(self.acknowledged + 1, len(self.handled)))))

    @precondition(lambda self: self.to_server)
    @rule()
    def server_receives(self) -> None:
        message = self.to_server.popleft()
        settled = self.session.receive(message)
        if isinstance(message, Ack):
            self.acknowledged = max(self.acknowledged, message.seq)
        if settled is not None:
            self.settled.append(settled.id)

    @precondition(lambda self: self.session.attached)
    @rule()
    def socket_drops(self) -> None:
        self.session.detach(self.now)
        self.to_client.clear()
        self.to_server.clear()

    @rule(data=st.data())
    def client_comes_back(self, data: st.DataObject) -> None:
        if not self.session.expired(self.now):
            self.connect(data.draw(st.integers(self.acknowledged, len(self.handled))))

    @rule()
    def daemon_is_killed_and_restarts(self) -> None:
        old = self.session
        self.session = Session("s", self.now, keep_s=self.KEEP_S, seq=old.seq)
        for message in old.waiting:
            self.session.restore(message, self.now)
        # What was acknowledged is gone from the store, and with it every command that was answered.
        self.session.commands = {k: v for k, v in self.session.commands.items() if k in old.commands}
        self.to_client.clear()
        self.to_server.clear()

    @rule(seconds=st.floats(0, 6))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        assert not (self.session.attached and self.session.expired(self.now))

    @invariant()
    def each_message_is_handled_once_and_in_order(self) -> None:
        assert self.handled == self.sent[: len(self.handled)]
        assert len(self.settled) == len(set(self.settled))

    @invariant()
    def whatever_is_not_handled_is_kept(self) -> None:
        kept = [m.seq for m in self.session.waiting]
        assert kept == sorted(kept)
        assert set(range(len(self.handled) + 1, self.session.seq + 1)) <= set(kept)

    def teardown(self) -> None:
        self.connect(len(self.handled))
        while self.to_client:
            self.client_handles()
        while self.to_server:
            self.server_receives()
        assert self.handled == self.sent
        commands = {m.id for m in self.sent if isinstance(m, Command)}
        assert set(self.settled) == commands
        assert not self.session.commands


TestSessionMachine = SessionMachine.TestCase


def test_a_message_that_couldnt_be_kept_was_never_numbered() -> None:
    session = Session("s", 0.0)
    first = session.number(Event(name="a"))
    command = session.number(Command(id=7, name="c", args={}, deadline_ms=1))
    session.take_back(command)
    assert (session.seq, session.waiting, session.commands) == (1, (first,), {})
    assert session.number(Event(name="b")).seq == 2
    with pytest.raises(LocalProtocolError):
        session.take_back(first)


def test_nothing_is_taken_back_from_an_empty_outbox() -> None:
    session = Session("s", 0.0)
    with pytest.raises(LocalProtocolError):
        session.take_back(Event(name="a", seq=0))


def test_a_session_ages_while_a_popup_can_expire() -> None:
    s = Session("s", now=0)
    popup = s.number(Popup(id=1, kind="k", title="t", body="", actions=ACTIONS, expires_ms=5000))
    s.popups.open(popup, 0)
    assert s.unacknowledged == 1
    assert s.ageing and s.popups.expiring


def test_a_command_that_was_never_sent_can_be_taken_back() -> None:
    s = Session("s", now=0)
    command = s.number(Command(id=1, name="c", args={}, deadline_ms=1))
    s.take_back(command)
    assert s.unacknowledged == 0 and not s.commands


def test_a_result_can_be_taken_back_without_touching_commands() -> None:
    s = Session("s", now=0)
    event = s.number(Event(name="e"))
    s.take_back(event)
    assert s.unacknowledged == 0
