"""What messages say in Chinese."""

from __future__ import annotations

from accel.text import AnyText, TextError
from bridge.locale import translate


def in_chinese(said: AnyText | TextError) -> str:
    """A text, or what an error says, as who reads Chinese sees it."""
    return translate(said.text if isinstance(said, TextError) else said, "zh_CN")
