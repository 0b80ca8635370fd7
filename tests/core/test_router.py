"""A request is admitted once, and ends once: answered, cancelled, overdue or with its session."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bridge.core import errors
from bridge.core.errors import LocalProtocolError, RequestError
from bridge.core.messages import Request
from bridge.core.router import MAX_STALE_DEADLINES, RETRY_SHARE, Load, Router, Target


def request(request_id: int, workload: str = "image.inspect", **fields: Any) -> Request:
    return Request(id=request_id, workload=workload, **fields)


def refusal(router: Router, session: str, asked: Request) -> RequestError:
    with pytest.raises(RequestError) as caught:
        router.admit(session, asked, now=0)
    return caught.value


def test_a_request_goes_to_the_workload_or_the_advisor_that_has_its_name() -> None:
    router = Router(["image.inspect"], asks=["popup.ask"])
    assert router.admit("s", request(1), now=0).target is Target.WORKLOAD
    assert router.admit("s", request(2, "popup.ask"), now=0).target is Target.ADVISOR
    assert "popup.ask" in router and "popup.tell" not in router


def test_a_workload_that_is_not_there_is_named_in_the_refusal() -> None:
    error = refusal(Router(["image.inspect"]), "s", request(1, "image.inspcet"))
    assert error.code is errors.UNKNOWN_WORKLOAD
    assert "image.inspcet" in error.message


def test_a_session_may_have_so_many_requests_open_and_others_do_not_suffer() -> None:
    router = Router(["image.inspect"], inflight=2)
    for request_id in (1, 2):
        router.admit("greedy", request(request_id), now=0)
    assert refusal(router, "greedy", request(3)).code is errors.OVERLOADED
    router.admit("other", request(1), now=0)
    router.finish("greedy", 1)
    router.admit("greedy", request(3), now=0)


def test_all_sessions_together_may_have_so_many_requests_open() -> None:
    router = Router(["image.inspect"], inflight_total=2)
    router.admit("a", request(1), now=0)
    router.admit("b", request(1), now=0)
    error = refusal(router, "c", request(1))
    assert error.code is errors.OVERLOADED
    assert error.code.retryable


def test_a_deadline_counts_from_admission_and_the_bridge_has_one_for_those_without() -> None:
    router = Router(["image.inspect"], deadline_ms=5000)
    router.admit("s", request(1, deadline_ms=1000), now=100)
    router.admit("s", request(2), now=100)
    assert router.overdue(now=100.9) == []
    assert [t.request for t in router.overdue(now=101)] == [1]
    assert [t.request for t in router.overdue(now=105)] == [2]
    assert len(router) == 0


@pytest.mark.parametrize("fields", [{"key": "k"}, {"priority": "bulk"}])
def test_what_is_promised_waits_as_long_as_it_takes_unless_it_has_a_deadline(fields: dict[str, Any]) -> None:
    router = Router(["image.inspect"], deadline_ms=5000)
    assert router.admit("s", request(1, **fields), now=0).journalled
    router.admit("s", request(2, deadline_ms=1000, **fields), now=0)
    assert [t.request for t in router.overdue(now=1e9)] == [2]
    assert router.find("s", 2) is None
    assert router.find("s", 1) is not None


def test_what_was_promised_is_open_again_also_where_there_is_room_for_nothing_else() -> None:
    router = Router([], inflight=1, inflight_total=1)
    for request_id in (1, 2):
        router.readmit("s", request(request_id, "gone.away", key="k", deadline_ms=1000), now=5)
    assert [(t.request, t.journalled) for t in router.overdue(now=6)] == [(1, True), (2, True)]
    assert len(router) == 0


def test_an_advisor_takes_no_key_and_promises_nothing() -> None:
    router = Router(["image.inspect"], asks=["popup.ask"])
    error = refusal(router, "s", request(1, "popup.ask", key="k"))
    assert error.code is errors.UNSUPPORTED
    assert "popup.ask" in error.message
    assert not router.admit("s", request(2, "popup.ask", priority="bulk"), now=0).journalled


def test_a_request_that_took_the_id_of_an_answered_one_keeps_its_own_deadline() -> None:
    router = Router(["image.inspect"])
    router.admit("s", request(1, deadline_ms=1000), now=0)
    router.finish("s", 1)
    router.admit("s", request(1, deadline_ms=9000), now=0)
    assert router.overdue(now=5) == []
    assert len(router.overdue(now=9)) == 1


def test_a_session_that_ends_takes_its_requests_with_it() -> None:
    router = Router(["image.inspect"])
    for session in ("gone", "here"):
        router.admit(session, request(1), now=0)
    assert [t.key for t in router.drop_session("gone")] == [("gone", 1)]
    assert router.finish("gone", 1) is None
    assert router.finish("here", 1) is not None


def test_admitting_an_open_id_is_our_own_mistake() -> None:
    router = Router(["image.inspect"])
    router.admit("s", request(1), now=0)
    with pytest.raises(LocalProtocolError):
        router.admit("s", request(1), now=0)


def test_answered_requests_leave_nothing_behind_however_far_their_deadlines() -> None:
    router = Router(["image.inspect"])
    router.admit("s", request(0, deadline_ms=1), now=0)
    for request_id in range(1, 3 * MAX_STALE_DEADLINES):
        router.admit("s", request(request_id, deadline_ms=86_400_000), now=0)
        router.finish("s", request_id)
    assert len(router._deadlines) <= MAX_STALE_DEADLINES + 4
    assert [t.request for t in router.overdue(now=1)] == [0]


class RouterMachine(RuleBasedStateMachine):
    """Any interleaving of admissions, answers, ends of sessions and time, against a plain dictionary."""

    INFLIGHT, TOTAL = 3, 5
    sessions = st.sampled_from(["a", "b", "c"])
    ids = st.integers(0, 4)

    def __init__(self) -> None:
        super().__init__()
        self.router = Router(["w"], inflight=self.INFLIGHT, inflight_total=self.TOTAL)
        self.open: dict[tuple[str, int], float] = {}
        self.now = 0.0

    @rule(session=sessions, request_id=ids, deadline_ms=st.integers(0, 5000))
    def admit(self, session: str, request_id: int, deadline_ms: int) -> None:
        mine = sum(key[0] == session for key in self.open)
        asked = Request(id=request_id, workload="w", deadline_ms=deadline_ms)
        if (session, request_id) in self.open:
            return
        if mine >= self.INFLIGHT or len(self.open) >= self.TOTAL:
            assert refusal(self.router, session, asked).code is errors.OVERLOADED
            return
        ticket = self.router.admit(session, asked, self.now)
        self.open[session, request_id] = ticket.deadline

    @rule(session=sessions, request_id=ids)
    def finish(self, session: str, request_id: int) -> None:
        known = self.open.pop((session, request_id), None) is not None
        assert (self.router.finish(session, request_id) is not None) == known

    @rule(session=sessions)
    def drop(self, session: str) -> None:
        mine = {key for key in self.open if key[0] == session}
        assert {t.key for t in self.router.drop_session(session)} == mine
        for key in mine:
            del self.open[key]

    @rule(step=st.floats(0, 3))
    def pass_time(self, step: float) -> None:
        self.now += step
        late = {key for key, at in self.open.items() if at <= self.now}
        assert {t.key for t in self.router.overdue(self.now)} == late
        for key in late:
            del self.open[key]

    @invariant()
    def counts_agree(self) -> None:
        assert len(self.router) == len(self.open)


TestRouterMachine = RouterMachine.TestCase


def test_a_refusal_says_when_to_ask_again_by_what_is_open_and_what_it_takes() -> None:
    load = Load(workers=2)
    load.ran("image.inspect", 3.0)
    router = Router(["image.inspect"], asks=["popup.ask"], inflight=4, load=load)
    router.admit("s", request(0, "popup.ask"), now=0)
    for request_id in range(1, 4):
        router.admit("s", request(request_id), now=0)
    assert refusal(router, "s", request(9)).retry_after_ms == 3 * 3000 / 2 * RETRY_SHARE
    router.finish("s", 0)
    router.finish("s", 1)
    router.admit("s", request(1, priority="interactive"), now=0)
    router.admit("s", request(10, priority="interactive"), now=0)
    assert refusal(router, "s", request(9)).retry_after_ms == 4 * 3000 / 2 * RETRY_SHARE


def test_bulk_that_has_filled_its_share_keeps_nobody_else_out() -> None:
    router = Router(["image.inspect"], inflight=4, inflight_total=1000)
    for request_id in range(3):
        router.admit("s", request(request_id, priority="bulk"), now=0)
    assert refusal(router, "s", request(3, priority="bulk")).code is errors.OVERLOADED
    router.admit("s", request(4, priority="interactive"), now=0)
    router.drop_session("s")
    assert len(router.admission) == 0
