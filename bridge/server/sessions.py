"""All sessions of a daemon: opened, resumed, restored, given up."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import partial

from msgspec import UNSET
from sqlite_utils import Database

from bridge.api import Adapter
from bridge.core import auth, errors
from bridge.core.errors import RemoteProtocolError, StoreError
from bridge.core.messages import Identify
from bridge.core.session import Session
from bridge.core.versions import Choice
from bridge.server.live_session import NO_LIMIT, LiveSession, Total
from bridge.store.records import StoredSession, unpack
from bridge.store.sessions import SEQ_BLOCK, SessionStore
from bridge.store.store import Store

log = logging.getLogger(__name__)

CLOSE_S = 3.0
"""How long a stopping daemon waits for its clients to take their close frames."""


class Sessions:
    """All sessions of this daemon, attached or waiting for their client."""

    def __init__(self, store: Store, keep_s: float, unacknowledged: Total | None = None) -> None:
        """`unacknowledged` is what all clients have yet to acknowledge, and how much of it may be."""
        self.unacknowledged = unacknowledged or Total(NO_LIMIT)
        self._store = store
        self._keep_s = keep_s
        self._keeping: set[asyncio.Task[None]] = set()
        self._unkept: dict[str, asyncio.Task[None]] = {}
        """What keeps the latest of each session of which something couldn't be kept."""
        self._given_up: list[LiveSession] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._live: dict[str, LiveSession] = {}
        self._tokens: dict[str, str] = {}
        self._watched: set[LiveSession] = set()

    def __iter__(self) -> Iterator[LiveSession]:
        return iter(tuple(self._live.values()))

    def __len__(self) -> int:
        return len(self._live)

    @property
    def by_id(self) -> Mapping[str, LiveSession]:
        return self._live

    async def open(
        self, identify: Identify, choice: Choice[Adapter] | None
    ) -> tuple[LiveSession, str, StoreError | None]:
        """A new session, its resume token, and why it wouldn't outlive the daemon now, if it wouldn't."""
        session_id, token = secrets.token_hex(8), secrets.token_hex(32)
        digest = auth.digest(token)

        def keep(db: Database) -> None:
            SessionStore(db).open(session_id, digest, identify)

        problem = None
        try:
            await self._store.write(keep, synced=False)
        except StoreError as error:
            problem = error
            self._keep_later(session_id, lambda: self._store.write(keep))
        session = Session(session_id, time.monotonic(), keep_s=self._keep_s)
        return self._add(session, identify, choice, SEQ_BLOCK, digest), token, problem

    def resume(self, identify: Identify, choice: Choice[Adapter] | None) -> tuple[LiveSession, str, bool]:
        """The session that `identify.resume` names, its resume token, and whether its client was restarted.

        Raises RemoteProtocolError where there is none, or the token is wrong.
        """
        resume = identify.resume
        assert resume is not UNSET
        live = self._live.get(resume.session)
        digest = auth.digest(resume.token)
        if live is None or not secrets.compare_digest(digest, self._tokens[live.id]):
            raise unknown_session(resume.session)
        live.identified(identify, choice)
        # The token stays: a new one would be lost with a `ready` that never arrived.
        return live, resume.token, live.instance != identify.instance

    def arrived(self, live: LiveSession, identify: Identify) -> None:
        """Its client is back and has what it has to know: from now on this one isn't another.

        Nothing happens where another has identified since.
        """
        digest = self._tokens.get(live.id)
        if live.identify is not identify or digest is None:
            return
        # Not sooner: a daemon that is killed before would take it for one that knows already.
        live.instance = identify.instance

        def keep(db: Database) -> None:
            SessionStore(db).resumed(live.id, digest, identify)

        async def keep_latest() -> None:
            if live.identify is identify:
                await self._store.write(keep, synced=False)

        if live.id in self._unkept:
            self._keep_later(live.id, keep_latest)
        else:
            self._store.submit(keep, lambda: self._keep_later(live.id, keep_latest))

    def _keep_later(self, session_id: str, keep: Callable[[], Awaitable[None]]) -> None:
        """Tries until it is kept, after what has to be kept of the session already."""
        earlier = self._unkept.get(session_id)

        async def insist() -> None:
            if earlier is not None:
                await asyncio.wait([earlier])
            try:
                await self._store.insist(keep)
            except StoreError as error:
                log.error("session %s isn't kept: %s", session_id, error.reason)

        task = self._unkept[session_id] = asyncio.create_task(insist())
        self._keeping.add(task)
        task.add_done_callback(partial(self._kept, session_id))

    def _kept(self, session_id: str, task: asyncio.Task[None]) -> None:
        self._keeping.discard(task)
        if self._unkept.get(session_id) is task:
            del self._unkept[session_id]

    def restore(self, stored: StoredSession, choice: Choice[Adapter] | None) -> LiveSession:
        """A session of an earlier run of the daemon; its keep time starts anew."""
        session = Session(stored.id, time.monotonic(), keep_s=self._keep_s, seq=stored.seq_reserved)
        identify = unpack(stored.identify, Identify)
        return self._add(session, identify, choice, stored.seq_reserved, stored.token_digest)

    def ageing(self) -> list[LiveSession]:
        """Those that have to be looked at as time goes by: of thousands that are connected and idle, few."""
        self._watched.difference_update([live for live in self._watched if not live.session.ageing])
        return list(self._watched)

    def expire(self, ageing: Iterable[LiveSession], now: float) -> list[LiveSession]:
        """Forgets and gives those that nobody came back for, and those that were given up; each is to
        be `settle`d."""
        late = [live for live in ageing if self._is_late(live, now)]
        for live in late:
            self.forget(live.id)
        late += [live for live in self._given_up if not live.keeping]
        self._given_up = [live for live in self._given_up if live.keeping]
        return late

    def _is_late(self, live: LiveSession, now: float) -> bool:
        if not live.session.expired(now):
            return False
        is_busy = live.keeping > 0 or live.acting > 0
        if is_busy:
            # Once its answer is kept, what that asks for is yet to be done: it gets as long again.
            live.session.detach(now)
        return not is_busy

    def left(self, live: LiveSession) -> None:
        """Its client won't come back: it is given up, unless something is owed to it."""
        if not live.is_owed and live.id in self._live:
            log.info("session %s is over: its client is done", live.id)
            self.forget(live.id)
            self._given_up.append(live)

    def relieve(self) -> None:
        """Gives up the sessions that hold most, until what is left for all of them is no longer too much."""
        while self.unacknowledged.is_too_much and self._live:
            worst = max(self._live.values(), key=lambda live: live.backlog.bytes)
            reason = worst.backlog.reason
            log.warning("session %s is given up for the sake of the others: %s", worst.id, reason)
            self.forget(worst.id)
            self._given_up.append(worst)
            # Who doesn't read takes its time to be told.
            task = asyncio.create_task(worst.drop(errors.TOO_SLOW, reason))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def forget(self, session_id: str) -> None:
        """Nobody comes back to it any more."""
        if live := self._live.pop(session_id, None):
            live.ended = True
            self._watched.discard(live)
            # It may yet lose its connection, which is none of ours any more.
            live.watched = set()
            live.backlog.clear()
            del self._tokens[session_id]

    async def settle(self, session_id: str, *, leaves_popups: bool = False) -> None:
        """Closes in the store what a forgotten session left open, save popups that others take over."""
        await self._store.persist(lambda db: SessionStore(db).close(session_id, leaves_popups=leaves_popups))

    async def close_sockets(self, close: errors.CloseCode, reason: str) -> None:
        """Tells everybody that the daemon stops; the sessions stay stored."""
        for task in self._keeping:
            task.cancel()
        closing = [asyncio.create_task(live.drop(close, reason)) for live in self._live.values()]
        closing += self._closing
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_S)

    def _add(
        self,
        session: Session,
        identify: Identify,
        choice: Choice[Adapter] | None,
        reserved: int,
        token_digest: str,
    ) -> LiveSession:
        total, relieve = self.unacknowledged, self.relieve
        live = LiveSession(session, identify, choice, self._store, reserved, total, relieve)
        self._live[live.id] = live
        live.watched = self._watched
        self._watched.add(live)
        self._tokens[live.id] = token_digest
        return live


def unknown_session(session: str) -> RemoteProtocolError:
    """Why nobody may come back to `session`."""
    says = f"field 'resume': session {session!r} isn't known (any more): identify without it"
    return RemoteProtocolError(errors.SESSION_INVALID, says)
