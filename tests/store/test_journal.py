"""Jobs in the database: accepted once, leased to one, ended once, kept for their keys."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlite_utils import Database

from bridge.core import errors
from bridge.core.errors import RequestError
from bridge.core.messages import Error, Result
from bridge.store import journal
from bridge.store.database import migrations
from bridge.store.journal import Accepted, Delivery, JournalEntry, Waiter
from tests.store.jobs import ANSWER, FAILED, asked, claim, finish


def test_a_key_finds_its_job_and_no_other(db: Database) -> None:
    first = journal.accept(db, asked("k"), "s", 1)
    assert (first.is_new, first.is_finished) == (True, False)
    assert journal.accept(db, asked("k"), "other", 1) == Accepted(first.job, False, False)
    for elsewhere in (asked("l"), asked("k", scope="q"), asked(), asked()):
        assert journal.accept(db, elsewhere, "s", 2).is_new
    assert journal.counts(db) == {"waiting": 5}


def test_a_key_with_other_parameters_is_refused_and_nobody_waits(db: Database) -> None:
    journal.accept(db, asked("k"), "s", 1)
    with pytest.raises(RequestError) as caught:
        journal.accept(db, asked("k", digest=b"2"), "s", 2)
    assert caught.value.code is errors.KEY_REUSED
    assert [waiter.request for waiter in journal.waiters(db)] == [1]


def test_who_asks_again_makes_a_job_more_urgent_and_gives_it_longer(db: Database) -> None:
    journal.accept(db, asked("k", priority=2, deadline_ms=50, deadline=5.0), "s", 1)
    journal.accept(db, asked("k", priority=0, deadline_ms=90, deadline=9.0), "s", 2)
    (job,) = claim(db)
    assert (job.priority, job.deadline_ms, job.deadline) == (0, 90, 9.0)
    journal.accept(db, asked("k", priority=1), "s", 3)
    journal.retry(db, job, "me", crashed=False)
    (again,) = claim(db)
    assert (again.priority, again.deadline_ms, again.deadline) == (0, None, None)


def test_a_claim_takes_what_there_is_room_for_of_each_priority(db: Database) -> None:
    for number in range(6):
        journal.accept(
            db, asked(priority=2, workload="test.light" if number < 4 else "test.sleep"), "s", number
        )
        journal.accept(db, asked(priority=0), "t", number)
    assert [job.id for job in claim(db, (1, 1, 2))] == [2, 1, 3, 5, 7, 9]
    assert claim(db, (0, -1, 0)) == []
    assert [job.id for job in claim(db, (0, 0, 1))] == [11]


@pytest.mark.parametrize(
    "damage", ["deaths = 'x'", "crashes = 'x'", "params = 'x'", "root = x'ff'", "cache = 7"]
)
def test_a_job_that_cant_be_read_is_claimed_as_that_and_holds_up_no_other(db: Database, damage: str) -> None:
    journal.accept(db, asked(), "s", 1)
    journal.accept(db, asked(), "s", 2)
    db.conn.execute(f"UPDATE jobs SET {damage} WHERE id = 1")
    broken, other = sorted(claim(db), key=lambda job: job.id)
    assert (broken.id, broken.fence, broken.sessions) == (1, 1, ["s"]) and broken.unreadable
    assert (other.id, other.unreadable) == (2, "")
    delivery = finish(db, broken, answer=FAILED, s=0)
    assert delivery is not None and [message.id for _, message in delivery.numbered] == [1]


def test_a_claim_names_what_is_to_be_done_and_who_waits(db: Database) -> None:
    journal.accept(db, asked("k", root="/r", cache=False, deadline_ms=7, deadline=1.5), "s", 1)
    journal.accept(db, asked("k", deadline_ms=7, deadline=1.5), "t", 1)
    (job,) = claim(db)
    assert job == JournalEntry(
        id=1, fence=1, workload="test.sleep", priority=1, crashes=0, deaths=0, deadline_ms=7, deadline=1.5,
        cache=False, root="/r", params=b"\x80", inputs=b"\x90", sessions=["s", "t"],
    )  # fmt: skip
    assert claim(db) == []


def test_a_finished_jobs_answer_is_there_for_its_key(db: Database) -> None:
    journal.accept(db, asked("k"), "s", 1)
    (job,) = claim(db)
    finish(db, job, answer=FAILED, s=0)
    assert journal.accept(db, asked("k"), "t", 9) == Accepted(job.id, False, True)
    assert journal.waiters(db) == [Waiter("t", 9, "k", "test.sleep", None, True, job.id)]
    assert journal.deliver(db, job.id, {"t": 0}).numbered == [
        ("t", Error(id=9, seq=1, code="bad_input", message="broken"))
    ]
    with pytest.raises(RequestError):
        journal.accept(db, asked("k", digest=b"2"), "t", 10)


def test_an_end_that_frees_the_key_lets_it_be_tried_again(db: Database) -> None:
    journal.accept(db, asked("k"), "s", 1)
    (job,) = claim(db)
    journal.finish(db, job, "me", "failed", FAILED, {"s": 0}, frees_key=True)
    assert journal.accept(db, asked("k", digest=b"2"), "s", 2).is_new


def test_a_job_ends_once_and_only_by_who_holds_its_lease(db: Database) -> None:
    journal.accept(db, asked(), "s", 1)
    (job,) = claim(db)
    assert finish(db, job, owner="another") is None
    assert journal.retry(db, job, "another", crashed=True) is False
    assert journal.retry(db, job, "me", crashed=True) is True
    assert finish(db, job) is None
    (again,) = claim(db)
    assert (again.crashes, again.fence) == (1, 2)
    assert finish(db, job) is None
    assert finish(db, again, s=0) is not None
    assert finish(db, again) is None
    assert journal.retry(db, again, "me", crashed=False) is False


def test_a_late_job_waits_again_where_a_more_patient_one_has_joined_it_blamed_for_nothing(
    db: Database,
) -> None:
    journal.accept(db, asked("k", deadline_ms=50, deadline=5.0), "s", 1)
    (job,) = claim(db)
    assert journal.extend(db, job, "me") is False
    for more in ({"deadline_ms": 90, "deadline": 9.0}, {}):
        journal.accept(db, asked("k", **more), "t", len(more))
        assert journal.extend(db, job, "another") is False
        assert journal.extend(db, job, "me") is True
        (job,) = claim(db)
        assert (job.crashes, job.deadline) == (0, more.get("deadline"))
    assert journal.extend(db, job, "me") is False


def test_what_a_killed_daemon_had_in_hand_waits_again_behind_what_it_hadnt(db: Database) -> None:
    for number in range(3):
        journal.accept(db, asked(deadline_ms=500 if number else None, deadline=3.0), "s", number)
    held = claim(db, (0, 1, 0), owner="killed")
    assert journal.recover(db, "me", now=100.0) == 1
    found = claim(db)
    assert [(job.id, job.deaths, job.deadline) for job in found] == [
        (2, 0, 100.5),
        (3, 0, 100.5),
        (held[0].id, 1, 3.0),
    ]
    assert journal.recover(db, "me", now=100.0) == 0


def test_what_was_in_hand_together_shares_the_blame_for_a_killed_daemon(db: Database) -> None:
    for number in range(4):
        journal.accept(db, asked(), "s", number)
    assert len(claim(db, (0, 4, 0), owner="killed")) == 4
    assert journal.recover(db, "me", now=0) == 4
    assert [job.deaths for job in claim(db, (0, 4, 0))] == [0.25] * 4


def test_what_is_given_back_by_a_stopping_daemon_is_blamed_for_nothing(db: Database) -> None:
    journal.accept(db, asked(), "s", 1)
    claim(db)
    assert journal.release(db, "another") == 0
    assert journal.release(db, "me") == 1
    assert journal.recover(db, "next", now=0) == 0
    (job,) = claim(db, owner="next")
    assert (job.deaths, job.crashes, job.fence) == (0, 0, 2)


def test_a_finished_job_can_be_done_anew_as_it_was_asked_for(db: Database) -> None:
    journal.accept(db, asked("k"), "s", 1)
    (job,) = claim(db)
    assert not journal.reopen(db, job.id, asked("k"))
    finish(db, job, s=0)
    journal.accept(db, asked("k"), "t", 1)
    assert journal.reopen(db, job.id, asked("k", priority=0, params=b"new", deadline_ms=5, deadline=1.0))
    assert not journal.reopen(db, job.id, asked("k"))
    assert finish(db, job) is None
    (again,) = claim(db)
    assert (again.id, again.priority, again.params, again.sessions) == (job.id, 0, b"new", ["t"])
    assert finish(db, again, t=0) is not None


def test_a_job_goes_on_when_nobody_waits_any_more(db: Database) -> None:
    journal.accept(db, asked("k"), "s", 1)
    journal.forget_waiters(db, "s")
    (job,) = claim(db)
    assert finish(db, job) == Delivery([], [])
    assert journal.accept(db, asked("k"), "t", 1).is_finished


def test_finished_jobs_are_forgotten_after_their_time_of_running_not_of_the_day(db: Database) -> None:
    for number in range(3):
        journal.accept(db, asked(str(number)), "s", number)
    done, waited_for, _ = claim(db)
    finish(db, done, s=0)
    finish(db, waited_for)
    assert journal.sweep(db, 100, keep_s=100) == 0
    assert journal.sweep(db, 1, keep_s=100) == 1
    assert journal.counts(db) == {"done": 1, "leased": 1}
    assert journal.accept(db, asked("0"), "s", 5).is_new
    journal.deliver(db, waited_for.id, {"s": 1})
    assert journal.sweep(db, 0, keep_s=100, limit=5) == 1


def test_the_name_of_a_forgotten_job_is_never_anothers(db: Database) -> None:
    first = journal.accept(db, asked(), "s", 1)
    finish(db, claim(db)[0], s=0)
    journal.sweep(db, 1, keep_s=0)
    assert journal.accept(db, asked(), "s", 2).job > first.job


SESSIONS = st.sampled_from(("s", "t"))


class Journal(RuleBasedStateMachine):
    """Whatever happens in whatever order, each request is answered once, and each job is done once."""

    @initialize()
    def begin(self) -> None:
        self.db = Database(memory=True)
        migrations.apply(self.db)
        self.owner = 0
        self.request = 0
        self.waiting: set[tuple[str, int]] = set()
        self.answered: dict[tuple[str, int], int] = {}
        self.last = {"s": 0, "t": 0}
        self.held: list[JournalEntry] = []
        self.stale: list[JournalEntry] = []
        self.ends: dict[int, int] = {}

    @rule(session=SESSIONS, key=st.sampled_from((None, "a", "b")))
    def ask(self, session: str, key: str | None) -> None:
        self.request += 1
        accepted = journal.accept(self.db, asked(key), session, self.request)
        self.waiting.add((session, self.request))
        if accepted.is_finished:
            self.take(journal.deliver(self.db, accepted.job, self.last))

    @rule(room=st.integers(1, 3))
    def work(self, room: int) -> None:
        self.held += journal.claim(self.db, str(self.owner), (0, room, 0), lambda workload: 1.0)

    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        if not self.held:
            return
        job = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        answer = data.draw(st.sampled_from((ANSWER, FAILED)))
        last = {name: self.last[name] for name in data.draw(st.sets(SESSIONS))}
        kind = "done" if isinstance(answer, Result) else "failed"
        delivery = journal.finish(
            self.db, job, str(self.owner), kind, answer, last, frees_key=answer is FAILED
        )  # type: ignore[arg-type]
        if delivery is not None:
            self.ends[job.id] = self.ends.get(job.id, 0) + 1
            self.take(delivery)
            if delivery.left:
                self.take(journal.deliver(self.db, job.id, self.last))

    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        if self.held:
            job = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
            journal.retry(self.db, job, str(self.owner), crashed=True)
            self.stale.append(job)

    @rule()
    def kill(self) -> None:
        self.stale += self.held
        self.held = []
        self.owner += 1
        journal.recover(self.db, str(self.owner), now=0.0)

    @rule(data=st.data())
    def come_late(self, data: st.DataObject) -> None:
        if self.stale:
            job = data.draw(st.sampled_from(self.stale))
            assert journal.finish(self.db, job, "0", "done", ANSWER, self.last, frees_key=False) is None

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.waiting:
            session, request = data.draw(st.sampled_from(sorted(self.waiting)))
            error = Error(id=request, code="cancelled", message="")
            done = journal.withdraw(self.db, session, error, self.last[session], "cancelled")
            assert done is not None
            self.take(Delivery([(session, done.message)]))

    def take(self, delivery: Delivery) -> None:
        for session, message in delivery.numbered:
            assert message.seq == self.last[session] + 1
            self.last[session] += 1
            assert isinstance(message.id, int)
            self.waiting.remove((session, message.id))
            self.answered[session, message.id] = self.answered.get((session, message.id), 0) + 1

    @invariant()
    def each_once(self) -> None:
        if not hasattr(self, "db"):
            return
        assert all(count == 1 for count in (*self.answered.values(), *self.ends.values()))
        assert {(w.session, w.request) for w in journal.waiters(self.db)} == self.waiting
        # Whoever waits, waits for something that will be done.
        assert not any(waiter.is_finished for waiter in journal.waiters(self.db))

    def teardown(self) -> None:
        if not hasattr(self, "db"):
            return
        while found := journal.claim(self.db, str(self.owner), (9, 9, 9), lambda workload: 1.0):
            self.held += found
        for job in self.held:
            done = journal.finish(self.db, job, str(self.owner), "done", ANSWER, self.last, frees_key=False)
            if done is not None:
                self.take(done)
        assert self.waiting == set()
        assert len(self.answered) == self.request
        self.db.conn.close()


TestJournal = Journal.TestCase
TestJournal.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
