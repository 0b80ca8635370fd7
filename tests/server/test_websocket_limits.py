"""How many connections there may be."""

from __future__ import annotations

from contextlib import ExitStack

from bridge.server.websocket import ConnectionLimiter


def test_connections_are_taken_up_to_the_limit_and_again_when_one_ends() -> None:
    gate = ConnectionLimiter(2, 9)
    with ExitStack() as open_:
        for _ in range(2):
            assert gate.refusal() is None
            open_.enter_context(gate.entered())
        assert "2 connections, the limit" in (gate.refusal() or "")
    assert (gate.open, gate.unidentified, gate.refusal()) == (0, 0, None)


def test_those_that_have_identified_make_room_for_those_that_havent() -> None:
    gate = ConnectionLimiter(9, 1)
    with gate.entered() as identified:
        assert "1 connections have not identified" in (gate.refusal() or "")
        identified()
        assert gate.refusal() is None
        identified()
    assert (gate.open, gate.unidentified) == (0, 0)
