"""Examine a batch; chunked advice; staleness."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path, PurePath
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from accel.text import text
from accel.texture.workloads import Examination
from bridge.advisors.advice import Asset, FileAdvice, Mark, Stamp, digest, is_covered, judge, settle
from bridge.advisors.findings import NOTE
from bridge.advisors.import_project import ImportContext
from bridge.api import Context, Event, ProjectSupport, RequestError, SessionView, TextureAsset
from bridge.core.errors import BAD_INPUT
from bridge.host import isolation, validation

PART = 64
"""Files that are read and dealt with in one go: about 2 ms."""
MAX_CHANGES = 200
"""Most changes in one command."""
MAX_CHANGES_BYTES = 96 * 1024
"""Most bytes of changes in one command: a frame holds 256 KiB."""

Value = TypeVar("Value")
Parts = Iterable[Sequence[FileAdvice]]
"""Files, for going through more than once."""

_advice_decoder = msgspec.msgpack.Decoder(list[FileAdvice])


class Advice(Struct, frozen=True, tag_field="kind", tag="advice"):
    """The state of a popup that asks; the worst first."""

    files: list[FileAdvice] = field(default_factory=list)
    """As earlier versions kept them."""
    packed: list[bytes] = field(default_factory=list)
    """Parts of the files, encoded: a popup's state is read at once."""

    def __iter__(self) -> Iterator[Sequence[FileAdvice]]:
        yield from split_advice(self.files)
        yield from map(_advice_decoder.decode, self.packed)


class AdviceSummary(Struct):
    """What all files of a popup come to."""

    marks: set[Mark] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)
    """Of what can be applied."""
    rules: set[tuple[str, str]] = field(default_factory=set)
    """The same by folder."""

    def add(self, files: Sequence[FileAdvice]) -> None:
        for file in files:
            self.marks |= file.marks()
            codes = {finding.code for finding in file.findings if finding.applicable}
            self.codes |= codes
            if codes:
                folder = file.folder
                self.rules.update((folder, code) for code in codes)


def pack_advice(files: Sequence[FileAdvice]) -> Advice:
    """`files` as they are kept."""
    return Advice(packed=[msgspec.msgpack.encode(part) for part in split_advice(files)])


def split_advice(files: Sequence[FileAdvice]) -> Iterator[Sequence[FileAdvice]]:
    """`files`, so many at a time."""
    return (files[at : at + PART] for at in range(0, len(files), PART))


async def interleave(parts: Iterable[Value]) -> AsyncIterator[Value]:
    """Each of `parts`; others are heard in between."""
    for part in parts:
        yield part
        await asyncio.sleep(0)


async def summarize(parts: Parts) -> AdviceSummary:
    """What they come to."""
    found = AdviceSummary()
    async for files in interleave(parts):
        found.add(files)
    return found


async def portions(parts: Parts) -> AsyncIterator[list[dict[str, Any]]]:
    """The changes of `texture.apply`, in portions that fit into a frame; the same for the same files."""
    portion: list[dict[str, Any]] = []
    size = 0
    async for files in interleave(parts):
        for file in files:
            if not file.options:
                continue
            change = {"path": file.path, "options": file.options}
            own = len(msgspec.msgpack.encode(change))
            if portion and (len(portion) >= MAX_CHANGES or size + own > MAX_CHANGES_BYTES):
                yield portion
                portion, size = [], 0
            portion.append(change)
            size += own
    if portion:
        yield portion


async def release(files: dict[str, FileAdvice]) -> None:
    """Empties `files`, which nobody else holds."""
    while files:
        for path in list(files)[-PART:]:
            del files[path]
        await asyncio.sleep(0)


RACY_NS = 2_000_000_000
"""A file that changed so short ago may change once more without another time: FAT counts two seconds."""


class StalenessCheck(Struct):
    """What isn't any more what was asked about."""

    changed: dict[str, Asset | None] = field(default_factory=dict)
    """By path: as it is now; None where its settings can't be read here."""
    gone: set[str] = field(default_factory=set)
    """Paths of files that aren't there any more."""
    other: set[str] = field(default_factory=set)
    """Paths of files that are imported as something else, not as textures."""

    @property
    def paths(self) -> Set[str]:
        return self.changed.keys() | self.gone | self.other


class Without(Struct, frozen=True):
    """Parts without some of their files."""

    parts: Parts
    paths: Set[str]

    def __iter__(self) -> Iterator[Sequence[FileAdvice]]:
        for files in self.parts:
            yield [file for file in files if file.path not in self.paths]


async def check(session: SessionView, parts: Parts) -> StalenessCheck:
    """Which of these files, or of their settings that are to be set, have changed since they were judged.

    Nothing is read of files that have the time and size that they had.
    """
    checked = StalenessCheck()
    if session.root is not None:
        root = await asyncio.to_thread(session.root.resolve)
        read = _reader(session.adapter.project if session.adapter else None, root)
        async for files in interleave(parts):
            await asyncio.to_thread(_check, files, root, read, checked)
    return checked


