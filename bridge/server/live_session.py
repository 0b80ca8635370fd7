"""A session with its socket: numbers and sends messages and counts unacknowledged bytes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from accel.text import text
from bridge.api import Adapter, SessionView
from bridge.core import errors
from bridge.core.access import LOCAL_ID, NOBODY
from bridge.core.errors import RemoteProtocolError, RequestError
from bridge.core.messages import MAX_FRAME, Event, Identify, Message, Numbered, Popup, PopupClose, Request
from bridge.core.session import MAX_OUTBOX, Session
from bridge.core.versions import Choice
from bridge.server.access.token_rates import UNLIMITED
from bridge.store.records import unpack
from bridge.store.sessions import SEQ_BLOCK, SessionStore
from bridge.store.store import Store

NO_LIMIT = 1 << 62
"""More bytes than any backlog can reach."""


class Total:
    """Unacknowledged bytes of all clients."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.bytes = 0

    @property
    def is_too_much(self) -> bool:
        return self.bytes > self.most


class Backlog:
    """Unacknowledged bytes of one client, by message number."""

    def __init__(self, total: Total) -> None:
        self.bytes = 0
        self.total = total
        self._sizes: list[tuple[int, int]] = []

    @property
    def reason(self) -> str:
        """The reason for a close frame."""
        return f"{self.bytes} bytes wait for 'ack': acknowledge what was handled"

    def add(self, seq: int, size: int) -> Total:
        """Adds an unacknowledged message, once per number. Returns the total of all clients."""
        self._sizes.append((seq, size))
        self.bytes += size
        total = self.total
        total.bytes += size
        return total

    def acknowledged(self, seq: int) -> None:
        """Removes all messages up to `seq`."""
        freed = count = 0
        for number, size in self._sizes:
            if number > seq:
                break
            freed += size
            count += 1
        del self._sizes[:count]
        self.bytes -= freed
        self.total.bytes -= freed

    def clear(self) -> None:
        self._sizes.clear()
        self.total.bytes -= self.bytes
        self.bytes = 0


SPARE = 1024
"""Bytes of a frame reserved for a message's id and number."""


def size_of(message: Numbered) -> int:
    """Returns the approximate size in bytes; an advisor's value may not be encodable."""
    return len(msgspec.msgpack.encode(message, enc_hook=repr))


def too_large(name: str, size: int, limit: int) -> RequestError:
    """Returns the error for a message that doesn't fit into a frame."""
    hint = text("Ask for less in one request.")
    return RequestError(
        errors.TOO_LARGE, hint, name=name, size=f"{size} bytes", limit=f"{limit} bytes", setting=""
    )


def owner_of(identify: Identify) -> str:
    """Returns the id of the token that a client has identified with, also a stored one."""
    return identify.auth.id or LOCAL_ID


def workspace(identify: Identify) -> str:
    """Returns a key shared by editors of one token that have the same project open on this machine, in the
    same engine and major version. It is empty for a session that shares nothing."""
    project, engine = identify.project, identify.engine
    if identify.client.kind != "editor" or not project or not project.root or not engine:
        return ""
    # A project upgraded to another major version has different settings.
    generation = engine.version.partition(".")[0]
    root = os.path.normcase(os.path.normpath(project.root))
    # A root may have any character but NUL.
    return "\0".join((owner_of(identify), project.id, root, engine.name, generation))


def workspace_of(packed: bytes) -> str:
    """Returns the workspace of a stored `identify`; empty if it is damaged."""
    try:
        return workspace(unpack(packed, Identify))
    # In a damaged database it may have any type.
    except (msgspec.DecodeError, AttributeError, TypeError):
        return ""


def project_key(project: str, owner: str) -> str:
    """Returns the key of a project's receipts, rules and marks: clients of another token can't claim it."""
    return project if owner == LOCAL_ID else f"{project}\0{owner}"


def mates(live: LiveSession, sessions: Iterable[LiveSession]) -> list[LiveSession]:
    """Returns the other sessions with the same workspace as `live`."""
    shared = live.workspace
    return [one for one in sessions if one.workspace == shared and one is not live] if shared else []


log = logging.getLogger(__name__)

MAX_HELD_EVENTS = 16
"""Most events that wait until the user lets PopBridge read the project; further ones are dropped."""
MAX_UNACKED = 64 << 20
"""Maximum unacknowledged bytes per client."""

Keep = Callable[[Numbered], Awaitable[None]]
"""Stores a numbered message before it is sent."""


class Socket(Protocol):
    """The sending half of a connection."""

    async def send(self, message: Message) -> int: ...
    async def close(self, close: errors.CloseCode, reason: str) -> None: ...


