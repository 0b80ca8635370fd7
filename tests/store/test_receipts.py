"""Receipts: what commands changed; rules: what people want always."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlite_utils import Database

from bridge.core.messages import Command, Error, Result
from bridge.store.database import open_database
from bridge.store.receipts import ReceiptStore, RuleStore
from bridge.store.records import DamagedReceipt
from tests.store.damage import PAGE

COMMAND = Command(id=0, name="test.paint", args={"changes": [{"path": "ü"}]}, deadline_ms=5)


@pytest.fixture
def store(db: Database) -> ReceiptStore:
    return ReceiptStore(db)


def opened(store: ReceiptStore, **more: Any) -> int:
    return store.open("s", "p", "P", COMMAND, "because", **more)[0]


def test_a_receipt_is_there_before_its_command_is_sent(store: ReceiptStore) -> None:
    receipt_id = opened(store)
    (receipt,) = store.unanswered("s")
    assert (receipt.id, receipt.state, receipt.seq) == (receipt_id, "sent", None)
    assert (receipt.args, receipt.note, receipt.deadline_ms) == (COMMAND.args, "because", 5)
    store.sent(Command(id=receipt_id, seq=9, name="c", args={}, deadline_ms=5))
    assert store.unanswered("s")[0].seq == 9
    assert store.unanswered("another") == []


@pytest.mark.parametrize(
    ("value", "state"),
    [
        ({"before": [1], "after": [2]}, "applied"),
        ({"before": [1], "after": [2], "errors": [{"path": "x", "message": "locked"}]}, "applied"),
        ({"before": [], "after": [], "errors": [{"path": "x", "message": "locked"}]}, "failed"),
        ("done", "applied"),
        (None, "applied"),
    ],
)
def test_what_the_editor_observed_is_kept(store: ReceiptStore, value: Any, state: str) -> None:
    receipt = store.answered(opened(store), Result(id=1, value=value))
    assert receipt is not None
    known = value if isinstance(value, dict) else {}
    assert (receipt.state, receipt.before, receipt.after) == (state, known.get("before"), known.get("after"))
    assert receipt.errors == known.get("errors")
    assert receipt.answered


def test_an_error_is_kept_in_its_words(store: ReceiptStore) -> None:
    receipt = store.answered(opened(store), Error(id=1, code="internal", message="no such importer"))
    assert receipt is not None
    assert (receipt.state, receipt.errors) == ("failed", [{"message": "no such importer"}])


def test_the_first_answer_counts(store: ReceiptStore) -> None:
    receipt_id = opened(store)
    store.answered(receipt_id, Result(id=1, value={"after": [1]}))
    assert store.answered(receipt_id, Result(id=1, value={"after": [2]})) is None
    assert store.answered(99, Result(id=1, value=None)) is None
    receipt = store.get(receipt_id)
    assert receipt is not None
    assert receipt.after == [1]


def test_the_same_step_of_the_same_answer_makes_one_receipt(store: ReceiptStore) -> None:
    first = opened(store, parent=(1, 1))
    assert store.open("s", "p", "P", COMMAND, "again", parent=(1, 1)) == (first, False)
    assert opened(store, parent=(1, 2)) != first


def test_what_a_receipt_was_put_back_by_is_known_until_that_is_put_back(store: ReceiptStore) -> None:
    def put_back(reverts: int, reply: Result | Error) -> int:
        made = opened(store, reverts=reverts)
        store.answered(made, msgspec.structs.replace(reply, id=made))
        return made

    def by(receipt: int) -> int | None:
        found = store.reverted_by(receipt)
        return found.id if found else None

    done = Result(id=0, value={"after": [1]})
    first, other = opened(store), opened(store)
    assert by(first) is None
    put_back(first, Error(id=0, code="unsupported", message="no", retryable=False))
    assert by(first) is None
    second = put_back(first, done)
    assert (by(first), by(second), by(other)) == (second, None, None)
    third = put_back(second, done)
    assert (by(first), by(second)) == (None, third)
    fourth = put_back(first, done)
    assert (by(first), by(second)) == (fourth, third)


def test_receipts_that_put_each_other_back_as_a_damaged_file_may_say_end(
    store: ReceiptStore, db: Database
) -> None:
    one, two = opened(store), opened(store)
    db.execute(
        f"UPDATE receipts SET state = 'applied', reverts = CASE id WHEN {one} THEN {two} ELSE {one} END"
    )
    found = store.reverted_by(one)
    assert found is not None and found.id == two
    assert store.reverted_by(two) is None


def test_the_newest_come_first_and_so_many(store: ReceiptStore) -> None:
    made = [opened(store, reverts=1) for _ in range(3)]
    assert [r.id for r in store.latest(2)] == [made[2], made[1]]
    assert store.latest()[0].reverts == 1
    assert store.get(99) is None


@pytest.mark.parametrize("wrong", ["args = x'c1'", "note = CAST(x'ff' AS TEXT)", "state = 'gone'"])
def test_a_damaged_one_is_named_among_the_others(store: ReceiptStore, db: Database, wrong: str) -> None:
    made = [opened(store) for _ in range(3)]
    db.execute(f"UPDATE receipts SET {wrong} WHERE id = ?", [made[1]])
    found = list(store.newest(10))
    assert [receipt.id for receipt in found] == made[::-1]
    assert [isinstance(receipt, DamagedReceipt) for receipt in found] == [False, True, False]
    assert [receipt.id for receipt in store.latest()] == [made[2], made[0]]


def test_one_whose_pages_are_damaged_is_named_among_the_others(tmp_path: Path) -> None:
    path = tmp_path / "popbridge.db"
    whole = open_database(path)
    made = [ReceiptStore(whole).open("s", "p", "P", COMMAND, note * 20_000)[0] for note in ("a", "b", "c")]
    whole.conn.close()
    data = path.read_bytes()
    # A page of what doesn't fit beside the row begins with the next one's number.
    page = data.index(b"b" * (PAGE - 100)) // PAGE * PAGE
    path.write_bytes(data[:page] + b"\xff" * 4 + data[page + 4 :])
    broken = open_database(path)
    with pytest.raises(sqlite3.DatabaseError, match="malformed"):
        ReceiptStore(broken).get(made[1])
    found = list(ReceiptStore(broken).newest(10))
    assert [receipt.id for receipt in found] == made[::-1]
    assert [isinstance(receipt, DamagedReceipt) for receipt in found] == [False, True, False]
    broken.conn.close()


def test_damaged_ones_dont_count_for_how_many_are_wanted(store: ReceiptStore, db: Database) -> None:
    made = [opened(store) for _ in range(6)]
    db.execute("UPDATE receipts SET args = x'c1' WHERE id NOT IN (?, ?)", [made[0], made[3]])
    assert [receipt.id for receipt in store.newest(1)] == made[:2:-1]
    assert [receipt.id for receipt in store.newest(1, made[3])] == made[2::-1]
    assert [receipt.id for receipt in store.latest(2)] == [made[3], made[0]]
    assert list(store.newest(0)) == []


def test_what_is_no_damage_of_one_ends_the_list(store: ReceiptStore, db: Database) -> None:
    opened(store)
    db.execute("ALTER TABLE receipts RENAME TO gone")
    with pytest.raises(sqlite3.OperationalError):
        list(store.newest(10))


def test_rules_are_kept_by_project_and_folder_once_each(db: Database) -> None:
    rules = RuleStore(db)
    for finding in ("normal_as_colour", "normal_as_colour", "too_large"):
        rules.add("p", "textures", finding)
    rules.add("p", "", "too_large")
    rules.add("q", "textures", "too_large")
    assert {k: sorted(v) for k, v in rules.of("p").items()} == {
        "textures": ["normal_as_colour", "too_large"],
        "": ["too_large"],
    }
    assert rules.of("nobody") == {}
    rules.forget("p", {"textures": ["too_large"], "": ["too_large"]})
    assert rules.of("p") == {"textures": ["normal_as_colour"]}
    assert rules.of("q") == {"textures": ["too_large"]}


CHANGES = [{"path": "a", "options": {"x": 2}}]


def test_the_settings_that_were_read_count_not_those_in_the_answer(store: ReceiptStore) -> None:
    command = Command(id=0, name="texture.apply", args={"changes": CHANGES}, deadline_ms=5)
    receipt_id, _ = store.open("s", "p", "P", command, "because", before={"a": {"x": 1}})
    (waiting,) = store.unanswered("s")
    assert waiting.before == [{"path": "a", "options": {"x": 1}}]
    value = {"before": [{"path": "a", "options": {"x": 1}}], "after": CHANGES}
    receipt = store.answered(receipt_id, Result(id=1, value=value), {"a": {"x": 5}})
    assert receipt is not None and receipt.after == [{"path": "a", "options": {"x": 5}}]
    assert len(receipt.errors) == 1


def test_errors_from_before_a_command_was_sent_are_kept(store: ReceiptStore) -> None:
    refused = [{"path": "a", "message": "changed"}]
    receipt_id, _ = store.open("s", "p", "P", COMMAND, "because", errors=refused)
    receipt = store.answered(receipt_id, Result(id=1, value={"after": [1]}))
    assert receipt is not None and (receipt.state, receipt.errors) == ("applied", refused)
    receipt_id, _ = store.open("s", "p", "P", COMMAND, "because", errors=refused)
    receipt = store.answered(receipt_id, Result(id=1, value={"errors": "odd"}))
    assert receipt is not None and (receipt.state, receipt.errors) == ("failed", [*refused, "odd"])
