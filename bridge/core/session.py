"""The state machines of connections, sessions and popups, without I/O.

Connection   GREETED --identify--> OPEN --close--> CLOSED     one socket
    Session      attached <--> detached --keep time--> expired    survives its sockets

The caller does the I/O, provides the time and authenticates clients.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TypeVar

from msgspec import UNSET
from msgspec.structs import replace

from bridge.core import errors
from bridge.core.errors import WRONG_VALUE, LocalProtocolError, RemoteProtocolError
from bridge.core.messages import (
    IDENTIFY_TIMEOUT_S,
    PROTOCOL,
    Ack,
    Answer,
    ClientMessage,
    Command,
    Error,
    Identify,
    Numbered,
    Popup,
    PopupClose,
    Request,
    Result,
)


def is_replaced(old: Popup, new: Popup) -> bool:
    """Whether `new` takes the place of `old`: it names it, or has the same `dedupe`."""
    return new.replaces == old.id or (new.dedupe is not UNSET and new.dedupe == old.dedupe)


class Popups:
    """The open popups of one session."""

    def __init__(self) -> None:
        self._open: dict[int, Popup] = {}
        self._expires: dict[int, float] = {}

    def __iter__(self) -> Iterator[Popup]:
        return iter(self._open.values())

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, popup_id: int) -> bool:
        return popup_id in self._open

    def get(self, popup_id: int) -> Popup | None:
        """Returns the open popup with this id, or None."""
        return self._open.get(popup_id)

    @property
    def expiring(self) -> bool:
        """Whether any open popup can expire."""
        return bool(self._expires)

    def open(self, popup: Popup, now: float) -> list[PopupClose]:
        """Opens `popup`. Returns the closings of those that it replaces (same `dedupe`)."""
        superseded = [
            PopupClose(id=old.id, reason="superseded")
            for old in self._open.values()
            if is_replaced(old, popup) and old.id != popup.id
        ]
        for closing in superseded:
            self._forget(closing.id)
        self._forget(popup.id)
        self._open[popup.id] = popup
        if isinstance(popup.expires_ms, int):
            self._expires[popup.id] = now + popup.expires_ms / 1000
        return superseded

    def answer(self, answer: Answer) -> PopupClose:
        """Closes a popup. If it isn't open, for example after a second answer, the reason is `unknown`.

        Raises RemoteProtocolError for an action that the popup doesn't have.
        """
        popup = self._open.get(answer.id)
        if popup is None:
            return PopupClose(id=answer.id, reason="unknown")
        actions = [action.id for action in (*popup.actions, *popup.menu)]
        if answer.state == "answered" and answer.action not in actions:
            named = f"has no action {answer.action!r}" if answer.action else "was answered without an action"
            raise RemoteProtocolError(
                WRONG_VALUE, f"field 'action': popup {answer.id} {named}: name one of {actions}"
            )
        self._forget(answer.id)
        return PopupClose(id=answer.id, reason=answer.state)

    def close(self, popup_id: int) -> bool:
        """Closes a popup. Returns False if it isn't open."""
        is_open = popup_id in self._open
        self._forget(popup_id)
        return is_open

    def expire(self, now: float) -> list[PopupClose]:
        """Closes and returns the expired popups."""
        late = [popup_id for popup_id, at in self._expires.items() if at <= now]
        for popup_id in late:
            self._forget(popup_id)
        return [PopupClose(id=popup_id, reason="expired") for popup_id in late]

    def _forget(self, popup_id: int) -> None:
        self._open.pop(popup_id, None)
        self._expires.pop(popup_id, None)


KEEP_S = 600.0
MAX_OUTBOX = 10_000
"""Maximum number of unacknowledged messages per client."""

NumberedMessage = TypeVar("NumberedMessage", bound=Numbered)


class State(Enum):
    GREETED = "greeted"
    OPEN = "open"
    CLOSED = "closed"


TRANSITIONS = {
    (State.GREETED, "identify"): State.OPEN,
    (State.GREETED, "close"): State.CLOSED,
    (State.OPEN, "close"): State.CLOSED,
    (State.CLOSED, "close"): State.CLOSED,
}


