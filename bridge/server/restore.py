"""Brings an earlier run's sessions back: what wasn't handled waits again, what was answered is acted on."""

from __future__ import annotations

import functools
import logging
import sqlite3
import time
from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace
from sqlite_utils import Database

from bridge.core.errors import ProtocolError, UserError
from bridge.core.messages import Command, Identify, Numbered, Popup
from bridge.host.host import Registry
from bridge.server.advisors import AdvisorHost
from bridge.server.commands import Commands
from bridge.server.live_session import LiveSession, workspace_of
from bridge.server.sessions import Sessions
from bridge.store.journal import Answer, unacknowledged
from bridge.store.receipts import ReceiptStore
from bridge.store.records import DamagedRow, PermanentDamage, Receipt, StoredPopup, StoredSession, unpack
from bridge.store.sessions import POPUP_KEEP_DAYS, SessionStore
from bridge.store.store import Store

log = logging.getLogger(__name__)


class StoredState(Struct, frozen=True):
    """What one session of an earlier run left in the store."""

    session: StoredSession
    popups: Sequence[StoredPopup]
    """Open and answered ones, oldest first."""
    receipts: Sequence[Receipt]
    """Of commands that the editor hasn't answered, oldest first."""
    answers: Sequence[tuple[Answer, str | None]]
    """To requests of the journal, with their keys, that its client hasn't acknowledged."""


async def restore(
    store: Store, registry: Registry, sessions: Sessions, commands: Commands, flows: AdvisorHost
) -> int:
    """Gives how many sessions came back. Raises StoreError, sqlite3.Error.

    A session in which something can't be read ends alone, and leaves its popups to others who
    have its project open.
    """
    if dropped := await store.write(lambda db: SessionStore(db).drop_left_open()):
        log.info("%d popups that no editor came for in %d days are closed", dropped, POPUP_KEEP_DAYS)
    await store.write(lambda db: SessionStore(db).settle_stranded())
    for session in await store.read(lambda connection: SessionStore(Database(connection)).all_open()):
        try:
            left = _latest(await store.read(functools.partial(_left, session)), store)
            live = _session(left.session, registry, sessions)
            _outbox(left, live)
            await _unnumbered(left, live, commands, flows)
        except (DamagedRow, msgspec.MsgspecError, ProtocolError) as error:
            log.error(
                "session %s can't be brought back, so that its client will have to begin anew: %s is damaged "
                "(%s); stop the bridge and run `popbridge db check`",
                session, store.path, error,
            )  # fmt: skip
            sessions.forget(session)
            await _leave(session, store, sessions)
            continue
        for popup in left.popups:
            if popup.status == "answered":
                flows.act(live, popup.id)
    return len(sessions)


async def _leave(session: str, store: Store, sessions: Sessions) -> None:
    """Popups that can be read come to the next editor of the project, also those that were answered."""
    # What was done by such an answer already isn't done again: it is found by the popup and the step.
    await store.write(lambda db: SessionStore(db).ask_again(session))
    try:
        packed = await store.read(lambda connection: SessionStore(Database(connection)).identify(session))
        is_shared = bool(workspace_of(packed))
    except PermanentDamage:
        is_shared = False
    await sessions.settle(session, leaves_popups=is_shared)


def _left(session: str, connection: sqlite3.Connection) -> StoredState:
    db = Database(connection)
    store, receipts = SessionStore(db), ReceiptStore(db).unanswered(session)
    return StoredState(store.stored(session), store.unsettled(session), receipts, unacknowledged(db, session))


def _latest(left: StoredState, store: Store) -> StoredState:
    """Without popups whose place a later one has taken: the last daemon ended before it could keep that."""
    by_dedupe: dict[str, int] = {}
    replaced: set[int] = set()
    for row in left.popups:
        if row.status != "open" or not (dedupe := unpack(row.message, Popup).dedupe):
            continue
        if dedupe in by_dedupe:
            replaced.add(by_dedupe[dedupe])
        by_dedupe[dedupe] = row.id
    for popup_id in replaced:
        store.submit(functools.partial(_superseded, popup_id))
    return replace(left, popups=[row for row in left.popups if row.id not in replaced])


def _superseded(popup_id: int, db: Database) -> None:
    SessionStore(db).superseded(popup_id)


def _session(stored: StoredSession, registry: Registry, sessions: Sessions) -> LiveSession:
    engine = unpack(stored.identify, Identify).engine or None
    try:
        choice = registry.choose(engine.name, engine.version) if engine else None
    except UserError as error:
        log.warning("session %s comes back without an adapter: %s", stored.id, error)
        choice = None
    return sessions.restore(stored, choice)


def _outbox(left: StoredState, live: LiveSession) -> None:
    now = time.monotonic()
    waiting: list[Numbered] = [_command(receipt) for receipt in left.receipts if receipt.seq]
    for answer, key in left.answers:
        assert isinstance(answer.id, int)
        live.session.requests[answer.id] = key
        waiting.append(answer)
    for row in left.popups:
        popup = unpack(row.message, Popup)
        if row.status != "open" or popup.seq is UNSET:
            continue
        if popup.seq > left.session.acked:
            waiting.append(popup)
        else:
            live.open(popup)
    for message in sorted(waiting, key=lambda m: m.seq or 0):
        live.restore(message, now)


async def _unnumbered(left: StoredState, live: LiveSession, commands: Commands, flows: AdvisorHost) -> None:
    """What the daemon had kept, but not sent, when it was killed."""
    for receipt in left.receipts:
        if not receipt.seq:
            await commands.present(live, _command(receipt))
    for row in left.popups:
        if row.status == "open" and row.seq is None:
            await flows.present(live, replace(unpack(row.message, Popup), id=row.id, seq=UNSET))


def _command(receipt: Receipt) -> Command:
    return Command(
        id=receipt.id,
        seq=receipt.seq or UNSET,
        name=receipt.command,
        args=receipt.args,
        deadline_ms=receipt.deadline_ms,
    )
