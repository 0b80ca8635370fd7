"""Session with its socket: numbering, backlog."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from accel.text import text
from bridge.api import Adapter, SessionView
from bridge.core import errors
from bridge.core.errors import RemoteProtocolError, RequestError
from bridge.core.messages import MAX_FRAME, Identify, Message, Numbered, Popup, PopupClose, Request
from bridge.core.session import MAX_OUTBOX, Session
from bridge.core.versions import Choice
from bridge.store.records import unpack
from bridge.store.sessions import SEQ_BLOCK, SessionStore
from bridge.store.store import Store

NO_LIMIT = 1 << 62
"""More bytes than anybody leaves."""


class Total:
    """The bytes of all clients."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.bytes = 0

    @property
    def is_too_much(self) -> bool:
        return self.bytes > self.most


class Backlog:
    """The bytes of one client, by the numbers of its messages."""

    def __init__(self, total: Total) -> None:
        self.bytes = 0
        self.total = total
        self._sizes: deque[tuple[int, int]] = deque()

    @property
    def reason(self) -> str:
        """Why it is too much, for a close frame."""
        return f"{self.bytes} bytes wait for 'ack': acknowledge what was handled"

    def add(self, seq: int, size: int) -> Total:
        """Message `seq` waits for its acknowledgement; a number comes once. Gives what waits in all."""
        self._sizes.append((seq, size))
        self.bytes += size
        total = self.total
        total.bytes += size
        return total

    def acknowledged(self, seq: int) -> None:
        """Everything up to `seq` was handled."""
        freed, sizes = 0, self._sizes
        while sizes and sizes[0][0] <= seq:
            freed += sizes.popleft()[1]
        self.bytes -= freed
        self.total.bytes -= freed

    def clear(self) -> None:
        """Nothing waits any more."""
        self._sizes.clear()
        self.total.bytes -= self.bytes
        self.bytes = 0


SPARE = 1024
"""Bytes of a frame that are left for a message's id and number."""


def size_of(message: Numbered) -> int:
    """About what it takes, bytes: an advisor's answer may hold what can't be encoded."""
    return len(msgspec.msgpack.encode(message, enc_hook=repr))


def too_large(name: str, size: int, limit: int) -> RequestError:
    """What is said where something doesn't fit into a frame."""
    hint = text("Ask for less in one request.")
    return RequestError(
        errors.TOO_LARGE, hint, name=name, size=f"{size} bytes", limit=f"{limit} bytes", setting=""
    )


def workspace(identify: Identify) -> str:
    """Equal for editors that have the same project open on this machine by the same engine, in versions that
    begin with the same number; empty where nobody shares it."""
    project, engine = identify.project, identify.engine
    if identify.client.kind != "editor" or not project or not project.root or not engine:
        return ""
    # A project that was brought to the next generation has other settings than those that were asked about.
    generation = engine.version.partition(".")[0]
    root = os.path.normcase(os.path.normpath(project.root))
    return "\n".join((project.id, root, engine.name, generation))


def workspace_of(packed: bytes) -> str:
    """That of a kept `identify`; empty, too, where that can't be read any more."""
    try:
        return workspace(unpack(packed, Identify))
    # In a damaged file it may be of any type.
    except (msgspec.DecodeError, AttributeError, TypeError):
        return ""


def mates(live: LiveSession, sessions: Iterable[LiveSession]) -> list[LiveSession]:
    """Of `sessions` the others whose editors have the same project open as `live`, or had a moment ago."""
    shared = live.workspace
    return [one for one in sessions if one.workspace == shared and one is not live] if shared else []


log = logging.getLogger(__name__)

MAX_UNACKED = 64 << 20
"""Most bytes that one client may leave unacknowledged."""

Keep = Callable[[Numbered], Awaitable[None]]
"""Stores a numbered message before it is sent."""


class Socket(Protocol):
    """The sending half of a connection."""

    async def send(self, message: Message) -> int: ...
    async def close(self, close: errors.CloseCode, reason: str) -> None: ...


