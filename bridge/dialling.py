"""How a Python client reaches the daemon's socket, and what is said where that fails."""

from __future__ import annotations

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from bridge.connection import ConnectionFile
from bridge.core.errors import UserError
from bridge.core.messages import MAX_FRAME, SUBPROTOCOL_MSGPACK


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
            f"PopBridge doesn't answer at {file.ws} ({error}): start `popbridge serve`."
        ) from None


def refusal(closed: ConnectionClosed) -> str:
    """What is said where the daemon closes a new connection."""
    if closed.rcvd is None:
        return "PopBridge closed the connection without a word: see its log."
    return f"PopBridge refused the connection: {closed.rcvd.code} {closed.rcvd.reason}"
