"""Opens, resumes, restores and ends the daemon's sessions."""

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
from bridge.server.live_session import NO_LIMIT, LiveSession, Total, owner_of
from bridge.store.records import StoredSession
from bridge.store.sessions import SEQ_BLOCK, SessionStore
from bridge.store.store import Store

log = logging.getLogger(__name__)

CLOSE_S = 3.0
"""Seconds that a stopping daemon waits for clients to receive their close frames."""


class Sessions:
    """All sessions of the daemon, whether attached or waiting for their client."""

    def __init__(self, store: Store, keep_s: float, unacknowledged: Total | None = None) -> None:
        """`unacknowledged` counts the unacknowledged bytes of all sessions and has their limit."""
        self.unacknowledged = unacknowledged or Total(NO_LIMIT)
        self._store = store
        self._keep_s = keep_s
        self._retry_tasks: set[asyncio.Task[None]] = set()
        self._retries: dict[str, asyncio.Task[None]] = {}
        """By session, the task that stores its latest state after a failed write."""
        self._ended: list[LiveSession] = []
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
        """Opens a session. Returns it, its resume token, and the error if it couldn't be stored."""
        session_id, token = secrets.token_hex(8), secrets.token_hex(32)
        digest = auth.digest(token)

        def keep(db: Database) -> None:
            SessionStore(db).open(session_id, digest, identify)

        problem = None
        try:
            await self._store.write(keep, synced=False)
        except StoreError as error:
            problem = error
            self._retry_later(session_id, lambda: self._store.write(keep))
        session = Session(session_id, time.monotonic(), keep_s=self._keep_s)
        return self._add(session, identify, choice, SEQ_BLOCK, digest), token, problem

    def resume(self, identify: Identify, choice: Choice[Adapter] | None) -> tuple[LiveSession, str, bool]:
        """Returns the session to resume, its resume token, and whether its client was restarted.

        Raises RemoteProtocolError if the session is unknown, was opened with another client token, or the
        resume token is wrong.
        """
        resume = identify.resume
        assert resume is not UNSET
        live = self._live.get(resume.session)
        digest = auth.digest(resume.token)
        if live is None or not secrets.compare_digest(digest, self._tokens[live.id]):
            raise unknown_session(resume.session)
        # Sessions of PopBridge 0.2 and older don't say whose they are: all were the local user's.
        if live.owner != owner_of(identify):
            raise unknown_session(resume.session)
        live.identified(identify, choice)
        # The token stays the same, because a new one would be lost if `ready` never arrived.
        return live, resume.token, live.instance != identify.instance

    def arrived(self, live: LiveSession, identify: Identify) -> None:
        """Stores the process of a resumed session's client, unless another client has identified since."""
        digest = self._tokens.get(live.id)
        if live.identify is not identify or digest is None:
            return
        # Only after `ready`: if the daemon is killed before, the client must still count as restarted.
        live.instance = identify.instance

        def keep(db: Database) -> None:
            SessionStore(db).resumed(live.id, digest, identify)

        async def keep_latest() -> None:
            if live.identify is identify:
                await self._store.write(keep, synced=False)

        if live.id in self._retries:
            self._retry_later(live.id, keep_latest)
        else:
            self._store.submit(keep, lambda: self._retry_later(live.id, keep_latest))

    def _retry_later(self, session_id: str, keep: Callable[[], Awaitable[None]]) -> None:
        """Retries `keep` until it succeeds, after earlier retries for the session."""
        earlier = self._retries.get(session_id)

        async def insist() -> None:
            if earlier is not None:
                await asyncio.wait([earlier])
            try:
                await self._store.insist(keep)
            except StoreError as error:
                log.error("session %s is not stored: %s", session_id, error.reason)

        task = self._retries[session_id] = asyncio.create_task(insist())
        self._retry_tasks.add(task)
        task.add_done_callback(partial(self._stored, session_id))

    def _stored(self, session_id: str, task: asyncio.Task[None]) -> None:
        self._retry_tasks.discard(task)
        if self._retries.get(session_id) is task:
            del self._retries[session_id]

    def restore(
        self, stored: StoredSession, identify: Identify, choice: Choice[Adapter] | None
    ) -> LiveSession:
        """Restores a session of an earlier run; its keep time starts anew."""
        session = Session(stored.id, time.monotonic(), keep_s=self._keep_s, seq=stored.seq_reserved)
        return self._add(session, identify, choice, stored.seq_reserved, stored.token_digest)

    def allowed(self, live: LiveSession, identify: Identify) -> None:
        """Records and stores an `identify` whose project may be read from now on."""
        live.identified(identify, live.choice)

        def keep(db: Database) -> None:
            SessionStore(db).identified(live.id, identify)

        self._store.submit(keep, lambda: log.error("the project of session %s is not stored", live.id))

    @property
    def idle(self) -> bool:
        """Whether no session is open or has to be settled: nothing depends on the clock."""
        return not self._live and not self._ended

    def ageing(self) -> list[LiveSession]:
        """Returns the few sessions that can expire or have popups that can."""
        self._watched.difference_update([live for live in self._watched if not live.session.ageing])
        return list(self._watched)

    def expire(self, ageing: Iterable[LiveSession], now: float) -> list[LiveSession]:
        """Removes and returns expired and ended sessions. The caller must `settle` each."""
        late = [live for live in ageing if self._is_late(live, now)]
        for live in late:
            self.forget(live.id)
        late += [live for live in self._ended if not live.keeping]
        self._ended = [live for live in self._ended if live.keeping]
        return late

    def _is_late(self, live: LiveSession, now: float) -> bool:
        if not live.session.expired(now):
            return False
        is_busy = live.keeping > 0 or live.acting > 0
        if is_busy:
            # One of its answers is still being worked on, so its keep time starts anew.
            live.session.detach(now)
        return not is_busy

    def left(self, live: LiveSession) -> None:
        """Ends the session of a client that closed it, unless something is open or unacknowledged."""
        if not live.is_owed and live.id in self._live:
            log.info("session %s was closed by its client", live.id)
            self.forget(live.id)
            self._ended.append(live)

    def relieve(self) -> None:
        """Ends the sessions with the most unacknowledged bytes until the total is below the limit."""
        while self.unacknowledged.is_too_much and self._live:
            worst = max(self._live.values(), key=lambda live: live.backlog.bytes)
            reason = worst.backlog.reason
            log.warning(
                "session %s is ended, as all sessions together exceed the limit: %s", worst.id, reason
            )
            self._end(worst, errors.TOO_SLOW, reason)

    def revoke(self, token_id: str, reason: str) -> int:
        """Ends all sessions of a token that is no longer valid; returns how many."""
        found = [live for live in self._live.values() if live.identify.auth.id == token_id]
        for live in found:
            log.warning("session %s is ended: %s", live.id, reason)
            self._end(live, errors.TOKEN_REVOKED, reason)
        return len(found)

    def _end(self, live: LiveSession, close: errors.CloseCode, reason: str) -> None:
        self.forget(live.id)
        self._ended.append(live)
        # If a client doesn't read, its close frame is delayed.
        task = asyncio.create_task(live.drop(close, reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def forget(self, session_id: str) -> None:
        """Removes a session, which can't be resumed any more."""
        if live := self._live.pop(session_id, None):
            live.ended = True
            self._watched.discard(live)
            # The session may be detached later, which must not add it to the watched ones.
            live.watched = set()
            live.backlog.clear()
            del self._tokens[session_id]

    async def settle(self, session_id: str, *, leaves_popups: bool = False) -> None:
        """Closes a removed session in the store. Its popups may stay for other sessions."""
        await self._store.persist(lambda db: SessionStore(db).close(session_id, leaves_popups=leaves_popups))

    async def close_sockets(self, close: errors.CloseCode, reason: str) -> None:
        """Closes all connections; sessions stay stored."""
        for task in self._retry_tasks:
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
    """Returns the error for resuming an unknown session."""
    reason = f"field 'resume': session {session!r} is unknown or has ended: identify without it"
    return RemoteProtocolError(errors.SESSION_INVALID, reason)
