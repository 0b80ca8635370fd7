"""A client's connection: opening it, encoding and checking messages, session state, and retries."""

from __future__ import annotations

import asyncio
import secrets
import ssl
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
from bridge.client import trust
from bridge.client.local_socket import connect_locally
from bridge.core import auth, errors
from bridge.core.access import LOCAL_ID
from bridge.core.codec import server_codec
from bridge.core.errors import CLOSE_CODES, ErrorCode, RemoteProtocolError, RequestError, UserError
from bridge.core.messages import (
    DONE_CODE,
    MAX_FRAME,
    MAX_KEY,
    SERVER_MESSAGES,
    SUBPROTOCOL_MSGPACK,
    Answer,
    AuthProof,
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

NONCE_BYTES = 32
HELLO_S = 10.0
"""Time limit for the daemon's first message."""

_KINDS: Mapping[object, type[ServerMessage]] = {kind.__struct_config__.tag: kind for kind in SERVER_MESSAGES}


def encode(message: ClientMessage) -> bytes:
    """Encodes a message. Raises RecursionError for deep nesting, and what msgspec and msgpack raise."""
    plain = msgspec.to_builtins(message, builtin_types=(bytes,))
    try:
        packed: bytes = msgpack.packb(plain)
    except UnicodeEncodeError:
        raise
    except ValueError as error:
        # msgpack allows 511 levels; on Python 3.13 msgspec allows more.
        raise RecursionError(str(error)) from None
    return packed


def decode(frame: str | bytes) -> ServerMessage:
    """Decodes a frame. Raises UserError if it isn't a valid message."""
    if isinstance(frame, str):
        raise UserError(text("The daemon sent text over a binary subprotocol. Update the older side."))
    try:
        plain = msgpack.unpackb(frame)
        message: ServerMessage = msgspec.convert(plain, _kind(plain))
    except (ValueError, msgpack.UnpackException) as error:
        raise UserError(
            text("The daemon sent an invalid message ({error}). Update the older side.", error=error)
        ) from None
    return message


def _kind(plain: Any) -> Any:
    """Returns the type of a decoded message, or the union of all, so that an error message lists them."""
    # `convert` analyses a union on each call, which takes longer than the conversion.
    kind = plain.get("type") if isinstance(plain, dict) else None
    return _KINDS.get(kind, ServerMessage) if isinstance(kind, str) else ServerMessage


def _readable(translatable: object, english: str) -> AnyText:
    """Returns the translatable sentence, or the English one if the daemon sent no other."""
    return readable(translatable) if translatable else english


def as_request_error(error: Mapping[str, Any]) -> RequestError:
    """Converts the daemon's error to an exception; unknown codes are preserved.

    Its `fields` contain `retry_after_ms` if the daemon sent it.
    """
    name, retryable = error.get("code", "internal"), error.get("retryable", False)
    code = ErrorCode(name, 0, "{message}", retryable, outcome=error.get("outcome", "failed"))
    fields = {name: error[name] for name in ("retry_after_ms",) if name in error}
    message, hint = (
        _readable(error.get(f"{each}_text"), error.get(each, "")) for each in ("message", "hint")
    )
    return RequestError(code, hint, message=message, **fields)


def fresh_nonce() -> str:
    """Returns a nonce for one connection."""
    return secrets.token_hex(NONCE_BYTES)


async def dial(file: ConnectionFile, nonce: str) -> ClientConnection:
    """Opens a socket, without the handshake; tells nothing but the token's id and `nonce`.

    Raises UserError if no daemon is running, or another program answers.
    """
    token_id = auth.token_id(file.token)
    if not token_id:
        raise UserError(
            text("The daemon at {ws} is from PopBridge 0.2 or older. Restart `popbridge serve`.", ws=file.ws)
        )
    address = f"{file.ws}?token={token_id}&nonce={nonce}"
    try:
        try:
            return await _open(file, address)
        except ssl.SSLError:
            if not trust.refresh(file):
                raise
            return await _open(file, address)
    except ssl.SSLError as error:
        raise trust.refusal(file, error) from None
    except (OSError, InvalidHandshake) as error:
        raise UserError(
            text(
                "PopBridge doesn't answer at {ws} ({error}). Run `popbridge serve`.",
                ws=file.ws,
                error=error,
            )
        ) from None


async def _open(file: ConnectionFile, address: str) -> ClientConnection:
    local = await asyncio.to_thread(connect_locally, file)
    return await connect(
        # The Unix socket isn't encrypted: nothing of it leaves the machine.
        address if local is None else address.replace("wss:", "ws:", 1),
        sock=local,
        ssl=trust.context(file) if local is None else None,
        subprotocols=[Subprotocol(SUBPROTOCOL_MSGPACK)],
        max_size=MAX_FRAME,
        compression=None,
        proxy=None,
    )


async def greet(
    socket: ClientConnection, identify: Identify, file: ConnectionFile, nonce: str
) -> tuple[Hello, Ready]:
    """Performs the handshake, with those of the features that the daemon offers.

    Sends nothing before the other side has proved that it knows the token. If it fails, closes the socket and
    raises UserError.
    """
    try:
        async with asyncio.timeout(HELLO_S):
            hello = decode(await socket.recv())
        if not isinstance(hello, Hello):
            raise UserError(text("The server at {ws} isn't PopBridge.", ws=file.ws))
        try:
            proof = _prove(hello, file, nonce)
        except UserError:
            # Not even a close frame, whose answer would have to be waited for.
            socket.transport.abort()
            raise
        features = [feature for feature in identify.features if feature in hello.features]
        await socket.send(encode(replace(identify, auth=proof, features=features)))
        ready = decode(await socket.recv())
        if not isinstance(ready, Ready):
            raise UserError(text("The server at {ws} isn't PopBridge.", ws=file.ws))
    except ConnectionClosed as closed:
        raise UserError(refusal(closed)) from None
    except TimeoutError:
        socket.transport.abort()
        raise UserError(
            text("The server at {ws} said nothing within {seconds} s.", ws=file.ws, seconds=f"{HELLO_S:g}")
        ) from None
    except BaseException:
        await socket.close()
        raise
    return hello, ready


def _prove(hello: Hello, file: ConnectionFile, nonce: str) -> AuthProof:
    """Checks the daemon's proof and returns the client's. Raises UserError if it isn't the daemon."""
    token_id = auth.token_id(file.token)
    message = auth.signed_message(token_id, nonce, hello.auth.nonce, file.fingerprint or "")
    if not auth.server_proof_matches(hello.auth.proof, file.token, message):
        if token_id != LOCAL_ID:
            raise UserError(
                text(
                    "The program at {ws} doesn't know the token {id}; nothing else was sent to it. Check the "
                    "token, and that it is PopBridge.",
                    ws=file.ws,
                    id=token_id,
                )
            )
        raise UserError(
            text(
                "Another program answers at {ws}: it doesn't know the token. Nothing was sent to it. Restart "
                "`popbridge serve`.",
                ws=file.ws,
            )
        )
    return AuthProof(id=token_id, nonce=nonce, proof=auth.client_proof(file.token, message))


def refusal(closed: ConnectionClosed) -> AnyText:
    """Returns the error message for a connection that the daemon closed during the handshake."""
    if closed.rcvd is None:
        return text("PopBridge closed the connection without a reason. See its log.")
    known = next((each for each in CLOSE_CODES if each.code == closed.rcvd.code), None)
    if known is errors.TOKEN_REVOKED:
        return text("PopBridge refused the token: it was revoked or has expired. Ask for a new one.")
    return text(
        "PopBridge refused the connection: {code} {reason}", code=closed.rcvd.code, reason=closed.rcvd.reason
    )


def connection_lost(closed: ConnectionClosed) -> RequestError:
    """Returns the error for open and later requests on a closed connection.

    Its code is `editor_gone`. It isn't retryable if the daemon closed the connection because of an invalid
    message: a retry would close the next one, too.
    """
    if closed.rcvd is None or not closed.rcvd_then_sent or closed.rcvd.code == DONE_CODE:
        return RequestError(errors.EDITOR_GONE, "Reconnect.", editor=text("The daemon"))
    reason = f"{closed.rcvd.code} {closed.rcvd.reason}".strip()
    message = text("The daemon closed the connection: {reason}.", reason=reason)
    known = next((each for each in CLOSE_CODES if each.code == closed.rcvd.code), errors.UNKNOWN)
    if not known.final:
        return RequestError(errors.EDITOR_GONE, "Reconnect.", message=message)
    final = replace(errors.EDITOR_GONE, retryable=False, retry_after_ms=0)
    return RequestError(final, known.text, message=message)


def frame(message: ClientMessage, name: str, limit: int) -> bytes:
    """Encodes a message and checks it by the daemon's rules; `limit` is `hello.limits.frame`, in bytes.

    Raises RequestError, never retryable, about `name`: `too_large`, or `bad_params` for values that can't be
    encoded, aren't finite or are invalid.
    """
    packed = _packed(message, name)
    if len(packed) > limit:
        raise RequestError(
            errors.TOO_LARGE,
            text("Send large data as an input: upload it with `put_blob`."),
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
    """Returns a valid idempotency key. Raises RequestError."""
    if not 1 <= len(key) <= MAX_KEY:
        reason = text("has {count} characters instead of 1 to {max_key}", count=len(key), max_key=MAX_KEY)
        raise RequestError(
            errors.BAD_INPUT, text("Choose another key."), name=text("field 'key'"), reason=reason
        )
    return key


def _packed(message: ClientMessage, name: str) -> bytes:
    try:
        return encode(message)
    except OverflowError:
        raise _refused(name, text("integers over 64 bits can't be sent; send them as text")) from None
    except UnicodeEncodeError:
        raise _refused(name, text("text with an unpaired surrogate isn't valid Unicode")) from None
    except RecursionError:
        raise _refused(name, text("the data is nested too deeply; flatten it")) from None
    except (TypeError, ValueError) as error:
        raise _refused(name, text("only plain data can be sent ({error})", error=error)) from None


def _refused(name: str, reason: AnyText) -> RequestError:
    return RequestError(errors.BAD_PARAMS, "", workload=name, reason=reason)


MAX_REPLIES = 64
"""Most stored answers to commands; the daemon may repeat a command after a reconnect."""


class ClientState:
    """Tracks which numbered messages a client has handled; handlers may finish in any order."""

    def __init__(self, last_seq: int = 0) -> None:
        self.last_seq = last_seq
        """The highest number received."""
        self.unconfirmed: dict[int, Answer] = {}
        """Answers to popups that no `popup_close` has confirmed yet, by popup id."""
        self.replies: dict[int, Result | Error] = {}
        """The last answers to commands, by command id."""
        self.shown: dict[int, int] = {}
        """Sequence numbers of open popups, by popup id."""
        self.tasks: set[asyncio.Task[None]] = set()
        """Running handlers; they continue when the connection is lost."""
        self._busy: set[int] = set()
        self._cancelled: set[int] = set()

    def receive(self, seq: int) -> bool:
        """Returns whether to handle a message: it is new, or its handler was cancelled."""
        again = seq in self._cancelled
        self._cancelled.discard(seq)
        is_new = seq > self.last_seq
        self.last_seq = max(self.last_seq, seq)
        return is_new or again

    def start(self, seq: int) -> None:
        """Notes that a handler runs for a message."""
        self._busy.add(seq)

    def done(self, seq: int) -> None:
        self._busy.discard(seq)

    def task_done(self, task: asyncio.Task[None], work: Awaitable[None], seq: int | None) -> None:
        """Notes the end of the task that awaits `work`, for the message `seq` if any."""
        self.tasks.discard(task)
        # A task that was cancelled before it started has never awaited it.
        if asyncio.iscoroutine(work):
            work.close()
        if task.cancelled() and seq is not None:
            self.cancel(seq)

    def cancel(self, seq: int) -> None:
        """Notes that a handler was cancelled; the daemon repeats messages that aren't acknowledged."""
        self._busy.discard(seq)
        self._cancelled.add(seq)

    @property
    def through(self) -> int:
        """The number up to which all messages are handled, for `ack` and `resume`."""
        return min(self._busy | self._cancelled, default=self.last_seq + 1) - 1

    def show(self, popup: Popup) -> bool:
        """Returns whether to show a popup: it isn't open yet, or its handler was cancelled."""
        seq = popup.seq if isinstance(popup.seq, int) else 0
        known = self.shown.get(popup.id)
        self.shown[popup.id] = seq
        # A popup is repeated with the same number only after its handler was cancelled.
        return known in (None, seq) or known in self._cancelled

    def close(self, popup_id: int) -> None:
        """Forgets a closed popup and its answer, which the daemon has confirmed."""
        self.shown.pop(popup_id, None)
        self.unconfirmed.pop(popup_id, None)

    def closed(self, ready: Ready) -> list[int]:
        """Returns the popups that were closed while disconnected; they get no `popup_close`."""
        still = self.shown.keys() if ready.popups is UNSET else {*ready.popups, *self.unconfirmed}
        return sorted(self.shown.keys() - still)

    def store_reply(self, reply: Result | Error) -> None:
        """Stores the answer to a command, and drops the oldest above the limit."""
        assert isinstance(reply.id, int)
        self.replies[reply.id] = reply
        if len(self.replies) > MAX_REPLIES:
            del self.replies[next(iter(self.replies))]


Reply = TypeVar("Reply")

BACKOFF = Backoff(first_s=0.1, most_s=5.0, jitter=0.25)
"""Pauses between retries if the daemon names none; its pauses get the same jitter."""


def is_retryable(error: RequestError) -> bool:
    """Returns whether a retry can succeed and can't run the job twice."""
    return error.code.retryable and error.outcome != "unknown"


def backoff_s(error: RequestError, tried: int) -> float:
    """Returns the pause before the next retry, after `tried` ones; at least the error's `retry_after_ms`."""
    return BACKOFF.pause_s(tried, error.retry_after_ms / 1000)


async def retry(
    ask: Callable[[], Awaitable[Reply]], retries: int, *, connected: Callable[[], bool] = lambda: True
) -> Reply:
    """Calls `ask`, with up to `retries` retries while `connected`. Raises the last RequestError."""
    tried = 0
    while True:
        try:
            return await ask()
        except RequestError as error:
            if tried >= retries or not is_retryable(error) or not connected():
                raise
            await asyncio.sleep(backoff_s(error, tried))
        tried += 1
