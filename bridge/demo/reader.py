"""Whoever the demo is shown to, and what they read."""

from __future__ import annotations

import json

import click
from msgspec import Struct

from accel.text import AnyText, text
from bridge import locale


class Reader(Struct, frozen=True):
    """Who sits at the shell."""

    locale: str = "en"
    """The name of one, such as `zh_CN.UTF-8`."""

    @property
    def tag(self) -> str:
        """The language that they are spoken to in, as BCP 47."""
        return locale.language_of(self.locale).replace("_", "-") or "en"

    def translate(self, text: AnyText) -> str:
        """`text` in their language."""
        return locale.translate(text, self.locale)

    def setting(self, name: str, value: object) -> str:
        """A setting and its value, which is None where nobody has set it."""
        return f"{name} = {self.translate(text('not set')) if value is None else json.dumps(value)}"

    def say(self, text: AnyText) -> None:
        """A line of that at the shell."""
        click.echo(self.translate(text))


ENGLISH = Reader()
