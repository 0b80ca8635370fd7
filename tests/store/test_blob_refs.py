"""Which blobs the database names."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlite_utils import Database

from bridge.store import blob_refs as module
from bridge.store.blob_refs import (
    ANSWER_REFERENCES,
    COLUMNS_WITHOUT_BLOBS,
    REFERENCES,
    blob_names_in,
    blob_references,
)
from bridge.store.database import migrations
from bridge.store.records import now_text, pack
from bridge.store.store import Store

NAMES = [f"{number:064x}" for number in range(0xA0, 0xA8)]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = Store(tmp_path / "test.db", migrations)
    yield made
    await made.close()


def popup(db: Database, status: str, **packed: object) -> None:
    row = {"message": pack({}), "state": pack(None), **{key: pack(value) for key, value in packed.items()}}
    db.table("popups").insert(
        {"session": "s", "advisor": "a", "status": status, "created": now_text(), **row}
    )


def receipt(db: Database, **packed: object) -> None:
    row = {"args": pack({}), **{key: pack(value) for key, value in packed.items()}}
    whole = {"session": "s", "project": "p", "command": "c", "note": "n", "state": "applied", **row}
    db.table("receipts").insert({**whole, "created": now_text()})


def job(db: Database, id: int, finished: float | None = None, **packed: object) -> None:
    row = {"params": pack({}), "inputs": pack([]), **{key: pack(value) for key, value in packed.items()}}
    whole = {"id": id, "scope": "", "digest": b"", "workload": "w", "priority": 3, "cache": True, **row}
    state = "waiting" if finished is None else "done"
    db.table("jobs").insert({**whole, "state": state, "finished": finished, "created": now_text()})


async def test_popups_name_blobs_until_they_are_settled(store: Store) -> None:
    def work(db: Database) -> None:
        popup(db, "open", message={"image": NAMES[0]})
        popup(db, "answered", state=[{"deep": NAMES[1]}], answer={"values": {"x": NAMES[2]}})
        popup(db, "settled", message={"image": NAMES[3]})

    await store.write(work)
    assert await blob_references(store) == set(NAMES[:3])


async def test_receipts_name_blobs_for_good(store: Store) -> None:
    def work(db: Database) -> None:
        receipt(db, args={"source": NAMES[0]}, before={"a": NAMES[1]}, after=NAMES[2], errors=[NAMES[3]])

    await store.write(work)
    assert await blob_references(store) == set(NAMES[:4])


async def test_an_answer_that_came_to_all_who_waited_is_named_apart(store: Store) -> None:
    def work(db: Database) -> None:
        job(db, 1, params={"of": NAMES[0]}, inputs=[NAMES[1]])
        job(db, 2, finished=1.0, answer={"blob": NAMES[2]})
        db.table("waiters").insert({"session": "s", "request": 1, "job": 2})
        job(db, 3, finished=1.0, answer={"blob": NAMES[3]})

    await store.write(work)
    assert await blob_references(store) == set(NAMES[:3])
    assert await blob_references(store, ANSWER_REFERENCES) == {NAMES[3]}


async def test_many_rows_are_read_in_slices(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_PER_READ", 3)

    def settled(db: Database) -> None:
        for _ in range(7):
            popup(db, "settled", message={"image": NAMES[0]})
        popup(db, "open", message={"image": NAMES[1]})

    await store.write(settled)
    assert await blob_references(store) == {NAMES[1]}
    await store.write(lambda db: [receipt(db, args={"name": name}) for name in NAMES] and None)
    assert await blob_references(store) == set(NAMES)


async def test_every_packed_column_is_looked_at_or_is_known_to_name_nothing(store: Store) -> None:
    def columns(db: Database) -> set[tuple[str, str]]:
        return {
            (table.name, column.name)
            for table in db.tables
            for column in table.columns
            if column.type.upper() == "BLOB"
        }

    looked_at = {(holder.table, column) for holder in REFERENCES for column in holder.columns}
    assert await store.write(columns) == looked_at | COLUMNS_WITHOUT_BLOBS


@given(st.lists(st.sampled_from(NAMES)), st.text(), st.binary())
def test_a_name_is_found_wherever_it_stands(found: list[str], text: str, data: bytes) -> None:
    packed = pack({"list": found, text: data, "map": {name: name for name in found}})
    assert set(found) <= blob_names_in(packed)


DIGITS = st.text("0123456789abcdefgF", max_size=300).map(str.encode)


@given(DIGITS, st.integers(64, 130), st.binary(max_size=70))
def test_names_are_found_across_the_pieces_in_which_they_are_looked_for(
    data: bytes, piece: int, between: bytes
) -> None:
    whole = NAMES[0].encode() + data + between + NAMES[1].encode() * 2 + data
    expected = {name.decode() for name in re.findall(rb"[0-9a-f]{64}", whole)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK_BYTES", piece)
        assert blob_names_in(whole) == expected


@pytest.mark.parametrize("value", [5, 2.5, f"text {NAMES[1]}"])
async def test_a_column_may_hold_anything_in_a_damaged_file(store: Store, value: object) -> None:
    def work(db: Database) -> None:
        popup(db, "open", message={"image": NAMES[0]})
        db.execute("UPDATE popups SET state = ?", [value])

    await store.write(work)
    assert await blob_references(store) == {NAMES[0]} | ({NAMES[1]} if isinstance(value, str) else set())
