"""The textures that an editor reports as imported, and where their pixels come from."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from accel.text import text
from bridge.advisors.advice import Asset, Stamp
from bridge.api import Context, Event, RequestError, SessionView, TextureUse
from bridge.core.errors import BAD_INPUT
from bridge.core.messages import AssetUse, ImportedAsset
from bridge.host import isolation
from bridge.host.observation import file_of

log = logging.getLogger(__name__)

WANTED = "asset.wanted"
"""The daemon's event for editors, whose data are `bridge.core.messages.WantedAssets`."""
RACY_NS = 2_000_000_000
"""A file that changed so recently may change again within the same timestamp: FAT counts in two seconds."""


class _ImportedAssets(Struct, frozen=True):
    """The data of `asset.imported`: each asset is read by itself."""

    assets: list[Any]
    more: bool = False


def read_event(event: Event) -> tuple[list[Asset], bool]:
    """Returns the textures of an `asset.imported`, and whether its batch has more frames.

    Assets of another shape are logged and skipped. Raises RequestError with the name of the field.
    """
    try:
        data = msgspec.convert(event.data, _ImportedAssets)
    except msgspec.ValidationError as error:
        raise RequestError(
            BAD_INPUT, name=text("event {event}", event=event.name), reason=str(error)
        ) from None
    found = []
    for each in data.assets:
        try:
            asset = read_asset(each)
        except msgspec.ValidationError as error:
            log.warning("asset.imported: skipped an asset: %s", error)
            continue
        if asset.type == "texture":
            found.append(asset)
    return found, data.more


def read_asset(reported: Any) -> Asset:
    """Returns an asset as an editor reports it. Uses of another shape, as of a newer editor, are skipped.

    Raises `msgspec.ValidationError`.
    """
    uses: object = ()
    if isinstance(reported, Mapping):
        uses = reported.get("used_as")
        reported = {name: value for name, value in reported.items() if name != "used_as"}
    asset = msgspec.convert(reported, ImportedAsset)
    has_file = bool(asset.file)
    # As rules and patterns have it: an editor may write `./a.png`, and backslashes on Windows.
    file = PurePath(asset.file or file_of(asset.path)).as_posix()
    return Asset(
        asset.path,
        file,
        asset.type,
        asset.options,
        has_file=has_file,
        blob=asset.blob or "",
        used_as=tuple(_use(each) for each in uses if _is_use(each)) if isinstance(uses, list | tuple) else (),
        unit=asset.unit or "",
    )


def _is_use(reported: object) -> bool:
    try:
        msgspec.convert(reported, AssetUse)
    except msgspec.ValidationError as error:
        log.info("asset.imported: skipped a use: %s", error)
        return False
    return True


def _use(reported: object) -> TextureUse:
    use = msgspec.convert(reported, AssetUse)
    return TextureUse(
        kinds=() if use.kind is UNSET else (use.kind,),
        basis=use.basis,
        slot=use.slot,
        domain=None if use.domain is UNSET else use.domain,
    )


class Pixels(Struct, frozen=True):
    """The pixels of a texture."""

    source: Path | bytes | str
    """An image file, the bytes of one, or the SHA-256 of a blob; for `Context.run`."""
    stamp: Stamp | None = None
    """The file's before it was opened; None if that can't identify it."""


async def find_pixels(context: Context, session: SessionView, root: Path, asset: Asset) -> Pixels | None:
    """Returns the pixels of `asset`: its file below `root`, its blob, or what the adapter finds. Without any,
    logs the reason and returns None.

    Files elsewhere count only if the user has registered a folder above them. `root` has no links.
    """
    if asset.has_file:
        path, file_stamp = await asyncio.to_thread(_locate, root, asset.file)
        if path is not None:
            return Pixels(path, file_stamp)
    if asset.blob:
        return Pixels(asset.blob)
    found = await asyncio.to_thread(_ask_adapter, session, root, asset)
    if isinstance(found, Path):
        path = Path(await asyncio.to_thread(os.path.realpath, found))
        if path.is_relative_to(root) or await context.may_read(session, path):
            if await asyncio.to_thread(path.is_file):
                return Pixels(path, await asyncio.to_thread(settled_file_stamp, path))
            log.warning("%s is missing: %s isn't checked", path, asset.path)
        else:
            log.warning(
                "%s isn't checked: `popbridge roots add` must let PopBridge read the folder of its file, %s",
                asset.path,
                path,
            )
    elif found is not None:
        return Pixels(found)
    elif asset.has_file:
        log.warning("%s isn't a file below the project's root: skipped", asset.file)
    else:
        log.warning("%s has neither a file below the project's root nor a blob: skipped", asset.path)
    return None


def _ask_adapter(session: SessionView, root: Path, asset: Asset) -> Path | bytes | None:
    adapter = session.adapter
    if adapter is None:
        return None
    try:
        source = adapter.pixel_source
        found = source.pixels(root, asset.path, asset.options) if source is not None else None
    # An adapter is a plugin.
    except (Exception, SystemExit) as error:
        log.warning("%s: can't find its pixels: %s", asset.path, isolation.describe(error))
        return None
    return found if isinstance(found, Path | bytes) else None


def _locate(root: Path, file: str) -> tuple[Path | None, Stamp | None]:
    path = path_below(root, file)
    return path, settled_file_stamp(path) if path else None


def path_below(root: Path, file: str) -> Path | None:
    """Resolves the file at `file` below `root`, with symlinks; None if it is missing, lies outside, or has
    `..` or a drive in its name: no rule for a folder would match it."""
    place = PurePath(file)
    if place.anchor or ".." in place.parts:
        return None
    try:
        path = (root / file).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None
    except (OSError, ValueError):
        return None


def stamp(path: Path) -> Stamp:
    """Returns the size and times that identify a file's content without reading it. Raises OSError."""
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def settled_file_stamp(path: Path) -> Stamp | None:
    """Returns the `stamp` of a file; None if the file changed just now, or can't be accessed."""
    try:
        found = stamp(path)
    except OSError:
        return None
    return found if time.time_ns() - max(found[1:]) > RACY_NS else None