class Connection:
    """The order of messages on a connection: first one `identify`, in time, then the others."""

    def __init__(self, now: float, features: frozenset[str] = frozenset()) -> None:
        self.state = State.GREETED
        self._identify_by = now + IDENTIFY_TIMEOUT_S
        self._features = features

    def receive(self, message: ClientMessage) -> ClientMessage:
        """Returns `message`. Raises RemoteProtocolError if it isn't allowed now."""
        if isinstance(message, Identify):
            self._identify(message)
        elif self.state is not State.OPEN:
            raise RemoteProtocolError(errors.NOT_IDENTIFIED, "send 'identify' before anything else")
        return message

    def tick(self, now: float) -> None:
        """Raises RemoteProtocolError if `identify` is overdue."""
        if self.state is State.GREETED and now >= self._identify_by:
            raise RemoteProtocolError(
                errors.NOT_IDENTIFIED, f"no 'identify' within {IDENTIFY_TIMEOUT_S:.0f} s: send it first"
            )

    def close(self) -> None:
        """Closes the connection; idempotent."""
        self._move("close")

    def _identify(self, message: Identify) -> None:
        if self.state is not State.GREETED:
            raise RemoteProtocolError(errors.ALREADY_IDENTIFIED, "'identify' was already sent: send it once")
        if message.protocol != PROTOCOL:
            older = "client" if message.protocol < PROTOCOL else "daemon"
            raise RemoteProtocolError(
                errors.PROTOCOL_UNSUPPORTED,
                f"field 'protocol': {message.protocol}, not {PROTOCOL}: update the {older}",
            )
        if missing := set(message.features) - self._features:
            raise RemoteProtocolError(
                errors.FEATURE_UNSUPPORTED, f"field 'features': {sorted(missing)[0]!r} isn't offered"
            )
        self._move("identify")

    def _move(self, cause: str) -> None:
        self.state = TRANSITIONS[self.state, cause]


