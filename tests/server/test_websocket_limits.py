"""How many connections there may be."""

from __future__ import annotations

from contextlib import ExitStack

from bridge.server.websocket import ConnectionLimiter


def test_connections_are_taken_up_to_the_limit_and_again_when_one_ends() -> None:
    limiter = ConnectionLimiter(2, 9)
    with ExitStack() as open_:
        for _ in range(2):
            assert limiter.refusal() is None
            open_.enter_context(limiter.count())
        assert "2 connections, the limit" in (limiter.refusal() or "")
    assert (limiter.open, limiter.unidentified, limiter.refusal()) == (0, 0, None)


def test_those_that_have_identified_make_room_for_those_that_havent() -> None:
    limiter = ConnectionLimiter(9, 1)
    with limiter.count() as identified:
        assert "1 connections have not identified" in (limiter.refusal() or "")
        identified()
        assert limiter.refusal() is None
        identified()
    assert (limiter.open, limiter.unidentified) == (0, 0)
