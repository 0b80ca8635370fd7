"""Sessions and popups as they outlive the daemon."""

from __future__ import annotations

import msgspec
import pytest
from sqlite_utils import Database

from bridge.core.messages import Answer, AuthProof, ClientInfo, Command, EngineInfo, Identify, Popup, Resume
from bridge.store.receipts import ReceiptStore
from bridge.store.records import before_text, unpack
from bridge.store.sessions import ORPHANED_POPUPS, POPUP_KEEP_DAYS, SEQ_BLOCK, SessionStore

IDENTIFY = Identify(
    protocol=1,
    client=ClientInfo(kind="editor", name="e", version="1"),
    instance="one",
    auth=AuthProof(token="the secret"),
    resume=Resume(session="s", token="the other secret", last_seq=0),
)
POPUP = Popup(id=0, kind="k", title="t", body="b", actions=[])


@pytest.fixture
def store(db: Database) -> SessionStore:
    made = SessionStore(db)
    made.open("s", "digest", IDENTIFY)
    return made


def test_a_session_is_kept_without_its_secrets(store: SessionStore) -> None:
    (session,) = store.all_open()
    stored = store.stored(session)
    assert (stored.id, stored.token_digest, stored.acked) == ("s", "digest", 0)
    assert b"secret" not in stored.identify
    assert unpack(stored.identify, Identify).client.name == "e"


def test_numbers_are_reserved_ahead(store: SessionStore) -> None:
    assert store.stored("s").seq_reserved == SEQ_BLOCK
    assert store.reserve("s", 20_000) == 20_000 + SEQ_BLOCK
    assert store.stored("s").seq_reserved == 20_000 + SEQ_BLOCK


def test_who_comes_back_may_be_another_process(store: SessionStore) -> None:
    store.resumed(
        "s", "digest", Identify(protocol=1, client=IDENTIFY.client, instance="two", auth=AuthProof())
    )
    store.acknowledged("s", 7)
    (session,) = store.all_open()
    stored = store.stored(session)
    assert unpack(stored.identify, Identify).instance == "two"
    assert stored.acked == 7


def test_a_closed_session_leaves_nothing_open(db: Database, store: SessionStore) -> None:
    popup_id, _ = store.reserve_popup("s", "a", POPUP, None, None)
    receipts = ReceiptStore(db)
    receipt_id, _ = receipts.open("s", "p", "P", Command(id=0, name="c", args={}, deadline_ms=1), "n")
    store.close("s")
    assert store.all_open() == []
    assert store.unsettled("s") == []
    stored = store.popup(popup_id)
    assert stored is not None
    assert stored.status == "settled"
    receipt = receipts.get(receipt_id)
    assert receipt is not None
    assert (receipt.state, receipt.errors) == ("failed", [{"message": "the editor never came back"}])


def test_a_popup_keeps_its_state_its_number_and_its_answer(store: SessionStore) -> None:
    popup_id, is_new = store.reserve_popup("s", "a", POPUP, {"files": ["x"], "blob": b"\0"}, None)
    assert is_new
    store.popup_sent("s", Popup(id=popup_id, seq=3, kind="k", title="t", body="b", actions=[]))
    store.answered("s", Answer(id=popup_id, state="answered", action="yes"))
    (stored,) = store.unsettled("s")
    assert (stored.seq, stored.status, unpack(stored.state)) == (
        3,
        "answered",
        {"files": ["x"], "blob": b"\0"},
    )
    assert unpack(stored.message, Popup).id == popup_id
    assert unpack(stored.answer, Answer).action == "yes"
    store.settled(popup_id)
    assert store.unsettled("s") == []


def test_a_popup_that_a_session_left_open_can_be_adopted_once(store: SessionStore) -> None:
    store.open("heir", "digest", IDENTIFY)
    popup_id, _ = store.reserve_popup("s", "a", POPUP, None, None)
    store.popup_sent("s", msgspec.structs.replace(POPUP, id=popup_id, seq=3))
    assert store.adopt(popup_id, "heir") is None, "its own session is there"
    store.close("s", leaves_popups=True)
    assert [left for left, _ in store.left_open()] == [popup_id]
    assert store.adopt(popup_id, "heir") == msgspec.structs.replace(POPUP, id=popup_id)
    assert store.left_open() == [] and store.adopt(popup_id, "heir") is None
    (stored,) = store.unsettled("heir")
    assert stored.seq is None and unpack(stored.message, Popup).seq is msgspec.UNSET


def test_what_was_left_open_for_long_is_settled(store: SessionStore, db: Database) -> None:
    old, young, there = (
        store.reserve_popup(session, "a", POPUP, None, None)[0] for session in ("s", "s", "t")
    )
    store.open("t", "digest", IDENTIFY)
    store.close("s", leaves_popups=True)
    for popup_id in (old, there):
        db.execute("UPDATE popups SET created = ? WHERE id = ?", (before_text(POPUP_KEEP_DAYS + 1), popup_id))
    assert store.drop_left_open() == 1
    assert [left for left, _ in store.left_open()] == [young]
    assert [each.id for each in store.unsettled("t")] == [there]


def test_an_answer_that_is_kept_counts_whatever_takes_the_popups_place(store: SessionStore) -> None:
    answered, waiting = (store.reserve_popup("s", "a", POPUP, None, None)[0] for _ in range(2))
    store.answered("s", Answer(id=answered, state="answered", action="yes"))
    for popup_id in (answered, waiting):
        store.superseded(popup_id)
    assert [each.id for each in store.unsettled("s")] == [answered]


def test_what_was_left_open_is_found_without_reading_all_popups_that_ever_were(db: Database) -> None:
    plan = " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {ORPHANED_POPUPS}").fetchall())
    assert "popups USING COVERING INDEX popups_open" in plan


def test_the_number_that_another_session_gives_a_popup_isnt_its_own(store: SessionStore) -> None:
    popup_id, _ = store.reserve_popup("s", "a", POPUP, None, None)
    store.popup_sent("another", msgspec.structs.replace(POPUP, id=popup_id, seq=7))
    assert store.unsettled("s")[0].seq is None
    store.answered("another", Answer(id=popup_id, state="dismissed"))
    assert [each.id for each in store.unsettled("another")] == [popup_id]


def test_the_first_answer_counts(store: SessionStore) -> None:
    popup_id, _ = store.reserve_popup("s", "a", POPUP, None, None)
    store.answered("s", Answer(id=popup_id, state="answered", action="yes"))
    store.answered("s", Answer(id=popup_id, state="dismissed"))
    stored = store.popup(popup_id)
    assert stored is not None
    assert unpack(stored.answer, Answer).state == "answered"


def test_the_same_step_of_the_same_answer_shows_one_popup(store: SessionStore) -> None:
    first, _ = store.reserve_popup("s", "a", POPUP, None, (1, 1))
    assert store.reserve_popup("s", "a", POPUP, None, (1, 1)) == (first, False)
    assert store.reserve_popup("s", "a", POPUP, None, (1, 2))[1]


def test_a_popup_that_was_never_there_is_none(store: SessionStore) -> None:
    assert store.popup(12) is None


def test_a_session_knows_its_engine_where_it_can_be_read(store: SessionStore, db: Database) -> None:
    godot = msgspec.structs.replace(IDENTIFY, engine=EngineInfo(name="godot", version="4.4.1"))
    store.open("g", "digest", godot)
    assert [store.engine(each) for each in ("g", "s", "nobody")] == ["godot", "", ""]
    db.execute("UPDATE sessions SET identify = 'damaged' WHERE id = 'g'")
    assert store.engine("g") == ""
