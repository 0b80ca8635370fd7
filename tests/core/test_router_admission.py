"""How many requests may be open, and that none of the priorities shuts out a more urgent one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import RequestError
from bridge.core.router import PRIORITIES, SESSION_SHARES, TOTAL_SHARES, Admission


def admit(admission: Admission, session: str, priority: str, retry_after_ms: int = 0) -> None:
    admission.check(session, priority, lambda: retry_after_ms)
    admission.enter(session, priority)


def fill(admission: Admission, priority: str, sessions: int = 1) -> int:
    """How many more are admitted, spread over sessions of their own."""
    count = 0
    for number in range(sessions):
        try:
            while True:
                admit(admission, f"{priority} {number}", priority)
                count += 1
        except RequestError:
            continue
    return count


def test_bulk_leaves_a_part_of_its_session_to_what_is_more_urgent() -> None:
    admission = Admission(per_session=8, total=1000)
    for _ in range(6):
        admit(admission, "s", "bulk")
    with pytest.raises(RequestError, match="The session has 6 open requests of priority bulk, the maximum"):
        admit(admission, "s", "bulk")
    admit(admission, "s", "normal")
    admit(admission, "s", "interactive")
    with pytest.raises(RequestError, match="The session has 8 open requests, the maximum"):
        admit(admission, "s", "interactive")


def test_a_popups_question_is_admitted_however_many_send_bulk() -> None:
    admission = Admission(per_session=1000, total=16)
    assert fill(admission, "bulk", sessions=4) == 8
    assert fill(admission, "normal", sessions=4) == 6
    with pytest.raises(RequestError, match="The daemon has 14 open requests of priority normal or bulk"):
        admit(admission, "another", "bulk")
    assert fill(admission, "interactive") == 2
    assert len(admission) == 16


def test_the_smallest_limit_still_admits_each_priority() -> None:
    for priority in PRIORITIES:
        admission = Admission(per_session=1, total=1)
        admit(admission, "s", priority)
        assert admission.of("s") == 1


def test_a_refusal_says_when_to_ask_again() -> None:
    admission = Admission(per_session=1, total=1)
    admit(admission, "s", "normal")
    with pytest.raises(RequestError) as refused:
        admit(admission, "s", "normal", retry_after_ms=1234)
    assert refused.value.retry_after_ms == 1234
    assert refused.value.code.retryable and refused.value.hint


def test_what_is_answered_makes_room_and_leaves_nothing_behind() -> None:
    admission = Admission(per_session=2, total=2)
    for _ in range(100):
        admit(admission, "s", "bulk")
        admission.leave("s", "bulk")
    assert len(admission) == admission.of("s") == 0
    assert admission.open == dict.fromkeys(PRIORITIES, 0)
    assert not admission._sessions


def test_more_urgent_requests_never_have_less_room() -> None:
    for shares in (SESSION_SHARES, TOTAL_SHARES):
        assert [shares[each] for each in PRIORITIES] == sorted(shares.values(), reverse=True)
        assert shares["interactive"] == 1.0


@given(
    st.integers(1, 12), st.integers(1, 24),
    st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(PRIORITIES), st.booleans())),
)  # fmt: skip
def test_whatever_comes_no_limit_is_passed(
    per_session: int, total: int, steps: list[tuple[str, str, bool]]
) -> None:
    admission = Admission(per_session, total)
    held: list[tuple[str, str]] = []
    for session, priority, leaves in steps:
        if leaves and (session, priority) in held:
            admission.leave(session, priority)
            held.remove((session, priority))
            continue
        try:
            admit(admission, session, priority)
        except RequestError:
            continue
        held.append((session, priority))
        assert len(admission) == len(held) <= total
        assert admission.of(session) == sum(s == session for s, _ in held) <= per_session
    assert admission.open == {each: sum(p == each for _, p in held) for each in PRIORITIES}


def test_what_was_promised_before_is_open_even_where_there_is_no_room() -> None:
    admission = Admission(per_session=1, total=1)
    for _ in range(3):
        admission.enter("s", "bulk")
    assert len(admission) == 3
    with pytest.raises(RequestError):
        admission.check("s", "interactive", lambda: 0)