class LiveSession:
    """A session, whoever carries it now."""

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
        """`relieve` is called where `total` is too much."""
        self._relieve = relieve
        self.session = session
        self.identified(identify, choice)
        self._closings: dict[int, PopupClose] = {}
        """Of popups that were closed while nobody was connected, by their ids."""
        self.socket: Socket | None = None
        self.sending = asyncio.Lock()
        """Held while a message is stored before it is sent: what comes after it waits."""
        self._store = store
        self._reserved = reserved
        self._durable: list[int] = []
        self.backlog = Backlog(total or Total(NO_LIMIT))
        self.heard = time.monotonic()
        """When its client last said anything, or was lost, by `time.monotonic`."""
        self.inline: Request | None = None
        """What the daemon itself is doing for it right now."""
        self.ended = False
        self.instance = identify.instance
        """Of the client that was here last: another has ids of its own, and nothing on its screen."""
        self.watched: set[LiveSession] = set()
        """Where it puts itself when time may change it: nobody carries it, or a popup expires."""
        self.events = 0
        """How many of its events advisors are at work on."""
        self.keeping = 0
        """How much of what it said of popups isn't kept yet: nobody gives it up meanwhile."""
        self.acting = 0
        """How much of what its answers lead to is being done or kept: its keep time isn't over meanwhile."""
        self.answers = 0
        """How many of its answers advisors are at work on."""

    @property
    def id(self) -> str:
        return self.session.id

    @property
    def is_editor(self) -> bool:
        """Whether an editor is connected, which can carry out commands."""
        return self.socket is not None and self.identify.client.kind == "editor"

    @property
    def described(self) -> str:
        """Who carries it, for logs."""
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
            project=project.id if project else "",
            project_name=project.name if project else "",
            root=self.root,
            adapter=adapter,
            version=adapter.scheme.parse(engine.version) if adapter and engine else None,
            locale=self.identify.locale or "en",
            workspace=self.workspace,
        )

    def identified(self, identify: Identify, choice: Choice[Adapter] | None) -> None:
        """Its client is back, and has said who it is."""
        self.identify, self.choice, self.workspace = identify, choice, workspace(identify)
        project = identify.project or None
        self.root = Path(project.root) if project and isinstance(project.root, str) else None
        """Its project's folder on this machine, if it has said one."""

    @property
    def is_owed(self) -> bool:
        """Whether anything is open for its client, or on its way there."""
        at_work = self.events + self.answers + self.keeping
        return self.session.is_owed or at_work > 0 or self.sending.locked()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """What its answers lead to is being done or kept."""
        self.acting += 1
        try:
            yield
        finally:
            self.acting -= 1

    async def send(self, message: Message, keep: Keep | None = None) -> None:
        """Numbers what is numbered and writes it; without a socket it waits for one.

        What must outlive the daemon is stored by `keep` first; what that raises comes here, and the message
        was never numbered then.
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
        """Writes what needs no number, or has one."""
        if self.socket is not None:
            size = await self.socket.send(message)
        elif isinstance(message, Numbered):
            # It is kept until somebody comes back for it, and costs as much meanwhile.
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
        """Raises RequestError where `message` can't be sent: the session has ended, or it is too much."""
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
        # Half a block ahead, so that nobody waits for it.
        if seq + SEQ_BLOCK // 2 >= self._reserved:
            self._reserved = seq + SEQ_BLOCK
            self._store.submit(lambda db: SessionStore(db).reserve(self.id, seq))
        return self.session.number(message)

    def take_up(self, message: Numbered, now: float) -> None:
        """A message that is stored under its number has its place; it is to be written."""
        self.session.restore(message, now)
        self._durable.append(_seq(message))

    def restore(self, message: Numbered, now: float) -> None:
        """Puts back a stored message that its client hasn't handled."""
        self.take_up(message, now)
        self.backlog.add(_seq(message), size_of(message))

    def acknowledged(self, seq: int) -> None:
        """Keeps the acknowledgement where it concerns something that was stored."""
        self.backlog.acknowledged(seq)
        if self._durable and self._durable[0] <= seq:
            self._durable = [kept for kept in self._durable if kept > seq]
            self._store.submit(lambda db: SessionStore(db).acknowledged(self.id, seq))

    async def attach(self, socket: Socket, last_seq: int) -> tuple[Numbered, ...]:
        """`socket` carries the session from now on; gives what it has to send first."""
        await self.take_over()
        self.socket = socket
        return self.session.attach(last_seq)

    def closings(self) -> list[PopupClose]:
        """What was closed while nobody was connected, to be sent after what waits."""
        found, self._closings = list(self._closings.values()), {}
        return found

    async def take_over(self) -> None:
        """Ends the connection that carries the session, and with it whatever is being written to that."""
        while self.socket is not None:  # a third connection may have come while the second was being closed
            await self.drop(errors.SESSION_INVALID, "the session was resumed by another connection")

    def open(self, popup: Popup) -> list[PopupClose]:
        """Opens a popup that was sent; gives the closing of those whose place it takes."""
        superseded = self.session.popups.open(popup, time.monotonic())
        # Who is away may have been told before that it is closed.
        self._closings.pop(popup.id, None)
        self.watched.add(self)
        return superseded

    def detach(self, socket: Socket) -> None:
        """`socket` is gone; nothing happens where another took over already."""
        if self.socket is socket:
            self.socket = None
            self._lost()

    async def drop(self, close: errors.CloseCode, reason: str) -> None:
        """Closes the socket, if there is one; the session is kept."""
        socket, self.socket = self.socket, None
        if socket is not None:
            self._lost()
            await socket.close(close, reason)

    def _lost(self) -> None:
        self.heard = time.monotonic()
        self.session.detach(self.heard)
        self.watched.add(self)


def _seq(message: Numbered) -> int:
    assert isinstance(message.seq, int)
    return message.seq
