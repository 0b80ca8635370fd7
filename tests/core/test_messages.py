"""The declarations hold together: each type has one name, is documented, and goes one way or both."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec import UNSET
from msgspec import inspect as types

from accel.text import text
from bridge.core import messages
from bridge.core.messages import CLIENT_MESSAGES, SERVER_MESSAGES, Message, Numbered, Translatable

EVERY = tuple(dict.fromkeys(CLIENT_MESSAGES + SERVER_MESSAGES))


def test_the_unions_that_are_decoded_are_the_tables_that_are_documented() -> None:
    assert get_args(messages.ClientMessage) == CLIENT_MESSAGES
    assert get_args(messages.ServerMessage) == SERVER_MESSAGES


def test_no_message_is_declared_and_then_forgotten() -> None:
    declared = {v for v in vars(messages).values() if isinstance(v, type) and issubclass(v, Message)}
    assert declared - {Message, Numbered} == set(EVERY)


@pytest.mark.parametrize("message", EVERY, ids=lambda m: m.__name__)
def test_each_message_says_what_it_is_for(message: type[Message]) -> None:
    info = types.type_info(message)
    assert isinstance(info, types.StructType)
    assert isinstance(info.tag, str)
    assert (message.__doc__ or "").strip().endswith(".")


def test_a_long_text_travels_without_its_id_and_values() -> None:
    short = Translatable.of(text("{name} is gone.", name="a"))
    assert isinstance(short, Translatable) and short.id == "{name} is gone." and short.values == {"name": "a"}
    assert Translatable.of("plain") is UNSET
    assert Translatable.of(text("{name}", name="x" * 100_000)) is UNSET
