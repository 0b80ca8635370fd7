"""The advisor that answers questions about receipts: `receipts.list` and `receipts.revert`."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from sqlite_utils import Database

from bridge.api import Advisor, Answer, Context, Event, Popup, RequestError, SessionView
from bridge.claims import RECEIPTS, RECEIPTS_ASKS
from bridge.core import errors
from bridge.core.messages import MAX_FRAME
from bridge.server.sizes import SPARE
from bridge.store.receipts import ReceiptStore
from bridge.store.records import Damaged, Receipt
from bridge.store.store import Store

ROOM = MAX_FRAME - SPARE
"""Bytes of a frame for receipts."""
NAMED = 1000
"""The most damaged ones that a list names."""
LARGE = ("args", "before", "after", "errors")
"""What grows with the files that a receipt is about."""


class Shown(Receipt, kw_only=True):
    """A receipt as clients get it."""

    abridged: bool = False
    """Whether it was too large for a frame, so that it comes without `args`, `before`, `after` and `errors`:
    `popbridge receipts --json` shows them."""


class ListParams(Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    before: Annotated[int, Meta(ge=1, le=2**53 - 1)] = 2**53 - 1


class RevertParams(Struct, forbid_unknown_fields=True):
    id: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    editor: Annotated[str, Meta(max_length=128)] = ""


class Receipts(Advisor):
    """Lists what commands changed, and puts it back."""

    name = RECEIPTS
    asks = RECEIPTS_ASKS

    def __init__(self, store: Store) -> None:
        self._store = store

    async def on_ask(
        self, context: Context, session: SessionView, name: str, params: Mapping[str, Any]
    ) -> Any:
        if name == "receipts.list":
            wanted = _parse(name, params, ListParams)
            # Few rows for SQLite, and perhaps much in each.
            return await self._store.read(functools.partial(_listed, wanted), brief=False)
        asked = _parse(name, params, RevertParams)
        made = await context.revert([asked.id], editor=asked.editor)
        shown, _ = _shown(await context.receipt(made[0]))
        return {"receipt": shown}

    async def on_event(self, context: Context, session: SessionView, event: Event) -> None:
        raise AssertionError("watches nothing")

    async def on_answer(
        self, context: Context, session: SessionView, popup: Popup, state: Any, answer: Answer
    ) -> None:
        raise AssertionError("shows nothing")


def _listed(wanted: ListParams, connection: sqlite3.Connection) -> dict[str, Any]:
    """As many of the newest as fit into a frame, one at least if there is any that can be read."""
    listed: list[Any] = []
    damaged: list[int] = []
    room = ROOM
    for receipt in ReceiptStore(Database(connection)).newest(wanted.limit, wanted.before):
        if isinstance(receipt, Damaged):
            # Beyond these they are too many for anybody to look at.
            if len(damaged) < NAMED:
                damaged.append(receipt.id)
                room -= _size(receipt.id)
            continue
        value, size = _shown(msgspec.to_builtins(receipt), ROOM if listed else room)
        room -= size
        if listed and room < 0:
            # The next page names those below the last one.
            above = [number for number in damaged if number > listed[-1]["id"]]
            return {"receipts": listed, "more": True, "damaged": above}
        listed.append(value)
    return {"receipts": listed, "more": False, "damaged": damaged}


def _shown(receipt: Mapping[str, Any], room: int = ROOM) -> tuple[Mapping[str, Any], int]:
    """As in `Shown`, for so many bytes, and its own."""
    whole = {**receipt, "abridged": False}
    if (size := _size(whole)) <= room:
        return whole, size
    rest = {name: value for name, value in receipt.items() if name not in LARGE} | {"abridged": True}
    return rest, _size(rest)


def _size(value: Any) -> int:
    """Bytes that it takes in either subprotocol."""
    size = len(msgspec.msgpack.encode(value))
    # What an editor sent as msgpack may have keys that JSON hasn't.
    with contextlib.suppress(TypeError):
        size = max(size, len(msgspec.json.encode(value)))
    return size + 1


def _parse(name: str, params: Mapping[str, Any], kind: Any) -> Any:
    try:
        return msgspec.convert(params, kind)
    except msgspec.ValidationError as error:
        raise RequestError(errors.BAD_PARAMS, workload=name, reason=str(error)) from None
