"""A workload's value as people read it: one line where it fits, else a line for each fact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from accel.text import text
from bridge.commands.language import say
from bridge.commands.run.gist import (
    WRITTEN,
    attempts,
    channels_of,
    cut_of,
    gist,
    images_of,
    levels_of,
    size_of,
)
from bridge.commands.shared import as_json_text, size_text

WORDS = {True: text("yes"), False: text("no"), None: text("none")}

TOLD = WRITTEN | {"first_of", "images", "below", "above"}
"""Of those facts what is told in other words than its name."""
LONGEST_LIST = 12
MOST_LINES = 100
"""Objects of a list that are told, each on a line of its own."""
LONGEST_TEXT = 10_000
"""Characters of a text: what stands on two dense pages is told whole."""


def readable(head: str, value: Any, width: int, *, several: bool = False) -> Iterator[str]:
    """Lines that say `value` of `head`, at most `width` columns where they can be that short.

    Of `several` files, what has a screen full of facts is told in a line, if it is one that is known here.
    """
    if value is None:
        yield head
        return
    if isinstance(value, Mapping) and (line := gist(value, several=several)) is not None:
        yield f"{head}: {line}"
        yield from attempts(value)
        return
    short = _short(value)
    line = f"{head}: {short}"
    if not isinstance(value, Mapping) or _is_written(value) or len(line) <= width:
        yield line
        return
    yield f"{head}:"
    yield from _facts(value, width, 2)


def _facts(value: Mapping[str, Any], width: int, indent: int) -> Iterator[str]:
    for name, each in _told(value).items():
        head = f"{' ' * indent}{_words(name)}"
        line = f"{head}: {_short(each)}"
        if isinstance(each, Mapping) and len(line) > width and not _is_written(each):
            yield f"{head}:"
            yield from _facts(each, width, indent + 2)
        elif isinstance(each, list) and each and all(isinstance(one, Mapping) for one in each):
            yield f"{head}:"
            yield from (f"{' ' * (indent + 2)}{line}" for line in _lines(each))
        else:
            yield line


def _lines(several: Sequence[Any]) -> Iterator[str]:
    yield from map(_short, several[:MOST_LINES])
    if len(several) > MOST_LINES:
        yield say(
            text("... and {count} more; --json gives all of them", count=f"{(len(several) - MOST_LINES):,}")
        )


def _told(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """What says something; all, where nothing does."""
    return {
        name: each for name, each in value.items() if each is not None and each not in ("", [], {})
    } or value


def _short(value: Any) -> str:
    """One line."""
    if isinstance(value, Mapping):
        return _map(value)
    if isinstance(value, bool) or value is None:
        return say(WORDS[value])
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bytes):
        return say(text("{count} bytes", count=f"{len(value):,}"))
    if isinstance(value, str):
        return shortened(value) or '""'
    if isinstance(value, Sequence):
        return _list(value)
    return str(value) if isinstance(value, int) else as_json_text(value)


def shortened(words: str) -> str:
    """A text's beginning and its length, where it is long."""
    if len(words) <= LONGEST_TEXT:
        return words
    return say(
        text(
            "{text}... ({count} characters in all; --json gives all of them)",
            text=words[:LONGEST_TEXT],
            count=f"{len(words):,}",
        )
    )


def _map(value: Mapping[str, Any]) -> str:
    if _is_written(value):
        return _written(value)
    if (line := gist(value)) is not None:
        return line
    pairs = dict(_told(value))
    parts = []
    if "width" in pairs and "height" in pairs:
        parts.append(f"{pairs.pop('width')} x {pairs.pop('height')}")
    parts += [f"{_words(name)} {_nested(each)}" for name, each in pairs.items()]
    return ", ".join(parts) or say(text("nothing"))


def _nested(value: Any) -> str:
    return f"({_short(value)})" if isinstance(value, Mapping) and not _is_written(value) else _short(value)


def _list(value: Sequence[Any]) -> str:
    inner = [
        f"({_short(one)})" if isinstance(one, Mapping | list) else _short(one) for one in value[:LONGEST_LIST]
    ]
    if not inner:
        return say(WORDS[None])
    more = len(value) - LONGEST_LIST
    return (
        say(text("{items} and {count} more", items=" ".join(inner), count=more))
        if more > 0
        else " ".join(inner)
    )


def _words(name: object) -> str:
    # A plugin's map may have numbers for its keys.
    return str(name).replace("_", " ")


def _is_written(value: Mapping[str, Any]) -> bool:
    return value.keys() >= WRITTEN


def _written(value: Mapping[str, Any]) -> str:
    parts = [
        str(value["format"]).upper(),
        size_of(value),
        channels_of(value),
        levels_of(value),
        size_text(value["size"]),
        *(f"{_words(name)} {_nested(each)}" for name, each in _told(value).items() if name not in TOLD),
        images_of(value),
        *cut_of(value),
    ]
    return ", ".join(filter(None, parts))
