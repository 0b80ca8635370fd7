"""Texts for people: an English template and its values."""

from __future__ import annotations

AnyText = str


def text(template: str, /, **values: object) -> AnyText:
    """Returns the template with its values."""
    return template.format(**values)
