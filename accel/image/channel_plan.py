"""Which input goes into which channel of a packed texture, from what was asked for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from accel.image.channel_layouts import COMPLEMENTS, LAYOUTS, LETTERS, NEUTRAL
from accel.image.pack_channels import ChannelSource, PackChannels
from accel.text import text
from accel.workload import WorkloadError

Pairs = Sequence[tuple[str, ChannelSource]]
"""What is to be filled, by name, and from where."""

SKIPPED = "-"
"""An input that holds nothing by itself."""


def planned(params: PackChannels, names: Sequence[str]) -> list[ChannelSource]:
    """The source of red, green, blue and, where it is used, alpha, for inputs of these names.

    Raises WorkloadError `bad_params`.
    """
    fields = _fields(params, len(names))
    held = _by_channel(_held(params, names, fields), fields, "holds")
    given = {**held, **_by_channel(_named(params.channels), fields, "channels")}
    sources = [
        given.get(letter) or ChannelSource(value=NEUTRAL.get(field, 0.0))
        for letter, field in zip(LETTERS, fields, strict=False)
    ]
    _check_use(sources, names)
    return sources


def _fields(params: PackChannels, count: int) -> tuple[str, ...]:
    if params.layout != "rgba":
        return LAYOUTS[params.layout]
    in_order = count if not (params.holds or params.channels) else 0
    alpha = "a" in params.channels or "a" in params.holds or in_order > 3
    return tuple(LETTERS if alpha else LETTERS[:3])


def _held(params: PackChannels, names: Sequence[str], fields: Sequence[str]) -> Pairs:
    """What each input is said to hold, or holds by its place."""
    holds = params.holds or ([] if params.channels else _in_order(params.layout, names, fields))
    if holds and len(holds) != len(names):
        reason = text(
            "`holds` names {count} inputs, but there are {count_2}", count=len(holds), count_2=len(names)
        )
        raise WorkloadError("bad_params", reason)
    return [(hold, ChannelSource(input=index)) for index, hold in enumerate(holds) if hold != SKIPPED]


def _in_order(layout: str, names: Sequence[str], fields: Sequence[str]) -> list[str]:
    maps = [field for field in fields if field != "unused"]
    enough = len(names) <= len(maps) if layout == "rgba" else len(names) == len(maps)
    if not enough:
        reason = text(
            "{layout} takes {count} inputs in this order: {maps}; got {count_2}. Say with "
            "`holds` what each one holds",
            layout=layout,
            count=len(maps),
            maps=[*maps],
            count_2=len(names),
        )
        raise WorkloadError("bad_params", reason)
    return maps[: len(names)]


def _named(channels: Mapping[str, ChannelSource]) -> Pairs:
    for name, source in channels.items():
        if (source.input is None) == (source.value is None):
            raise WorkloadError(
                "bad_params", text("`channels`: {name} needs either an input or a value", name=name)
            )
    return list(channels.items())


def _by_channel(pairs: Pairs, fields: Sequence[str], where: str) -> dict[str, ChannelSource]:
    found: dict[str, ChannelSource] = {}
    for name, source in pairs:
        letter, turned = _place(name, fields, where)
        if letter in found:
            raise WorkloadError(
                "bad_params", text("`{where}` fills channel {letter} twice", where=where, letter=letter)
            )
        found[letter] = replace(source, invert=source.invert != turned)
    return found


def _place(name: str, fields: Sequence[str], where: str) -> tuple[str, bool]:
    """The channel that is meant by its letter, by its map's name or that map's complement; whether by the
    complement."""
    letters = list(LETTERS[: len(fields)])
    if name in letters:
        return name, False
    for wanted, turned in ((name, False), (COMPLEMENTS.get(name), True)):
        if wanted in fields and wanted != "unused":
            return letters[fields.index(wanted)], turned
    maps = [field for field in fields if field != "unused"]
    known = dict.fromkeys([*maps, *letters])
    complements = [each for each, other in COMPLEMENTS.items() if other in maps]
    close = difflib.get_close_matches(name.lower(), [each for each in (*maps, *complements) if each[1:]], 1)
    hint = text("; did you mean {close}?", close=close[0]) if close else ""
    raise WorkloadError(
        "bad_params",
        text(
            "`{where}` names {name}; there are {known}{hint}",
            where=where,
            name=repr(name),
            known=[*known],
            hint=hint,
        ),
    )


def _check_use(sources: Sequence[ChannelSource], names: Sequence[str]) -> None:
    used = {source.input for source in sources if source.input is not None}
    if used and max(used) >= len(names):
        reason = text(
            "`channels` names input {used}, but there are {count}, counted from 0",
            used=max(used),
            count=len(names),
        )
        raise WorkloadError("bad_params", reason)
    for index, name in enumerate(names):
        if index not in used:
            raise WorkloadError("bad_params", text("isn't used by any channel; leave it out"), name)
