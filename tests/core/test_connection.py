"""A connection begins with `identify`, once and in time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bridge.core import errors
from bridge.core.errors import CloseCode
from bridge.core.messages import (
    IDENTIFY_TIMEOUT_S,
    PROTOCOL,
    Ack,
    Action,
    Cancel,
    Event,
    Request,
)
from bridge.core.session import TRANSITIONS, Connection, State
from tests.core.clients import identify, refusal

ACTIONS = [Action(id="apply", label="Apply")]


def test_a_connection_opens_with_identify() -> None:
    connection = Connection(now=0, features=frozenset({"popups"}))
    connection.receive(identify(features=["popups"]))
    assert connection.state is State.OPEN
    assert connection.receive(Cancel(id=1)) == Cancel(id=1)
    connection.tick(now=1000)


@pytest.mark.parametrize(
    ("message", "close", "says"),
    [
        (Cancel(id=1), errors.NOT_IDENTIFIED, "'identify'"),
        (identify(protocol=PROTOCOL + 1), errors.PROTOCOL_UNSUPPORTED, "update the daemon"),
        (identify(protocol=PROTOCOL - 1), errors.PROTOCOL_UNSUPPORTED, "update the client"),
        (identify(features=["popups", "teleport"]), errors.FEATURE_UNSUPPORTED, "'teleport'"),
    ],
)
def test_a_connection_that_begins_otherwise_is_refused_with_what_to_do(
    message: Any, close: CloseCode, says: str
) -> None:
    connection = Connection(now=0, features=frozenset({"popups"}))
    error = refusal(connection.receive, message)
    assert error.close is close
    assert says in error.wire_reason
    assert connection.state is State.GREETED


def test_identify_comes_once() -> None:
    connection = Connection(now=0)
    connection.receive(identify())
    assert refusal(connection.receive, identify()).close is errors.ALREADY_IDENTIFIED


def test_a_client_that_does_not_identify_in_time_is_refused() -> None:
    connection = Connection(now=100)
    connection.tick(now=100 + IDENTIFY_TIMEOUT_S - 0.01)
    assert refusal(connection.tick, 100 + IDENTIFY_TIMEOUT_S).close is errors.NOT_IDENTIFIED


class ConnectionMachine(RuleBasedStateMachine):
    """Any order of messages, ticks and closes takes only the transitions of the table."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.connection = Connection(self.now)
        self.expected = State.GREETED

    @rule(protocol=st.sampled_from([PROTOCOL, PROTOCOL, 0, 9]), features=st.sampled_from([[], ["x"]]))
    def send_identify(self, protocol: int, features: list[str]) -> None:
        message = identify(protocol=protocol, features=features)
        if self.expected is State.GREETED and protocol == PROTOCOL and not features:
            self.connection.receive(message)
            self.expected = TRANSITIONS[self.expected, "identify"]
        else:
            refusal(self.connection.receive, message)

    @rule(message=st.sampled_from([Cancel(id=1), Ack(seq=1), Event(name="e"), Request(id=1, workload="w")]))
    def send_other(self, message: Any) -> None:
        if self.expected is State.OPEN:
            assert self.connection.receive(message) is message
        else:
            assert refusal(self.connection.receive, message).close is errors.NOT_IDENTIFIED

    @rule(seconds=st.floats(0, 6))
    def tick(self, seconds: float) -> None:
        self.now += seconds
        if self.expected is State.GREETED and self.now >= IDENTIFY_TIMEOUT_S:
            refusal(self.connection.tick, self.now)
        else:
            self.connection.tick(self.now)

    @rule()
    def close(self) -> None:
        self.connection.close()
        self.expected = TRANSITIONS[self.expected, "close"]

    @invariant()
    def the_state_is_what_the_table_says(self) -> None:
        assert self.connection.state is self.expected


TestConnectionMachine = ConnectionMachine.TestCase
