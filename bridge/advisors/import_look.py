"""From the editor's report of an import to advice on each file: opens, examines and judges."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from accel.text import text
from accel.texture.examine import Examination
from bridge.advisors.advice import Asset, FileAdvice, Stamp, covered, judge, settle
from bridge.advisors.import_around import Around
from bridge.advisors.import_check import below, settled_stamp
from bridge.advisors.wanted import NOTE
from bridge.api import Context, Event, RequestError, SessionView
from bridge.core.errors import BAD_INPUT

log = logging.getLogger(__name__)

AT_ONCE = 32
"""Files that are in work at once; the bridge queues them, this bounds what waits there."""
JUDGED_AT_ONCE = 32
"""Files that are judged in one go, which takes some milliseconds."""
PREVIEW = 256
"""Longest side of the popup's picture, pixels."""
PREVIEWED = 8
"""Of so many files in one import each gets its preview with its inspection; of more only the first shown."""


_decoder = msgspec.msgpack.Decoder(Examination)


class Import(Struct, frozen=True):
    """The data of `asset.imported`."""

    assets: list[Any]
    more: bool = False


class Examined(Struct, frozen=True):
    """One file as a worker saw it."""

    asset: Asset
    found: bytes
    """An `Examination`, encoded: thousands of them wait for the last one, and would make collecting garbage
    take long."""
    preview: str | None
    """Its picture's digest; None where there is none."""
    stamp: Stamp | None
    """The file's before it was opened; None where that couldn't tell it from a later one."""


class Looked(Struct, frozen=True):
    """One file's advice: what to ask about, and what a person wants done without being asked."""

    asked: FileAdvice | None
    ruled: FileAdvice | None


def read_event(event: Event) -> Import:
    """Raises RequestError that names the field."""
    try:
        return msgspec.convert(event.data, Import)
    except msgspec.ValidationError as error:
        raise RequestError(
            BAD_INPUT, name=text("event {event}", event=event.name), reason=str(error)
        ) from None


def textures(assets: Sequence[Any]) -> list[Asset]:
    """The textures among `assets`; what has another shape is logged and passed over."""
    found = []
    for asset in assets:
        try:
            read = msgspec.convert(asset, Asset)
        except msgspec.ValidationError as error:
            log.warning("asset.imported: an asset is passed over: %s", error)
            continue
        if read.type == "texture":
            # As rules and patterns name it: an editor may write `./a.png`, and backslashes on Windows.
            found.append(replace(read, file=PurePath(read.file).as_posix()))
    return found


async def look_at_all(
    context: Context, session: SessionView, assets: Sequence[Asset], around: Around
) -> list[Looked]:
    """Each readable file with its advice; a file that fails doesn't stop the others."""
    rules = await context.rules(session)
    examined = await _examined(context, session, assets, around)
    looked = []
    for start in range(0, len(examined), JUDGED_AT_ONCE):
        # An import may bring thousands, and other sessions are heard in between.
        await asyncio.sleep(0)
        for one, judged in _in_context(examined[start : start + JUDGED_AT_ONCE], around):
            with _own_trouble(one.asset):
                looked.append(_judge(session, one, judged, rules, around.max_size))
    around.seen.trim()
    return looked


async def _examined(
    context: Context, session: SessionView, assets: Sequence[Asset], around: Around
) -> list[Examined]:
    """Those that can be read, in the order of `assets`."""
    assert session.root is not None
    root = await asyncio.to_thread(session.root.resolve)
    preview = PREVIEW if len(assets) <= PREVIEWED else 0
    found: list[Examined | None] = [None] * len(assets)

    async def examine(asset: Asset) -> Examined | None:
        path, stamp = await asyncio.to_thread(_found, root, asset.file)
        if path is None:
            log.warning("%s isn't a file below the project's root: passed over", asset.file)
            return None
        with _own_trouble(asset):
            params = {**around.of(asset, session), "preview": preview}
            result = await context.run("texture.examine", params, [path], names=[asset.file])
            examination = msgspec.convert(result.value, Examination)
            around.seen.add(asset.file, examination)
            encoded = msgspec.msgpack.encode(examination)
            return Examined(asset, encoded, result.blobs.get("preview"), stamp)
        return None

    async def take(places: Iterator[int]) -> None:
        for at in places:
            found[at] = await examine(assets[at])

    # Tasks for all of thousands would hold up everybody while they are made.
    places = iter(range(len(assets)))
    await asyncio.gather(*(take(places) for _ in range(min(AT_ONCE, len(assets)))))
    return [one for one in found if one is not None]


def _found(root: Path, file: str) -> tuple[Path | None, Stamp | None]:
    path = below(root, file)
    return path, settled_stamp(path) if path else None


def _in_context(examined: Sequence[Examined], around: Around) -> Iterator[tuple[Examined, Examination]]:
    found = [_decoder.decode(one.found) for one in examined]
    told = around.seen.judge([one.asset.file for one in examined], found)
    for one, alone, classification in zip(examined, found, told, strict=True):
        yield one, replace(alone, classification=classification)


@contextlib.contextmanager
def _own_trouble(asset: Asset) -> Iterator[None]:
    """What goes wrong with one file is logged, and keeps no other from its advice."""
    try:
        yield
    except RequestError as error:
        log.info("%s isn't advised on: %s", asset.file, error.message)
    # An adapter is a plugin, and options come from outside: one file's trouble is its own.
    except (Exception, SystemExit):
        log.exception("%s isn't advised on", asset.file)


def _judge(
    session: SessionView,
    one: Examined,
    found: Examination,
    rules: Mapping[str, Sequence[str]],
    max_size: int,
) -> Looked:
    adapter, version = session.adapter, session.version
    assert adapter is not None and version is not None
    asset = one.asset
    judged = judge(found, asset.file, asset.options, adapter, version, max_size=max_size)
    findings = [finding for finding in judged if finding.rank > NOTE]
    ruled = [f for f in findings if f.applicable and covered(rules, asset.file, f.code)]
    asked = [f for f in findings if f not in ruled]
    return Looked(
        settle(asset, found, asked, adapter, version, one.preview, one.stamp) if asked else None,
        settle(asset, found, ruled, adapter, version, one.preview, one.stamp) if ruled else None,
    )


async def with_preview(context: Context, session: SessionView, files: list[FileAdvice]) -> list[FileAdvice]:
    """`files`, of which the first has a picture if it can be had."""
    if not files or files[0].preview or session.root is None:
        return files
    path = await asyncio.to_thread(below, await asyncio.to_thread(session.root.resolve), files[0].file)
    if path is None:
        return files
    try:
        result = await context.run("image.inspect", {"preview": PREVIEW}, [path], names=[files[0].file])
    except RequestError:
        return files
    return [replace(files[0], preview=result.blobs.get("preview")), *files[1:]]
