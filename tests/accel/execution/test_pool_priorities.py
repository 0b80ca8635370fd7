import pytest

from accel.execution.pool import MAX_PASSED, FairTurns


def drain(turns):
    return [turns.next() for _ in range(len(turns))]


def test_the_urgent_come_first_and_then_whoever_came_first():
    turns = FairTurns()
    for waiter, priority in (("b1", "bulk"), ("n1", "normal"), ("i1", "interactive"), ("n2", "normal")):
        turns.add(waiter, priority)
    assert drain(turns) == ["i1", "n1", "n2", "b1"]
    assert turns.next() is None


def test_bulk_gets_a_turn_after_it_was_passed_over_often_enough():
    turns = FairTurns()
    turns.add("bulk", "bulk")
    for n in range(20):
        turns.add(n, "interactive")
    assert drain(turns).index("bulk") == MAX_PASSED


def test_a_waiter_that_left_is_passed_by():
    turns = FairTurns()
    turns.add("a", "normal")
    turns.add("b", "normal")
    turns.remove("a")
    turns.remove("never here")
    assert drain(turns) == ["b"]


def test_an_unknown_priority_is_refused():
    with pytest.raises(ValueError):
        FairTurns().add("a", "urgent")


def test_who_needs_a_turn_again_comes_first_among_its_like():
    turns = FairTurns()
    for name in ("first", "second"):
        turns.add(name, "normal")
    turns.add("again", "normal", again=True)
    turns.add("urgent", "interactive")
    assert [turns.next() for _ in range(4)] == ["urgent", "again", "first", "second"]
