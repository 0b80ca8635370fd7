"""Dial, frame, check what is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgpack
import msgspec
from msgspec import UNSET
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from accel.execution.backoff import Backoff
from accel.text import AnyText, readable, text
from bridge.core import errors
from bridge.core.codec import server_codec
from bridge.core.errors import CLOSE_CODES, ErrorCode, RemoteProtocolError, RequestError, UserError
from bridge.core.messages import (
    DONE_CODE,
    MAX_FRAME,
    MAX_KEY,
    SERVER_MESSAGES,
    SUBPROTOCOL_MSGPACK,
    Answer,
    ClientMessage,
    Error,
    Hello,
    Identify,
    Popup,
    Ready,
    Result,
    ServerMessage,
)
from bridge.paths import ConnectionFile

_KINDS: Mapping[object, type[ServerMessage]] = {kind.__struct_config__.tag: kind for kind in SERVER_MESSAGES}


def encode(message: ClientMessage) -> bytes:
    """One frame. Raises RecursionError for what is nested too deep, else what msgspec and msgpack raise."""
    plain = msgspec.to_builtins(message, builtin_types=(bytes,))
    try:
        packed: bytes = msgpack.packb(plain)
    except UnicodeEncodeError:
        raise
    except ValueError as error:
        # msgpack's own limit of 511 levels; Python 3.13 lets msgspec pass on more than that.
        raise RecursionError(str(error)) from None
    return packed


def decode(frame: str | bytes) -> ServerMessage:
    """The message in a frame. Raises UserError where it holds none."""
    if isinstance(frame, str):
        raise UserError(text("The daemon sent text on a binary subprotocol: update the older side."))
    try:
        plain = msgpack.unpackb(frame)
        message: ServerMessage = msgspec.convert(plain, _kind(plain))
    except (ValueError, msgpack.UnpackException) as error:
        raise UserError(
            text("The daemon sent what is no message ({error}): update the older side.", error=error)
        ) from None
    return message


def _kind(plain: Any) -> Any:
    """Which message it says it is; where that is none, all that there are, for what is said of it then."""
    # The union would do for all, but `convert` takes it apart each time, which takes longer than the rest.
    kind = plain.get("type") if isinstance(plain, dict) else None
    return _KINDS.get(kind, ServerMessage) if isinstance(kind, str) else ServerMessage


def _readable(translatable: object, english: str) -> AnyText:
    """A sentence that can be translated, where the daemon sent one."""
    return readable(translatable) if translatable else english


def as_request_error(error: Mapping[str, Any]) -> RequestError:
    """The daemon's words as an exception; a code that this client doesn't know stays as it is.

    How long the daemon asks to wait before the same again is `retry_after_ms` in its `fields`.
    """
    name, retryable = error.get("code", "internal"), error.get("retryable", False)
    code = ErrorCode(name, 0, "{message}", retryable, outcome=error.get("outcome", "failed"))
    asked = {name: error[name] for name in ("retry_after_ms",) if name in error}
    message, hint = (
        _readable(error.get(f"{each}_text"), error.get(each, "")) for each in ("message", "hint")
    )
    return RequestError(code, hint, message=message, **asked)


async def dial(file: ConnectionFile) -> ClientConnection:
    """An open socket, on which nothing was said yet. Raises UserError where no daemon listens."""
    try:
        return await connect(
            file.ws,
            subprotocols=[Subprotocol(SUBPROTOCOL_MSGPACK)],
            max_size=MAX_FRAME,
            compression=None,
            proxy=None,
        )
    except (OSError, InvalidHandshake) as error:
        raise UserError(
            text(
                "PopBridge doesn't answer at {ws} ({error}): start `popbridge serve`.",
                ws=file.ws,
                error=error,
            )
        ) from None


async def greet(socket: ClientConnection, identify: Identify, file: ConnectionFile) -> tuple[Hello, Ready]:
    """What the daemon says to a new client. Raises UserError where it refuses or is none, and closes."""
    try:
        hello = decode(await socket.recv())
        await socket.send(encode(identify))
        ready = decode(await socket.recv())
        if not isinstance(hello, Hello) or not isinstance(ready, Ready):
            raise UserError(text("What listens at {ws} isn't PopBridge.", ws=file.ws))
    except ConnectionClosed as closed:
        raise UserError(refusal(closed)) from None
    except BaseException:
        await socket.close()
        raise
    return hello, ready


def refusal(closed: ConnectionClosed) -> AnyText:
    """What is said where the daemon closes a new connection."""
    if closed.rcvd is None:
        return text("PopBridge closed the connection without a word: see its log.")
    return text(
        "PopBridge refused the connection: {code} {reason}", code=closed.rcvd.code, reason=closed.rcvd.reason
    )


def ended(closed: ConnectionClosed) -> RequestError:
    """What is raised for all that waits when a connection ends, and for what is asked on it afterwards.

    Its code is `editor_gone`. It isn't retryable where the daemon ended the connection for what was sent, as
    the same would end the next one too.
    """
    if closed.rcvd is None or not closed.rcvd_then_sent or closed.rcvd.code == DONE_CODE:
        return RequestError(errors.EDITOR_GONE, "Reconnect.", editor=text("The daemon"))
    told = f"{closed.rcvd.code} {closed.rcvd.reason}".strip()
    message = text("The daemon closed the connection: {told}.", told=told)
    known = next((each for each in CLOSE_CODES if each.code == closed.rcvd.code), errors.UNKNOWN)
    if not known.final:
        return RequestError(errors.EDITOR_GONE, "Reconnect.", message=message)
    final = replace(errors.EDITOR_GONE, retryable=False, retry_after_ms=0)
    return RequestError(final, known.text, message=message)


def frame(message: ClientMessage, name: str, limit: int) -> bytes:
    """One frame, which the daemon's own rules take; `limit` is `hello.limits.frame`, in bytes.

    Raises RequestError, never retryable, that begins with `name`: `too_large`, or `bad_params` for what can't
    be encoded, isn't finite, or has a value that the daemon doesn't take.
    """
    packed = _packed(message, name)
    if len(packed) > limit:
        raise RequestError(
            errors.TOO_LARGE,
            text("Send what is large as an input: `put_blob` gives its name."),
            name=name,
            size=f"{len(packed):,} bytes",
            limit=f"{limit:,} bytes",
        )
    try:
        server_codec(SUBPROTOCOL_MSGPACK, limit).decode(packed)
    except RemoteProtocolError as error:
        raise _refused(name, error.reason) from None
    return packed


def check_key(key: str) -> str:
    """`key`, if it can be sent. Raises RequestError."""
    if not 1 <= len(key) <= MAX_KEY:
        reason = text("is {count} characters, not 1 to {max_key}", count=len(key), max_key=MAX_KEY)
        raise RequestError(
            errors.BAD_INPUT, text("Choose another key."), name=text("field 'key'"), reason=reason
        )
    return key


def _packed(message: ClientMessage, name: str) -> bytes:
    try:
        return encode(message)
    except OverflowError:
        raise _refused(name, "an integer of more than 64 bits can't be sent: send text") from None
    except UnicodeEncodeError:
        raise _refused(name, "text with half a surrogate pair can't be sent: it is no Unicode") from None
    except RecursionError:
        raise _refused(name, "what is nested too deep can't be sent: flatten it") from None
    except (TypeError, ValueError) as error:
        raise _refused(name, f"what is no plain data can't be sent ({error})") from None


def _refused(name: str, reason: str) -> RequestError:
    return RequestError(errors.BAD_PARAMS, "", workload=name, reason=reason)


KEPT_REPLIES = 64
"""Answers to commands that are kept, in case that the daemon asks again after a reconnect."""


class ClientState:
    """The daemon's numbered messages as a client has dealt with them; handlers finish in any order."""

    def __init__(self, last_seq: int = 0) -> None:
        self.last_seq = last_seq
        """The highest number received."""
        self.unconfirmed: dict[int, Answer] = {}
        """Answers to popups that no `popup_close` has confirmed, by the popup's id."""
        self.replies: dict[int, Result | Error] = {}
        """The last answers to commands, by the command's id."""
        self.shown: dict[int, int] = {}
        """Popups that no `popup_close` has taken away: the number that each came by, by id."""
        self.tasks: set[asyncio.Task[None]] = set()
        """Handlers at work; they go on when a connection is lost."""
        self._busy: set[int] = set()
        self._broken_off: set[int] = set()

    def take(self, seq: int) -> bool:
        """Whether it is to be handled now: its number is new, or its handler was broken off."""
        again = seq in self._broken_off
        self._broken_off.discard(seq)
        is_new = seq > self.last_seq
        self.last_seq = max(self.last_seq, seq)
        return is_new or again

    def begin(self, seq: int) -> None:
        """A handler is at work on it."""
        self._busy.add(seq)

    def done(self, seq: int) -> None:
        self._busy.discard(seq)

    def ended(self, task: asyncio.Task[None], work: Awaitable[None], seq: int | None) -> None:
        """The task that does `work` for the message `seq`, or for none, has come to an end."""
        self.tasks.discard(task)
        # Cancelled before it began, it hasn't even taken it up.
        if asyncio.iscoroutine(work):
            work.close()
        if task.cancelled() and seq is not None:
            self.break_off(seq)

    def break_off(self, seq: int) -> None:
        """Its handler won't finish: the daemon is asked for it once more."""
        self._busy.discard(seq)
        self._broken_off.add(seq)

    @property
    def through(self) -> int:
        """The number through which all are handled, as the daemon takes it from `ack` and `resume`."""
        return min(self._busy | self._broken_off, default=self.last_seq + 1) - 1

    def show(self, popup: Popup) -> bool:
        """Whether it is to be shown: it isn't on the screen already, or its handler was broken off."""
        seq = popup.seq if isinstance(popup.seq, int) else 0
        known = self.shown.get(popup.id)
        self.shown[popup.id] = seq
        # It comes by the same number once more only where its handler was.
        return known in (None, seq) or known in self._broken_off

    def close(self, popup_id: int) -> None:
        """A popup is settled, and its answer confirmed."""
        self.shown.pop(popup_id, None)
        self.unconfirmed.pop(popup_id, None)

    def closed(self, ready: Ready) -> list[int]:
        """The popups that were closed while no connection was there, and whose `popup_close` never comes."""
        still = self.shown.keys() if ready.popups is UNSET else {*ready.popups, *self.unconfirmed}
        return sorted(self.shown.keys() - still)

    def keep(self, reply: Result | Error) -> None:
        """Keeps the answer to a command, and no more of them than a reconnect may need."""
        assert isinstance(reply.id, int)
        self.replies[reply.id] = reply
        if len(self.replies) > KEPT_REPLIES:
            del self.replies[next(iter(self.replies))]


Reply = TypeVar("Reply")

BACKOFF = Backoff(first_s=0.1, most_s=5.0, jitter=0.25)
"""Between tries where the daemon doesn't say how long; what it says gets the same jitter."""


def is_retryable(error: RequestError) -> bool:
    """Whether the same again may be answered, and can't be done twice by it."""
    return error.code.retryable and error.outcome != "unknown"


def backoff_s(error: RequestError, tried: int) -> float:
    """Seconds before the next try, after `tried` repetitions (0 for none): never less than was asked for."""
    return BACKOFF.pause_s(tried, error.retry_after_ms / 1000)


async def retry(
    ask: Callable[[], Awaitable[Reply]], retries: int, *, connected: Callable[[], bool] = lambda: True
) -> Reply:
    """What `ask` gives, at up to `retries` repetitions while `connected`. Raises its last RequestError."""
    tried = 0
    while True:
        try:
            return await ask()
        except RequestError as error:
            if tried >= retries or not is_retryable(error) or not connected():
                raise
            await asyncio.sleep(backoff_s(error, tried))
        tried += 1
