"""Whoever the demo is shown to, and what they read."""

from __future__ import annotations

import click
from msgspec import Struct

from bridge.core.texts import Text


class Reader(Struct, frozen=True):
    """Who sits at the shell."""

    locale: str = "en"
    """The name of one, such as `zh_CN.UTF-8`."""

    def told(self, text: Text, /, **values: object) -> str:
        """`text`, filled in, in their language."""
        return text.read(self.locale).format(**values)

    def say(self, text: Text, /, **values: object) -> None:
        """A line of that at the shell."""
        click.echo(self.told(text, **values))


ENGLISH = Reader()
