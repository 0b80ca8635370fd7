"""Messages as WebSocket frames: what the daemon sends most, and all of it that needs no state."""

from __future__ import annotations

import struct

FIN = 0x80
"""RFC 6455 §5.2: the message ends with this frame."""


def framed(opcode: int, data: bytes) -> bytes:
    """A whole message in one frame, unmasked as RFC 6455 §5.1 has it of a server."""
    size = len(data)
    if size < 126:
        head = bytes((FIN | opcode, size))
    elif size < 1 << 16:
        head = struct.pack("!BBH", FIN | opcode, 126, size)
    else:
        head = struct.pack("!BBQ", FIN | opcode, 127, size)
    return head + data