Read = Callable[[str], TextureAsset | None]
"""A texture as the project's files have it, by its place below the root; None where it is imported as
something else. It has no options where nobody can say them, as of an engine whose plugin reads none."""


def _check(files: Sequence[FileAdvice], root: Path, read: Read, checked: StalenessCheck) -> None:
    for file in files:
        found = path_below(root, file.file)
        if found is None:
            checked.gone.add(file.path)
            continue
        texture = read(file.file)
        if texture is None:
            checked.other.add(file.path)
            continue
        options = texture.options
        if _is_same(found, file) and (options is None or _agree(file, options)):
            continue
        asset = None if options is None else Asset(file.path, file.file, "texture", dict(options))
        checked.changed[file.path] = asset


def _is_same(path: Path, file: FileAdvice) -> bool:
    try:
        if file.stamp is not None and file.stamp == stamp(path):
            return True
        with path.open("rb") as opened:
            return digest(hashlib.file_digest(opened, "sha256").hexdigest()) == file.content
    # Somebody is writing it.
    except OSError:
        return False


def _agree(file: FileAdvice, options: Mapping[str, Any]) -> bool:
    # What is set already was set by this answer, if it is acted on once more.
    return all(options.get(name) in (file.present.get(name), value) for name, value in file.options.items())


def _reader(support: ProjectSupport | None, root: Path) -> Read:
    def read(file: str) -> TextureAsset | None:
        if support is not None and hasattr(support, "texture"):
            try:
                found = support.texture(root, file)
                if found is not None:
                    validation.check_texture(found)
                return found
            # An adapter is a plugin: its trouble keeps nobody from applying what was asked.
            except (Exception, SystemExit) as error:
                log.warning("%s: its import settings can't be compared: %s", file, isolation.describe(error))
        return TextureAsset(file, file)

    return read


def path_below(root: Path, file: str) -> Path | None:
    """The file at `file` below `root`, symlinks resolved; None where it lies elsewhere or isn't there, or is
    named from elsewhere, as no rule for a folder would hold it."""
    place = PurePath(file)
    if place.anchor or ".." in place.parts:
        return None
    try:
        path = (root / file).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None
    except (OSError, ValueError):
        return None


def stamp(path: Path) -> Stamp:
    """What tells without reading it whether a file is the one that was read. Raises OSError."""
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def settled_file_stamp(path: Path) -> Stamp | None:
    """As `stamp`; None where the file has just changed, or can't be asked."""
    try:
        found = stamp(path)
    except OSError:
        return None
    return found if time.time_ns() - max(found[1:]) > RACY_NS else None


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


class ImportedTexture(Struct, frozen=True):
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


class ExaminedBatch(Struct, frozen=True):
    """One file's advice: what to ask about, and what a person wants done without being asked."""

    asked: FileAdvice | None
    ruled: FileAdvice | None


def read_event(event: Event) -> ImportedTexture:
    """Raises RequestError that names the field."""
    try:
        return msgspec.convert(event.data, ImportedTexture)
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


async def examine_all(
    context: Context, session: SessionView, assets: Sequence[Asset], around: ImportContext
) -> list[ExaminedBatch]:
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
    context: Context, session: SessionView, assets: Sequence[Asset], around: ImportContext
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
    path = path_below(root, file)
    return path, settled_file_stamp(path) if path else None


def _in_context(
    examined: Sequence[Examined], around: ImportContext
) -> Iterator[tuple[Examined, Examination]]:
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
) -> ExaminedBatch:
    adapter, version = session.adapter, session.version
    assert adapter is not None and version is not None
    asset = one.asset
    judged = judge(found, asset.file, asset.options, adapter, version, max_size=max_size)
    findings = [finding for finding in judged if finding.rank > NOTE]
    ruled = [f for f in findings if f.applicable and is_covered(rules, asset.file, f.code)]
    asked = [f for f in findings if f not in ruled]
    return ExaminedBatch(
        settle(asset, found, asked, adapter, version, one.preview, one.stamp) if asked else None,
        settle(asset, found, ruled, adapter, version, one.preview, one.stamp) if ruled else None,
    )


async def with_preview(context: Context, session: SessionView, files: list[FileAdvice]) -> list[FileAdvice]:
    """`files`, of which the first has a picture if it can be had."""
    if not files or files[0].preview or session.root is None:
        return files
    path = await asyncio.to_thread(path_below, await asyncio.to_thread(session.root.resolve), files[0].file)
    if path is None:
        return files
    try:
        result = await context.run("image.inspect", {"preview": PREVIEW}, [path], names=[files[0].file])
    except RequestError:
        return files
    return [replace(files[0], preview=result.blobs.get("preview")), *files[1:]]
