"""How many connections there may be."""

from __future__ import annotations

from contextlib import ExitStack

from bridge.server.websocket import ConnectionLimiter


def test_connections_are_taken_up_to_the_limit_and_again_when_one_ends() -> None:
    limiter = ConnectionLimiter(2)
    with ExitStack() as open_:
        for _ in range(2):
            assert limiter.refusal() is None
            open_.enter_context(limiter.count())()
        assert "2 connections, the limit" in (limiter.refusal() or "")
    assert (limiter.open, limiter.unidentified, limiter.refusal()) == (0, 0, None)


def test_those_that_havent_identified_keep_nobody_out() -> None:
    limiter = ConnectionLimiter(1)
    with limiter.count(), limiter.count() as identified:
        assert limiter.refusal() is None
        identified()
        assert limiter.refusal()
        identified()
    assert (limiter.open, limiter.unidentified) == (0, 0)
