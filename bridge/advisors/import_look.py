"""From the editor's report of an import to advice on each file: opens, examines and judges."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from accel.texture.examine import Examination
from bridge.advisors.advice import Asset, FileAdvice, covered, judge, settle
from bridge.advisors.import_around import Around
from bridge.advisors.wanted import NOTE
from bridge.api import Context, Event, RequestError, RunResult, SessionView
from bridge.core.errors import BAD_INPUT

log = logging.getLogger(__name__)

AT_ONCE = 32
"""Files that are in work at once; the bridge queues them, this bounds what waits there."""
PREVIEW = 256
"""Longest side of the popup's picture, pixels."""
PREVIEWED = 8
"""Of so many files in one import each gets its preview with its inspection; of more only the first shown."""


class Import(Struct, frozen=True):
    """The data of `asset.imported`."""

    assets: list[Any]
    more: bool = False


class Looked(Struct, frozen=True):
    """One file's advice: what to ask about, and what a person wants done without being asked."""

    asked: FileAdvice | None
    ruled: FileAdvice | None


def read_event(event: Event) -> Import:
    """Raises RequestError that names the field."""
    try:
        return msgspec.convert(event.data, Import)
    except msgspec.ValidationError as error:
        raise RequestError(BAD_INPUT, name=f"event {event.name}", reason=str(error)) from None


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
            found.append(read)
    return found


async def look_at_all(
    context: Context, session: SessionView, assets: Sequence[Asset], around: Around
) -> list[Looked]:
    """Each readable file with its advice; a file that fails doesn't stop the others."""
    assert session.root is not None
    root = await asyncio.to_thread(session.root.resolve)
    preview = PREVIEW if len(assets) <= PREVIEWED else 0
    rules = await context.rules(session)
    places = asyncio.Semaphore(AT_ONCE)

    async def look(asset: Asset) -> Looked | None:
        async with places:
            path = await asyncio.to_thread(_below, root, asset.file)
            if path is None:
                log.warning("%s isn't a file below the project's root: passed over", asset.file)
                return None
            try:
                params = {**around.of(asset, session), "preview": preview}
                result = await context.run("texture.examine", params, [path], names=[asset.file])
                return _judge(session, asset, result, rules, around.max_size)
            except RequestError as error:
                log.info("%s isn't advised on: %s", asset.file, error.message)
            # An adapter is a plugin, and options come from outside: one file's trouble is its own.
            except Exception:
                log.exception("%s isn't advised on", asset.file)
            return None

    looked = await asyncio.gather(*(look(asset) for asset in assets))
    return [each for each in looked if each is not None]


def _judge(
    session: SessionView, asset: Asset, result: RunResult, rules: Mapping[str, Sequence[str]], max_size: int
) -> Looked:
    adapter, version = session.adapter, session.version
    assert adapter is not None and version is not None
    found = msgspec.convert(result.value, Examination)
    judged = judge(found, asset.file, asset.options, adapter, version, max_size=max_size)
    findings = [finding for finding in judged if finding.rank > NOTE]
    ruled = [f for f in findings if f.applicable and covered(rules, asset.file, f.code)]
    asked = [f for f in findings if f not in ruled]
    preview = result.blobs.get("preview")
    return Looked(
        settle(asset, found, asked, adapter, version, preview) if asked else None,
        settle(asset, found, ruled, adapter, version, preview) if ruled else None,
    )


def _below(root: Path, file: str) -> Path | None:
    """The file at `file` below `root`, symlinks resolved; None where it lies elsewhere or isn't there."""
    try:
        path = (root / file).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None
    except (OSError, ValueError):
        return None


async def with_preview(context: Context, session: SessionView, files: list[FileAdvice]) -> list[FileAdvice]:
    """`files`, of which the first has a picture if it can be had."""
    if not files or files[0].preview or session.root is None:
        return files
    path = await asyncio.to_thread(_below, await asyncio.to_thread(session.root.resolve), files[0].file)
    if path is None:
        return files
    try:
        result = await context.run("image.inspect", {"preview": PREVIEW}, [path], names=[files[0].file])
    except RequestError:
        return files
    return [msgspec.structs.replace(files[0], preview=result.blobs.get("preview")), *files[1:]]
