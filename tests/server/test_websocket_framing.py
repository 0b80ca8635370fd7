"""Frames that the daemon makes itself, beside those of websockets."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode

from bridge.server.websocket import framed


@pytest.mark.parametrize(
    "opcode, size",
    [(Opcode.PING, 4), *((Opcode.BINARY, size) for size in (0, 125, 126, 65_535, 65_536)), (Opcode.TEXT, 1)],
)
def test_a_frame_is_as_the_library_makes_it(opcode: Opcode, size: int) -> None:
    data = bytes(size)
    assert framed(opcode, data) == Frame(opcode, data).serialize(mask=False)
