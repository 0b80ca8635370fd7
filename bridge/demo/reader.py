"""Whoever the demo is shown to, and what they read."""

from __future__ import annotations

import json

import click
from msgspec import Struct

from bridge.core.texts import Text, is_chinese
from bridge.demo import texts


class Reader(Struct, frozen=True):
    """Who sits at the shell."""

    locale: str = "en"
    """The name of one, such as `zh_CN.UTF-8`."""

    @property
    def tag(self) -> str:
        """The language that they are spoken to in, as BCP 47."""
        return "zh-CN" if is_chinese(self.locale) else "en"

    def told(self, text: Text, /, **values: object) -> str:
        """`text`, filled in, in their language."""
        return text.read(self.locale).format(**values)

    def setting(self, name: str, value: object) -> str:
        """A setting and its value, which is None where nobody has set it."""
        return f"{name} = {self.told(texts.ABSENT) if value is None else json.dumps(value)}"

    def say(self, text: Text, /, **values: object) -> None:
        """A line of that at the shell."""
        click.echo(self.told(text, **values))


ENGLISH = Reader()
