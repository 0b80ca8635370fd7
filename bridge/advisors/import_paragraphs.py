"""What a popup says of one texture, or of the maps of one material."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from bridge.advisors.advice import About, FileAdvice
from bridge.advisors.texts import memory_text, say, with_commas

MAX_OPTIONS = 6
MAX_NAME = 200
MAX_WORDS = 3
MAX_MEMBERS = 12
"""Maps of one material that are described; no engine has more slots than that."""


def paragraph(file: FileAdvice, locale: str, name: str = "") -> str:
    """What is advised for one file, called `name` or by its place."""
    lines = [_heading(name or file.file, file.about, locale)]
    lines += [f"• {say(finding.sentence, locale, **finding.values)}" for finding in file.findings]
    if file.options:
        lines.append(say("sets", locale, options=_changes(file.present, file.options, locale)))
    if sizes := memory_text(file.memory, locale):
        lines.append(say("memory", locale, sizes=sizes))
    return "\n".join(lines)


def set_paragraph(material: str, files: Sequence[FileAdvice], locale: str) -> str:
    """What is advised for the maps of one material."""
    place = f"{files[0].folder}/{material}" if files[0].folder else material
    lines = [say("material", locale, name=code(place), count=len(files))]
    lines += [paragraph(file, locale, PurePosixPath(file.file).name) for file in files[:MAX_MEMBERS]]
    if len(files) > MAX_MEMBERS:
        lines.append(say("more", locale, count=len(files) - MAX_MEMBERS))
    return "\n".join(lines)


def total(files: Sequence[FileAdvice]) -> dict[str, tuple[int, int]]:
    """Bytes before and after of all that change, by platform."""
    sums: dict[str, tuple[int, int]] = {}
    for file in files:
        for platform, (before, after) in file.memory.items():
            so_far = sums.get(platform, (0, 0))
            sums[platform] = (so_far[0] + before, so_far[1] + after)
    return sums


def _heading(name: str, about: About | None, locale: str) -> str:
    if about is None:
        return code(name)
    kind = say(f"kind_{about.kind}", locale)
    if about.channels:
        kind = say("channels", locale, kind=kind, channels=_channels(about.channels, locale))
    if not about.sure:
        return say("about", locale, file=code(name), kind=kind)
    said = [code(word) for word in about.words[:MAX_WORDS]]
    said += [say("by_project", locale)] if about.by_project else []
    if not said:
        return say("about_sure", locale, file=code(name), kind=kind, sure=about.sure)
    told = with_commas(said, locale)
    return say("about_named", locale, file=code(name), kind=kind, sure=about.sure, words=told)


def _channels(channels: Mapping[str, str], locale: str) -> str:
    said = [
        say("channel", locale, meaning=say(f"channel_{meaning}", locale), letter=letter.upper())
        for letter, meaning in sorted(channels.items(), key=lambda item: "rgba".find(item[0]))
    ]
    return with_commas(said, locale)


def _changes(present: Mapping[str, Any], options: Mapping[str, Any], locale: str) -> str:
    shown = [
        f"`{name}` {_value(present.get(name), 'absent', locale)} → {_value(value, 'takes_away', locale)}"
        for name, value in list(options.items())[:MAX_OPTIONS]
    ]
    more = ["…"] if len(options) > MAX_OPTIONS else []
    return with_commas([*shown, *more], locale)


def _value(value: object, none: str, locale: str) -> str:
    """An option's value; `none` is the key of what None is called."""
    if value is None:
        return say(none, locale)
    return shortened(json.dumps(value, ensure_ascii=False, default=str))


def code(name: str) -> str:
    """A name as it is: a file may be called `[click](http://...)`, and in a code span it stays a name."""
    return f"`{shortened(name.replace('`', chr(39)))}`"


def plain(message: str) -> str:
    """An editor's words, which may hold names that look like markup: they are shown, never followed."""
    return message.replace("](", "] (").replace("`", "'").replace("**", "*")


def shortened(name: str) -> str:
    """Its end, where a name is too long to be shown."""
    return name if len(name) <= MAX_NAME else f"…{name[1 - MAX_NAME :]}"