class Session:
    """The state that survives a socket: unacknowledged messages, and open requests, commands and popups.

    `seq` is the last number used; a restored session starts with the stored one.
    """

    def __init__(self, session_id: str, now: float, *, keep_s: float = KEEP_S, seq: int = 0) -> None:
        self.id = session_id
        self.seq = seq
        self.keep_s = keep_s
        self.popups = Popups()
        self.requests: dict[int, str | None] = {}
        """Open requests and their keys."""
        self._unread: dict[int, str] = {}
        """Keys of requests whose answers haven't been acknowledged."""
        self.commands: dict[int, Command] = {}
        # An empty deque takes ten times as much memory, for each of thousands of idle clients.
        self._outbox: list[Numbered] = []
        self._handled = 0
        self._detached_at: float | None = now

    def number(self, message: NumberedMessage) -> NumberedMessage:
        """Returns `message` with the next `seq`, and keeps it until it is acknowledged.

        Raises RemoteProtocolError if too many messages are unacknowledged.
        """
        if len(self._outbox) >= MAX_OUTBOX:
            raise RemoteProtocolError(
                errors.TOO_SLOW, f"{MAX_OUTBOX} messages are unacknowledged: send 'ack' for those handled"
            )
        if isinstance(message, (Result, Error)):
            self._settle(message)
        self.seq += 1
        numbered = replace(message, seq=self.seq)
        if isinstance(numbered, Command):
            self.commands[numbered.id] = numbered
        self._outbox.append(numbered)
        return numbered

    def take_back(self, message: Numbered) -> None:
        """Drops the last numbered message, which was never sent, and frees its number.

        Raises LocalProtocolError for any other message. A request that it answers stays answered.
        """
        if not self._outbox or self._outbox[-1] is not message or message.seq != self.seq:
            raise LocalProtocolError(errors.UNKNOWN, f"message {message.seq} isn't the last one")
        self._outbox.pop()
        self.seq -= 1
        if isinstance(message, Command):
            self.commands.pop(message.id, None)

    def restore(self, message: Numbered, now: float) -> None:
        """Adds a stored message. Call it in the order of `seq`."""
        if not isinstance(message.seq, int) or (self._outbox and message.seq <= _number(self._outbox[-1])):
            raise LocalProtocolError(errors.UNKNOWN, f"stored message out of order: {message.seq}")
        self.seq = max(self.seq, message.seq)
        self._outbox.append(message)
        if isinstance(message, (Result, Error)):
            self._settle(message)
        if isinstance(message, Command):
            self.commands[message.id] = message
        if isinstance(message, Popup):
            self.popups.open(message, now)

    @property
    def unacknowledged(self) -> int:
        """Number of unacknowledged messages."""
        return len(self._outbox)

    @property
    def waiting(self) -> tuple[Numbered, ...]:
        """The unacknowledged messages, in order."""
        return tuple(self._outbox)

    @property
    def is_owed(self) -> bool:
        """Whether anything is unacknowledged or any request, command or popup is open."""
        return bool(self._outbox or self.requests or self.commands or len(self.popups))

    def receive(self, message: ClientMessage) -> Command | PopupClose | None:
        """Processes `message`. Returns the command that it answers or the closing of its popup, if any.

        Raises RemoteProtocolError for a request id that is already open, an action that the popup doesn't
        have, or an `ack` of a number that was never sent.
        """
        match message:
            case Request():
                self._open_request(message)
            case Result() | Error():
                return self._answered(message.id) if isinstance(message.id, int) else None
            case Answer():
                return self.popups.answer(message)
            case Ack():
                self._acknowledge(message.seq)
            case _:
                pass
        return None

    @property
    def attached(self) -> bool:
        return self._detached_at is None

    def attach(self, last_seq: int = 0) -> tuple[Numbered, ...]:
        """Attaches the session to a socket. Returns the messages that the client hasn't handled, in order.

        An unanswered command is resent even if it was acknowledged: its answer was lost, and the client
        repeats it. A killed daemon may have lost numbers that the client has seen, so numbering continues
        above them.
        """
        self._detached_at = None
        self.seq = max(self.seq, last_seq)
        self._drop_through(last_seq)
        return self.waiting

    def detach(self, now: float) -> None:
        """Detaches the session from its socket. It expires after `keep_s` seconds."""
        self._detached_at = now

    @property
    def ageing(self) -> bool:
        """Whether the session or one of its popups can expire."""
        return self._detached_at is not None or self.popups.expiring

    def expired(self, now: float) -> bool:
        """Whether the keep time has passed without a client."""
        return self._detached_at is not None and now - self._detached_at >= self.keep_s

    def repeats(self, request: Request) -> bool:
        """Whether this request repeats, by its key, one that is open or has an unacknowledged answer.

        After losing a connection, a client can't know whether its request arrived.
        """
        known = self.requests.get(request.id) or self._unread.get(request.id)
        return known is not None and known == request.key

    def client_restarted(self) -> None:
        """Forgets the requests of the previous client process, because the new one has its own ids."""
        self.requests.clear()
        self._unread.clear()

    def _open_request(self, request: Request) -> None:
        if request.id in self.requests:
            raise RemoteProtocolError(
                errors.WRONG_VALUE, f"field 'id': request {request.id} is already open: use another id"
            )
        self._unread.pop(request.id, None)
        self.requests[request.id] = request.key if isinstance(request.key, str) else None

    def _settle(self, answer: Result | Error) -> None:
        if not isinstance(answer.id, int):
            return
        key = self.requests.pop(answer.id, None)
        # A rejected request may be repeated with the same id and is then answered again.
        refused = isinstance(answer, Error) and answer.outcome == "not_started"
        if key is not None and not refused:
            self._unread[answer.id] = key

    def _acknowledge(self, seq: int) -> None:
        if seq > self.seq:
            raise RemoteProtocolError(
                errors.WRONG_VALUE, f"field 'seq': {seq} was never sent; {self.seq} was the last"
            )
        self._drop_through(seq)

    def _answered(self, command_id: int) -> Command | None:
        command = self.commands.pop(command_id, None)
        self._drop_through(0)
        return command

    def _drop_through(self, seq: int) -> None:
        self._handled = max(self._handled, seq)
        unanswered, count = [], 0
        for message in self._outbox:
            if _number(message) > self._handled:
                break
            count += 1
            if self._is_unanswered(message):
                unanswered.append(message)
            elif isinstance(message, (Result, Error)) and isinstance(message.id, int):
                self._unread.pop(message.id, None)
        self._outbox[:count] = unanswered

    def _is_unanswered(self, message: Numbered) -> bool:
        return isinstance(message, Command) and message.id in self.commands


def _number(message: Numbered) -> int:
    assert isinstance(message.seq, int)
    return message.seq
