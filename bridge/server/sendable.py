"""What a plugin sends to clients, made so that they can read it: who can't ends the connection, each time."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from accel.given import plain
from bridge.core.messages import Command, Popup

Sent = TypeVar("Sent", Popup, Command)


def sendable(message: Sent, kind: type[Sent]) -> Sent:
    """`message` of plain types. Raises TypeError for what is no `kind`, ValueError that names a field."""
    called = kind.__name__.lower()
    if not isinstance(message, kind):
        raise TypeError(f"wanted a {kind.__name__}, got {message!r:.80}")
    try:
        return msgspec.convert(plain(message, called), kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"the {called} can't be sent: {str(error).replace('$.', f'{called}.')}") from None
