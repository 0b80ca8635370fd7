"""What clients have yet to acknowledge."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.server.live_session import Backlog, Total


def test_an_acknowledgement_frees_what_came_before_it() -> None:
    total = Total(100)
    one, other = Backlog(total), Backlog(total)
    for seq in (1, 2, 3):
        one.add(seq, 40)
    other.add(1, 5)
    assert (one.bytes, total.bytes, total.is_too_much) == (120, 125, True)
    one.acknowledged(2)
    assert (one.bytes, total.bytes, total.is_too_much) == (40, 45, False)
    one.clear()
    assert (one.bytes, total.bytes) == (0, 5)
    assert "0 bytes wait" in one.reason


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 100), st.integers(0, 30))))
def test_the_total_is_always_that_of_all(steps: list[tuple[int, int, int]]) -> None:
    total = Total(10)
    clients = [Backlog(total) for _ in range(3)]
    for seq, (client, size, acked) in enumerate(steps, 1):
        clients[client].add(seq, size)
        clients[client].acknowledged(acked)
        assert total.bytes == sum(each.bytes for each in clients) >= 0
