"""How a Python client reaches the daemon's socket, and what is said where that fails or ends."""

from __future__ import annotations

from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from accel.text import AnyText, text
from bridge import wire
from bridge.connection import ConnectionFile
from bridge.core import errors
from bridge.core.errors import CLOSE_CODES, RequestError, UserError
from bridge.core.messages import DONE_CODE, MAX_FRAME, SUBPROTOCOL_MSGPACK, Hello, Identify, Ready


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
        hello = wire.decode(await socket.recv())
        await socket.send(wire.encode(identify))
        ready = wire.decode(await socket.recv())
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
    return RequestError(final, known.says, message=message)
