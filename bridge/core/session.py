"""Session state machine and popup contract.

Connection   GREETED --identify--> OPEN --close--> CLOSED     one socket
    Session      attached <--> detached --keep time--> expired    survives its sockets

The caller moves the bytes, keeps the time and decides who may come in.
"""

from __future__ import annotations

from collections import deque
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
        """The open popup of that id."""
        return self._open.get(popup_id)

    @property
    def expiring(self) -> bool:
        """Whether any of them expires some time."""
        return bool(self._expires)

    def open(self, popup: Popup, now: float) -> list[PopupClose]:
        """Opens `popup`; gives the closing of whichever it takes the place of (`dedupe`)."""
        superseded = [
            PopupClose(id=old.id, reason="superseded")
            for old in self._open.values()
            if popup.dedupe is not UNSET and old.dedupe == popup.dedupe and old.id != popup.id
        ]
        for closing in superseded:
            self._forget(closing.id)
        self._forget(popup.id)
        self._open[popup.id] = popup
        if isinstance(popup.expires_ms, int):
            self._expires[popup.id] = now + popup.expires_ms / 1000
        return superseded

    def answer(self, answer: Answer) -> PopupClose:
        """Settles a popup; an answer to none that is open (sent twice, or too late) is told so.

        Raises RemoteProtocolError for an action that the popup doesn't have.
        """
        popup = self._open.get(answer.id)
        if popup is None:
            return PopupClose(id=answer.id, reason="unknown")
        actions = [action.id for action in popup.actions]
        if answer.state == "answered" and answer.action not in actions:
            named = f"has no action {answer.action!r}" if answer.action else "was answered without an action"
            raise RemoteProtocolError(
                WRONG_VALUE, f"field 'action': popup {answer.id} {named}: name one of {actions}"
            )
        self._forget(answer.id)
        return PopupClose(id=answer.id, reason=answer.state)

    def close(self, popup_id: int) -> bool:
        """Closes a popup that nobody needs to answer any more; False where it isn't open."""
        is_open = popup_id in self._open
        self._forget(popup_id)
        return is_open

    def expire(self, now: float) -> list[PopupClose]:
        """Closes what nobody answered in time."""
        late = [popup_id for popup_id, at in self._expires.items() if at <= now]
        for popup_id in late:
            self._forget(popup_id)
        return [PopupClose(id=popup_id, reason="expired") for popup_id in late]

    def _forget(self, popup_id: int) -> None:
        self._open.pop(popup_id, None)
        self._expires.pop(popup_id, None)