class LiveSession:
    """A session and the socket that currently serves it."""

    def __init__(
        self,
        session: Session,
        identify: Identify,
        choice: Choice[Adapter] | None,
        store: Store,
        reserved: int,
        total: Total | None = None,
        relieve: Callable[[], None] = lambda: None,
    ) -> None:
        """`relieve` is called when `total` exceeds its limit."""
        self._relieve = relieve
        self.session = session
        self.unregistered_root = ""
        """The project's folder as the client names it, while the user hasn't let PopBridge read it."""
        self.asked_root = ""
        """The last such folder that the user was asked about."""
        self.declined_root = ""
        """The last such folder that the user declined."""
        self._held_events: list[Event] = []
        self.principal = NOBODY
        """Who its client is; has no right until a client of this run has identified."""
        self.rates = UNLIMITED
        """What its token may send."""
        self.http_digest = b""
        """The digest of its HTTP token; empty without one."""
        self.identified(identify, choice)
        self._closings: dict[int, PopupClose] = {}
        """`popup_close` messages that are waiting for a connection, by popup id."""
        self.socket: Socket | None = None
        self.sending = asyncio.Lock()
        """Locked while a message is stored before it is sent; later messages wait."""
        self._store = store
        self._reserved = reserved
        self._durable: list[int] = []
        self.backlog = Backlog(total or Total(NO_LIMIT))
        self.last_heard = time.monotonic()
        """When its client last sent a message or was lost, by `time.monotonic`."""
        self.inline: Request | None = None
        """The request that the daemon is currently running inline."""
        self.ended = False
        self.instance = identify.instance
        """Instance id of the last client. A new instance reuses request ids and shows no popups."""
        self.watched: set[LiveSession] = set()
        """The set that it joins when it can change with time: without a client, or with an expiring popup."""
        self.events = 0
        """Number of events being handled by advisors."""
        self.keeping = 0
        """Number of popup answers not yet stored; the session must not end meanwhile."""
        self.acting = 0
        """Number of running effects of its answers; the session must not expire meanwhile."""
        self.answers = 0
        """Number of answers being handled by advisors."""

    @property
    def id(self) -> str:
        return self.session.id

    @property
    def owner(self) -> str:
        """The id of the token that the session belongs to."""
        return owner_of(self.identify)

    @property
    def is_editor(self) -> bool:
        """Whether a connected editor can carry out commands."""
        return self.socket is not None and self.identify.client.kind == "editor"

    @property
    def description(self) -> str:
        """Describes the session's client, engine and project for logs."""
        client, engine, project = self.identify.client, self.identify.engine, self.identify.project
        parts = [f"{client.kind} {client.name} {client.version}"]
        parts += [f"{engine.name} {engine.version}"] if engine else []
        parts += [f"project {project.name}{f' in {project.root}' if project.root else ''}"] if project else []
        return ", ".join(parts)

    @property
    def view(self) -> SessionView:
        project = self.identify.project or None
        engine = self.identify.engine or None
        adapter = self.choice.adapter if self.choice else None
        return SessionView(
            id=self.id,
            project=project_key(project.id, self.owner) if project else "",
            project_name=project.name if project else "",
            root=self.root,
            adapter=adapter,
            version=adapter.scheme.parse(engine.version) if adapter and engine else None,
            locale=self.identify.locale or "en",
            workspace=self.workspace,
        )

    def identified(self, identify: Identify, choice: Choice[Adapter] | None) -> None:
        """Records what its client sent in `identify`."""
        self.identify, self.choice, self.workspace = identify, choice, workspace(identify)
        project = identify.project or None
        self.root = Path(project.root) if project and isinstance(project.root, str) else None
        """Folder of the project on this machine, if known and registered."""

    def hold(self, event: Event) -> bool:
        """Keeps an event for later if it needs files that PopBridge may not read yet; returns whether."""
        is_held = bool(self.unregistered_root) and self.unregistered_root != self.declined_root
        if is_held and len(self._held_events) < MAX_HELD_EVENTS:
            self._held_events.append(event)
        return is_held

    def take_held_events(self) -> list[Event]:
        """Removes and returns the events that were kept."""
        found, self._held_events = self._held_events, []
        return found

    @property
    def is_owed(self) -> bool:
        """Whether anything is open for its client or in progress."""
        at_work = self.events + self.answers + self.keeping
        return self.session.is_owed or at_work > 0 or self.sending.locked()

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Keeps the session from expiring while its answers take effect."""
        self.acting += 1
        try:
            yield
        finally:
            self.acting -= 1

    async def send(self, message: Message, keep: Keep | None = None) -> None:
        """Sends a message, numbered if its type is. Without a socket, it waits for the next connection.

        `keep` stores a message that must outlive the daemon before it is sent. If it raises, so does this,
        and the message was never numbered.
        """
        if not isinstance(message, Numbered):
            await self.write(message)
        elif keep is None and not self.sending.locked():
            await self._number_and_write(message, None)
        else:
            async with self.sending:
                await self._number_and_write(message, keep)

    async def _number_and_write(self, message: Numbered, keep: Keep | None) -> None:
        try:
            numbered = self._number(message)
        except RemoteProtocolError as error:
            await self.drop(error.close, error.reason)
            return
        if keep is not None:
            try:
                await keep(numbered)
            except BaseException:
                self.session.take_back(numbered)
                raise
            self._durable.append(_seq(numbered))
        await self.write(numbered)

    async def write(self, message: Message) -> None:
        """Writes a message that already has its number or needs none."""
        if self.socket is not None:
            size = await self.socket.send(message)
        elif isinstance(message, Numbered):
            # It waits for the next connection, and meanwhile takes as much memory.
            size = size_of(message)
        elif isinstance(message, PopupClose):
            self._closings[message.id] = message
        if isinstance(message, Numbered) and isinstance(message.seq, int) and not self.ended:
            total = self.backlog.add(message.seq, size)
            if self.backlog.bytes > MAX_UNACKED:
                await self.drop(errors.TOO_SLOW, self.backlog.reason)
            elif total.bytes > total.most:
                self._relieve()

    def expect(self, message: Message) -> None:
        """Raises RequestError if the session has ended, its outbox is full, or `message` is too large."""
        name = self.view.project_name or self.id
        if self.ended:
            raise RequestError(errors.EDITOR_GONE, editor=text("The editor with {name}", name=repr(name)))
        if len(self.session.waiting) >= MAX_OUTBOX:
            raise RequestError(
                errors.EDITOR_BUSY,
                editor=text("The editor with {name}", name=repr(name)),
                phase="not reading",
            )
        size = max(len(msgspec.msgpack.encode(message)), len(msgspec.json.encode(message)))
        if size > MAX_FRAME - SPARE:
            raise too_large(f"A {type(message).__name__.lower()}", size, MAX_FRAME - SPARE)

    def _number(self, message: Numbered) -> Numbered:
        seq = self.session.seq + 1
        # Reserve half a block ahead, so that no message has to wait for it.
        if seq + SEQ_BLOCK // 2 >= self._reserved:
            self._reserved = seq + SEQ_BLOCK
            self._store.submit(lambda db: SessionStore(db).reserve(self.id, seq))
        return self.session.number(message)

    def register(self, message: Numbered, now: float) -> None:
        """Records a message that is stored under its number. The caller writes it."""
        self.session.restore(message, now)
        self._durable.append(_seq(message))

    def restore(self, message: Numbered, now: float) -> None:
        """Restores a stored message that its client hasn't acknowledged."""
        self.register(message, now)
        self.backlog.add(_seq(message), size_of(message))

    def acknowledged(self, seq: int) -> None:
        """Forgets acknowledged messages, in the store as well."""
        self.backlog.acknowledged(seq)
        if self._durable and self._durable[0] <= seq:
            self._durable = [kept for kept in self._durable if kept > seq]
            self._store.submit(lambda db: SessionStore(db).acknowledged(self.id, seq))

    async def attach(self, socket: Socket, last_seq: int) -> tuple[Numbered, ...]:
        """Moves the session to `socket` and returns the messages to send first."""
        await self.take_over()
        self.socket = socket
        return self.session.attach(last_seq)

    def closings(self) -> list[PopupClose]:
        """Removes and returns the `popup_close` messages that waited for a connection."""
        found, self._closings = list(self._closings.values()), {}
        return found

    async def take_over(self) -> None:
        """Closes the current connection and ends writes to it."""
        while self.socket is not None:  # a third may have attached meanwhile
            await self.drop(errors.SESSION_INVALID, "the session was resumed by another connection")

    def open(self, popup: Popup) -> list[PopupClose]:
        """Opens a popup that was sent. Returns `popup_close` messages for those it replaces."""
        superseded = self.session.popups.open(popup, time.monotonic())
        # An earlier close of the same id may be waiting for a connection.
        self._closings.pop(popup.id, None)
        self.watched.add(self)
        return superseded

    def detach(self, socket: Socket) -> None:
        """Records that `socket` is gone, unless another one took over."""
        if self.socket is socket:
            self.socket = None
            self._lost()

    async def drop(self, close: errors.CloseCode, reason: str) -> None:
        """Closes the socket, if any; the session stays."""
        socket, self.socket = self.socket, None
        if socket is not None:
            self._lost()
            await socket.close(close, reason)

    def _lost(self) -> None:
        self.last_heard = time.monotonic()
        self.session.detach(self.last_heard)
        self.watched.add(self)


def _seq(message: Numbered) -> int:
    assert isinstance(message.seq, int)
    return message.seq
