"""Restores an earlier run's sessions, unacknowledged messages and unfinished answers."""

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
from bridge.server.access.roots import ProjectRoots
from bridge.server.advisors import AdvisorHost
from bridge.server.commands import Commands
from bridge.server.live_session import LiveSession, owner_of, workspace_of
from bridge.server.sessions import Sessions
from bridge.store.journal import Answer, unacknowledged
from bridge.store.receipts import ReceiptStore
from bridge.store.records import (
    DamagedRow,
    PermanentDamage,
    Receipt,
    StoredPopup,
    StoredSession,
    unpack,
)
from bridge.store.sessions import POPUP_KEEP_DAYS, SessionStore
from bridge.store.store import Store

log = logging.getLogger(__name__)


class StoredState(Struct, frozen=True):
    """A session as stored."""

    session: StoredSession
    popups: Sequence[StoredPopup]
    """Open and answered popups, oldest first."""
    receipts: Sequence[Receipt]
    """Unanswered receipts, oldest first."""
    answers: Sequence[tuple[Answer, str | None]]
    """Unacknowledged answers to durable requests, with their keys."""


async def restore(
    store: Store,
    registry: Registry,
    sessions: Sessions,
    commands: Commands,
    advisors: AdvisorHost,
    roots: ProjectRoots,
) -> int:
    """Restores all sessions and returns their number. Raises StoreError and sqlite3.Error.

    A session with damaged data is ended, and its popups go to other editors of its project.
    """
    if dropped := await store.write(lambda db: SessionStore(db).drop_left_open()):
        log.info("%d popups were closed after %d days without an editor", dropped, POPUP_KEEP_DAYS)
    await store.write(lambda db: SessionStore(db).settle_stranded())
    for session in await store.read(lambda connection: SessionStore(Database(connection)).all_open()):
        try:
            state = _latest(await store.read(functools.partial(_read, session)), store)
            live = await _session(state.session, registry, sessions, roots)
            _outbox(state, live)
            await _send_unsent(state, live, commands, advisors)
        except (DamagedRow, msgspec.MsgspecError, ProtocolError) as error:
            log.error(
                "session %s can't be restored: %s is damaged (%s); stop the daemon and run "
                "`popbridge db check`",
                session, store.path, error,
            )  # fmt: skip
            sessions.forget(session)
            await _leave(session, store, sessions)
            continue
        for popup in state.popups:
            if popup.status == "answered":
                advisors.act(live, popup.id)
    return len(sessions)


async def _leave(session: str, store: Store, sessions: Sessions) -> None:
    """Ends a session. Its readable popups, even answered ones, go to the project's next editor."""
    # Commands of such an answer aren't sent again, because they are found by popup and step.
    await store.write(lambda db: SessionStore(db).ask_again(session))
    try:
        packed = await store.read(lambda connection: SessionStore(Database(connection)).identify(session))
        is_shared = bool(workspace_of(packed))
    except PermanentDamage:
        is_shared = False
    await sessions.settle(session, leaves_popups=is_shared)


def _read(session: str, connection: sqlite3.Connection) -> StoredState:
    db = Database(connection)
    store, receipts = SessionStore(db), ReceiptStore(db).unanswered(session)
    return StoredState(store.stored(session), store.unsettled(session), receipts, unacknowledged(db, session))


def _latest(state: StoredState, store: Store) -> StoredState:
    """Removes popups that a later one replaced, which the last daemon was unable to store."""
    by_dedupe: dict[str, int] = {}
    replaced: set[int] = set()
    for row in state.popups:
        if row.status != "open":
            continue
        popup = unpack(row.message, Popup)
        if popup.replaces is not UNSET:
            replaced.add(popup.replaces)
        if popup.dedupe:
            if popup.dedupe in by_dedupe:
                replaced.add(by_dedupe[popup.dedupe])
            by_dedupe[popup.dedupe] = row.id
    for popup_id in replaced:
        store.submit(functools.partial(_superseded, popup_id))
    return replace(state, popups=[row for row in state.popups if row.id not in replaced])


def _superseded(popup_id: int, db: Database) -> None:
    SessionStore(db).superseded(popup_id)


async def _session(
    stored: StoredSession, registry: Registry, sessions: Sessions, roots: ProjectRoots
) -> LiveSession:
    identify = unpack(stored.identify, Identify)
    engine = identify.engine or None
    try:
        choice = registry.choose(engine.name, engine.version) if engine else None
    except UserError as error:
        log.warning("session %s is restored without an adapter: %s", stored.id, error)
        choice = None
    project = identify.project
    if (
        project
        and isinstance(project.root, str)
        and not await roots.may_read(project.root, owner_of(identify))
    ):
        # It was registered for the last run only, or isn't any more. Its editor is asked when it returns.
        identify = replace(identify, project=replace(project, root=UNSET))
    return sessions.restore(stored, identify, choice)


def _outbox(state: StoredState, live: LiveSession) -> None:
    now = time.monotonic()
    waiting: list[Numbered] = [_command(receipt) for receipt in state.receipts if receipt.seq]
    for answer, key in state.answers:
        assert isinstance(answer.id, int)
        live.session.requests[answer.id] = key
        waiting.append(answer)
    for row in state.popups:
        popup = unpack(row.message, Popup)
        if row.status != "open" or popup.seq is UNSET:
            continue
        if popup.seq > state.session.acked:
            waiting.append(popup)
        else:
            live.open(popup)
    for message in sorted(waiting, key=lambda m: m.seq or 0):
        live.restore(message, now)


async def _send_unsent(
    state: StoredState, live: LiveSession, commands: Commands, advisors: AdvisorHost
) -> None:
    """Sends commands and popups that a killed daemon stored but didn't send."""
    for receipt in state.receipts:
        if not receipt.seq:
            await commands.present(live, _command(receipt))
    for row in state.popups:
        if row.status == "open" and row.seq is None:
            await advisors.present(live, replace(unpack(row.message, Popup), id=row.id, seq=UNSET))


def _command(receipt: Receipt) -> Command:
    return Command(
        id=receipt.id,
        seq=receipt.seq or UNSET,
        name=receipt.command,
        args=receipt.args,
        deadline_ms=receipt.deadline_ms,
    )