KEEP_S = 600.0
MAX_OUTBOX = 10_000
"""Most messages that wait for one client's acknowledgement; more is a client that doesn't read."""

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
    """One socket's order of messages: `identify` once, first and in time, then everything else."""

    def __init__(self, now: float, features: frozenset[str] = frozenset()) -> None:
        self.state = State.GREETED
        self._identify_by = now + IDENTIFY_TIMEOUT_S
        self._features = features

    def receive(self, message: ClientMessage) -> ClientMessage:
        """`message`, if it may come now. Raises RemoteProtocolError otherwise."""
        if isinstance(message, Identify):
            self._identify(message)
        elif self.state is not State.OPEN:
            raise RemoteProtocolError(errors.NOT_IDENTIFIED, "send 'identify' before anything else")
        return message

    def tick(self, now: float) -> None:
        """Raises RemoteProtocolError where the client has let the time for `identify` pass."""
        if self.state is State.GREETED and now >= self._identify_by:
            raise RemoteProtocolError(
                errors.NOT_IDENTIFIED, f"no 'identify' within {IDENTIFY_TIMEOUT_S:.0f} s: send it first"
            )

    def close(self) -> None:
        """No message goes either way any more; may be called again."""
        self._move("close")

    def _identify(self, message: Identify) -> None:
        if self.state is not State.GREETED:
            raise RemoteProtocolError(errors.ALREADY_IDENTIFIED, "'identify' was sent already: send it once")
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
    """What outlives a socket: numbered messages until acknowledged, open requests, commands and popups.

    `seq` is the number last given; a session read back from a store starts from the stored one.
    """

    def __init__(self, session_id: str, now: float, *, keep_s: float = KEEP_S, seq: int = 0) -> None:
        self.id = session_id
        self.seq = seq
        self.keep_s = keep_s
        self.popups = Popups()
        self.requests: dict[int, str | None] = {}
        """Open ones, with their keys."""
        self._unread: dict[int, str] = {}
        """The keys of those whose answers aren't acknowledged."""
        self.commands: dict[int, Command] = {}
        self._outbox: deque[Numbered] = deque()
        self._handled = 0
        self._detached_at: float | None = now

    # What the server sends.

    def number(self, message: NumberedMessage) -> NumberedMessage:
        """`message` with the next `seq`, kept until it is acknowledged.

        Raises RemoteProtocolError where too many wait: the client has stopped acknowledging.
        """
        if len(self._outbox) >= MAX_OUTBOX:
            raise RemoteProtocolError(
                errors.TOO_SLOW, f"{MAX_OUTBOX} messages wait for 'ack': acknowledge what was handled"
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
        """Forgets the message that was numbered last and was never sent: its number is the next one's.

        Raises LocalProtocolError for any other. A request that it would have answered stays answered.
        """
        if not self._outbox or self._outbox[-1] is not message or message.seq != self.seq:
            raise LocalProtocolError(errors.UNKNOWN, f"message {message.seq} isn't the last one")
        self._outbox.pop()
        self.seq -= 1
        if isinstance(message, Command):
            self.commands.pop(message.id, None)

    def restore(self, message: Numbered, now: float) -> None:
        """Takes up a message that is stored under its number, in the order of these."""
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
        """How many messages are kept."""
        return len(self._outbox)

    @property
    def waiting(self) -> tuple[Numbered, ...]:
        """What isn't acknowledged yet, in order."""
        return tuple(self._outbox)

    @property
    def is_owed(self) -> bool:
        """Whether its client has yet to get, answer or acknowledge anything."""
        return bool(self._outbox or self.requests or self.commands or len(self.popups))

    # What the client sends.

    def receive(self, message: ClientMessage) -> Command | PopupClose | None:
        """Takes note of `message`; gives the command or popup that it settles, where it settles one.

        Raises RemoteProtocolError for an id that is open already, an action that a popup
        doesn't have, or an `ack` of what was never sent.
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

    # Sockets come and go.

    @property
    def attached(self) -> bool:
        return self._detached_at is None

    def attach(self, last_seq: int = 0) -> tuple[Numbered, ...]:
        """A socket carries the session; gives what that client hasn't handled, in order.

        A command without an answer comes again even if it was handled or acknowledged: its answer was lost
        on the way, and the client gives the one that it kept. A daemon that was killed may have forgotten
        numbers that a client has seen: it goes on above them.
        """
        self._detached_at = None
        self.seq = max(self.seq, last_seq)
        self._drop_through(last_seq)
        return self.waiting

    def detach(self, now: float) -> None:
        """The socket is gone; the session is kept for `keep_s` seconds."""
        self._detached_at = now

    @property
    def ageing(self) -> bool:
        """Whether time may change anything: nobody carries it, or a popup of it expires."""
        return self._detached_at is not None or self.popups.expiring

    def expired(self, now: float) -> bool:
        """Whether nobody came back within the keep time."""
        return self._detached_at is not None and now - self._detached_at >= self.keep_s

    def repeats(self, request: Request) -> bool:
        """Whether this is a request that is open, or whose answer isn't acknowledged, asked once more.

        That shows by its key: a client whose connection was lost can't know whether it was heard.
        """
        known = self.requests.get(request.id) or self._unread.get(request.id)
        return known is not None and known == request.key

    def client_restarted(self) -> None:
        """The process that asked is gone: another has ids of its own."""
        self.requests.clear()
        self._unread.clear()

    def _open_request(self, request: Request) -> None:
        if request.id in self.requests:
            raise RemoteProtocolError(
                errors.WRONG_VALUE, f"field 'id': request {request.id} is open already: choose another"
            )
        self._unread.pop(request.id, None)
        self.requests[request.id] = request.key if isinstance(request.key, str) else None

    def _settle(self, answer: Result | Error) -> None:
        if not isinstance(answer.id, int):
            return
        key = self.requests.pop(answer.id, None)
        # What was refused may be asked again by the same id, and is answered again.
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
        unanswered = []
        while self._outbox and _number(self._outbox[0]) <= self._handled:
            message = self._outbox.popleft()
            if self._is_unanswered(message):
                unanswered.append(message)
            elif isinstance(message, (Result, Error)) and isinstance(message.id, int):
                self._unread.pop(message.id, None)
        self._outbox.extendleft(reversed(unanswered))

    def _is_unanswered(self, message: Numbered) -> bool:
        return isinstance(message, Command) and message.id in self.commands


def _number(message: Numbered) -> int:
    assert isinstance(message.seq, int)
    return message.seq
