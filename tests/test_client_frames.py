"""Frames as a Python client reads them."""

from __future__ import annotations

import timeit
from typing import Any

import msgpack
import msgspec
import pytest

from bridge.client import connection
from bridge.core.errors import UserError
from bridge.core.messages import Event, Result, ServerMessage


def test_a_frame_is_the_message_that_it_says() -> None:
    result = Result(id=1, value={"width": 2}, seq=3)
    for message in (result, Event(name="x", data={})):
        assert connection.decode(msgspec.msgpack.encode(message)) == message


def test_reading_a_frame_takes_less_than_asking_which_of_all_messages_it_is() -> None:
    frame = msgspec.msgpack.encode(Result(id=1, value=None))
    plain = msgpack.unpackb(frame)
    # The best of many, which no other work on the machine makes slower: it is a third.
    read = min(timeit.repeat(lambda: connection.decode(frame), number=1, repeat=500))
    assert read < min(timeit.repeat(lambda: msgspec.convert(plain, ServerMessage), number=1, repeat=500))


@pytest.mark.parametrize("plain", [{"type": "lunch"}, {"type": ["result"]}, {"type": None}, {}, [], 1, None])
def test_what_is_no_message_is_said_to_be_none(plain: Any) -> None:
    with pytest.raises(UserError, match="invalid message"):
        connection.decode(msgpack.packb(plain))
