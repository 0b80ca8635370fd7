"""Brings an earlier run's sessions back: what wasn't handled waits again, what was answered is acted on."""

from __future__ import annotations

import logging
import time

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from bridge.core.errors import ProtocolError, UserError
from bridge.core.messages import Command, Identify, Numbered, Popup
from bridge.host import Registry
from bridge.server.commands import Commands
from bridge.server.flows import Flows
from bridge.server.live import LiveSession, Sessions
from bridge.store.receipts import ReceiptStore
from bridge.store.records import Receipt, StoredSession, unpack
from bridge.store.sessions import SessionStore

log = logging.getLogger(__name__)


def restore(
    store: SessionStore,
    receipts: ReceiptStore,
    registry: Registry,
    sessions: Sessions,
    commands: Commands,
    flows: Flows,
) -> int:
    """Gives how many sessions came back."""
    for stored in store.all_open():
        try:
            live = _session(stored, registry, sessions)
            _outbox(stored, live, store, receipts)
            _unnumbered(live, receipts, commands, flows)
        except (msgspec.MsgspecError, ProtocolError):
            log.exception("session %s can't be brought back: its client will have to begin anew", stored.id)
            sessions.end(stored.id)
            continue
        for popup in store.unsettled(live.id):
            if popup.status == "answered":
                flows.act(live, popup.id)
    return len(sessions)


def _session(stored: StoredSession, registry: Registry, sessions: Sessions) -> LiveSession:
    engine = unpack(stored.identify, Identify).engine or None
    try:
        choice = registry.choose(engine.name, engine.version) if engine else None
    except UserError as error:
        log.warning("session %s comes back without an adapter: %s", stored.id, error)
        choice = None
    return sessions.restore(stored, choice)


def _outbox(stored: StoredSession, live: LiveSession, store: SessionStore, receipts: ReceiptStore) -> None:
    now = time.monotonic()
    waiting: list[Numbered] = [_command(receipt) for receipt in receipts.unanswered(live.id) if receipt.seq]
    for row in store.unsettled(live.id):
        popup = unpack(row.message, Popup)
        if row.status != "open" or popup.seq is UNSET:
            continue
        if popup.seq > stored.acked:
            waiting.append(popup)
        else:
            live.session.popups.open(popup, now)
    for message in sorted(waiting, key=lambda m: m.seq or 0):
        live.restore(message, now)


def _unnumbered(live: LiveSession, receipts: ReceiptStore, commands: Commands, flows: Flows) -> None:
    """What the daemon had kept, but not sent, when it was killed."""
    for receipt in receipts.unanswered(live.id):
        if not receipt.seq:
            commands.number(live, _command(receipt))
    for row in flows.store.unsettled(live.id):
        if row.status == "open" and row.seq is None:
            flows.open(live, replace(unpack(row.message, Popup), id=row.id, seq=UNSET))


def _command(receipt: Receipt) -> Command:
    return Command(
        id=receipt.id,
        seq=receipt.seq or UNSET,
        name=receipt.command,
        args=receipt.args,
        deadline_ms=receipt.deadline_ms,
    )
