"""Codec, connection and session as one machine, which is fed whatever a peer may send, in any order."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from bridge.core.codec import SUBPROTOCOLS, client_codec, server_codec
from bridge.core.errors import RemoteProtocolError
from bridge.core.messages import (
    CLIENT_MESSAGES,
    Ack,
    Command,
    Error,
    Event,
    Identify,
    Numbered,
    Popup,
    Result,
)
from bridge.core.session import Connection, Session, State
from tests.core.clients import identify
from tests.core.strategies import messages
from tools.bench.fuzz import damaged

# JSON holds no bytes in a free field, so that what is common to both subprotocols is sent.
SERVER = messages((Result, Error, Event, Command, Popup), binary=False)
CLIENT = messages(CLIENT_MESSAGES, binary=False)


class WiredSession(RuleBasedStateMachine):
    """Whatever bytes come: one kind of error, and a session that has kept exactly what isn't acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.session = Session("s", self.now)
        self.connection: Connection | None = None
        self.sent: list[Numbered] = []
        self.commands: set[int] = set()
        self.acked = 0

    @initialize(subprotocol=st.sampled_from(SUBPROTOCOLS))
    def speak(self, subprotocol: str) -> None:
        self.ours, self.theirs = server_codec(subprotocol), client_codec(subprotocol)

    def frame(self, message: Any) -> Any:
        """As a client's library gives it to the socket."""
        data = self.ours.encode(message)
        return data.decode() if self.ours.is_text else data

    @rule(message=SERVER)
    def server_sends(self, message: Any) -> None:
        # Ids of commands are the daemon's own.
        message = replace(message, seq=len(self.sent) + 1)
        if isinstance(message, Command):
            message = replace(message, id=len(self.sent))
            self.commands.add(message.id)
        numbered = self.session.number(message)
        assert numbered.seq == len(self.sent) + 1
        self.sent.append(numbered)
        assert self.theirs.decode(self.frame(numbered)) == numbered

    @precondition(lambda self: self.connection is not None)
    @rule(message=CLIENT)
    def client_sends(self, message: Any) -> None:
        self.receive(self.frame(message))

    @precondition(lambda self: self.connection is not None)
    @rule(message=CLIENT, seed=st.integers(0, 1 << 20))
    def damage_arrives(self, message: Any, seed: int) -> None:
        data = damaged(self.ours.encode(message), random.Random(seed))
        self.receive(data.decode(errors="replace") if self.ours.is_text else data)

    @precondition(lambda self: self.connection is not None)
    @rule(data=st.data())
    def client_acknowledges(self, data: st.DataObject) -> None:
        self.receive(self.frame(Ack(seq=data.draw(st.integers(self.acked, len(self.sent) + 1)))))

    @precondition(lambda self: self.connection is not None and self.commands)
    @rule(data=st.data())
    def client_answers(self, data: st.DataObject) -> None:
        self.receive(self.frame(Result(id=data.draw(st.sampled_from(sorted(self.commands))), value=None)))

    def receive(self, frame: Any) -> None:
        """As the daemon does it: an error closes the connection."""
        assert self.connection is not None
        try:
            message = self.connection.receive(self.ours.decode(frame))
            self.session.receive(message)
        except RemoteProtocolError:
            self.drops()
            return
        if isinstance(message, Ack):
            self.acked = max(self.acked, message.seq)
        elif isinstance(message, Result | Error) and isinstance(message.id, int):
            self.commands.discard(message.id)

    @precondition(lambda self: self.connection is not None)
    @rule()
    def drops(self) -> None:
        assert self.connection is not None
        self.connection.close()
        assert self.connection.state is State.CLOSED
        self.connection = None
        self.session.detach(self.now)

    @precondition(lambda self: self.connection is None)
    @rule(data=st.data())
    def comes_back(self, data: st.DataObject) -> None:
        last_seq = data.draw(st.integers(self.acked, len(self.sent)))
        self.connection = Connection(self.now)
        assert isinstance(self.connection.receive(self.ours.decode(self.frame(identify()))), Identify)
        self.acked = max(self.acked, last_seq)
        assert list(self.session.attach(last_seq)) == self.kept()

    def kept(self) -> list[Numbered]:
        """What a client has yet to handle, or to answer."""
        return [
            m
            for m in self.sent
            if (isinstance(m.seq, int) and m.seq > self.acked)
            or (isinstance(m, Command) and m.id in self.commands)
        ]

    @invariant()
    def exactly_what_isnt_acknowledged_is_kept_in_order(self) -> None:
        assert list(self.session.waiting) == self.kept()


TestWiredSession = WiredSession.TestCase
TestWiredSession.settings = settings(max_examples=60, stateful_step_count=40)
