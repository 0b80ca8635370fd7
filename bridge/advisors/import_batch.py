"""A batch of imported textures: examining, packing the advice, and staleness."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from accel.texture.workloads import Examination
from bridge.advisors.advice import (
    Asset,
    FileAdvice,
    Mark,
    Stamp,
    UnitTexture,
    digest,
    is_covered,
    judge,
    settle,
)
from bridge.advisors.findings import NOTE, Finding
from bridge.advisors.import_project import ImportContext
from bridge.advisors.imported_assets import Pixels, find_pixels, path_below, stamp
from bridge.advisors.material_sets import SetMember, material_batches, unite_materials
from bridge.advisors.settings_units import UnitMember, settle_unit
from bridge.api import Context, ProjectSupport, RequestError, SessionView, TextureAsset
from bridge.core.errors import NOT_FOUND
from bridge.core.textures import NO_USES
from bridge.host import isolation, validation

log = logging.getLogger(__name__)

PART = 64
"""Number of files processed per step, which takes about 2 ms."""
MAX_CHANGES = 50
"""Changes in one command: the popup's progress moves when one is answered."""
MAX_CHANGES_BYTES = 96 * 1024
"""Bytes of changes in one command: a frame holds 256 KiB."""
AT_ONCE = 32
"""Files that are examined concurrently; the daemon has a queue, this bounds what waits in it."""
JUDGED_AT_ONCE = 32
"""Number of files judged per step, which takes some milliseconds."""
PREVIEW = 256
"""Longest side of a popup's picture, pixels."""
MAX_LISTED = 3000
"""Files of one popup's list; the next popup asks about the others. An answer that names each ticked change
must fit into a frame."""
THUMBNAIL = 72
"""Longest side of the pictures in a popup's list, pixels."""
PREVIEWED = 8
"""Up to so many files get a preview when they are examined; more get a thumbnail."""

Value = TypeVar("Value")
Parts = Iterable[Sequence[FileAdvice]]
"""Advice in parts of `PART` files; can be iterated more than once."""


class Advice(Struct, frozen=True, tag_field="kind", tag="advice"):
    """The state of a popup that asks; sorted by severity."""

    files: list[FileAdvice] = field(default_factory=list)
    """Only in states that older versions stored."""
    packed: list[bytes] = field(default_factory=list)
    """The files in encoded parts: decoding the whole state in one step would block the loop."""
    groups: list[str] = field(default_factory=list)
    """The codes of the list's groups, in the order of their ids; empty in states of older versions."""
    rules: list[tuple[str, str]] = field(default_factory=list)
    """The rules that the popup offers, folder and code, in the order of their ids."""

    def __iter__(self) -> Iterator[Sequence[FileAdvice]]:
        yield from split_advice(self.files)
        yield from map(_advice_decoder.decode, self.packed)


_advice_decoder = msgspec.msgpack.Decoder(list[FileAdvice])


class AdviceSummary(Struct):
    """Marks, codes and rules of all files of a popup."""

    marks: set[Mark] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)
    """Codes of findings that import settings fix."""
    rules: set[tuple[str, str]] = field(default_factory=set)
    """Their (folder, code) pairs."""

    def add(self, files: Sequence[FileAdvice]) -> None:
        for file in files:
            self.marks |= file.marks()
            codes = {finding.code for finding in file.findings if finding.applicable}
            self.codes |= codes
            self.rules.update((folder, code) for folder in file.folders for code in codes)


class Without(Struct, frozen=True):
    """Parts without some paths."""

    parts: Parts
    paths: Set[str]

    def __iter__(self) -> Iterator[Sequence[FileAdvice]]:
        for files in self.parts:
            yield [file for file in files if file.path not in self.paths]


class Ticks(Struct, frozen=True):
    """What an answer ticked: codes of findings by the file's place in the advice, from 0."""

    codes: Mapping[int, Set[str]]
    listed: int
    """Number of files that the list had."""

    @classmethod
    def of(cls, groups: Sequence[str], checked: Iterable[str]) -> Ticks:
        """`checked` are ids of changes; others are ignored."""
        codes: dict[int, set[str]] = {}
        for name in checked:
            group, *rest = name.split(".")
            if len(rest) == 2:
                codes.setdefault(int(rest[0]) - 1, set()).add(groups[int(group) - 1])
        return cls(codes, MAX_LISTED)

    def chosen(self, at: int, file: FileAdvice) -> FileAdvice | None:
        """Returns the advice with the ticked findings of the file at this place; None without any."""
        codes = self.codes.get(at)
        return file.only(codes) if codes else None

    def declined(self, at: int, file: FileAdvice) -> FileAdvice | None:
        """Returns the advice with the other findings of the file."""
        if at >= self.listed:
            return None
        ticked = self.codes.get(at, frozenset())
        left = [finding for finding in file.findings if finding.code not in ticked]
        return file.with_findings(left) if left else None

    def unlisted(self, at: int, file: FileAdvice) -> FileAdvice | None:
        """Returns the advice on a file that the list had no room for."""
        return file if at >= self.listed else None


Part = Callable[[int, FileAdvice], FileAdvice | None]


class Portion(Struct, frozen=True):
    """A part of some advice, such as what was ticked; can be iterated more than once."""

    parts: Parts
    select: Part

    def __iter__(self) -> Iterator[Sequence[FileAdvice]]:
        at = 0
        for files in self.parts:
            found = (self.select(number, file) for number, file in enumerate(files, at))
            yield [file for file in found if file is not None]
            at += len(files)


def pack_advice(
    files: Sequence[FileAdvice], groups: Sequence[str] = (), rules: Sequence[tuple[str, str]] = ()
) -> Advice:
    """Encodes `files` as a popup's state."""
    packed = [msgspec.msgpack.encode(part) for part in split_advice(files)]
    return Advice(packed=packed, groups=list(groups), rules=list(rules))


def split_advice(files: Sequence[FileAdvice]) -> Iterator[Sequence[FileAdvice]]:
    """Yields `files` in parts."""
    return (files[at : at + PART] for at in range(0, len(files), PART))


async def interleave(parts: Iterable[Value]) -> AsyncIterator[Value]:
    """Yields each part; other tasks run in between."""
    for part in parts:
        yield part
        await asyncio.sleep(0)


async def summarize(parts: Parts) -> AdviceSummary:
    """Sums up all parts."""
    summary = AdviceSummary()
    async for files in interleave(parts):
        summary.add(files)
    return summary


async def portions(parts: Parts) -> AsyncIterator[list[dict[str, Any]]]:
    """Yields the changes for `texture.apply` in portions that fit into a frame; deterministic.

    Settings that several textures share are a portion of their own, and so have a receipt of their own.
    """
    portion: list[dict[str, Any]] = []
    size = 0
    async for files in interleave(parts):
        for file in files:
            if not file.options:
                continue
            change = {"path": file.path, "options": file.options, "expected": file.present}
            own = len(msgspec.msgpack.encode(change))
            if file.textures:
                yield [change]
                continue
            if portion and (len(portion) >= MAX_CHANGES or size + own > MAX_CHANGES_BYTES):
                yield portion
                portion, size = [], 0
            portion.append(change)
            size += own
    if portion:
        yield portion


async def release(files: dict[str, FileAdvice]) -> None:
    """Empties `files`, which nothing else references, without blocking the loop."""
    while files:
        for path in list(files)[-PART:]:
            del files[path]
        await asyncio.sleep(0)


class ExaminedTexture(Struct, frozen=True):
    """The advice on one file: the findings to ask about, and those that rules fix without asking."""

    asked: FileAdvice | None
    ruled: FileAdvice | None


class ExaminedImport(Struct, frozen=True):
    """The advice on all textures of an import."""

    textures: Sequence[ExaminedTexture]
    missing: Sequence[Asset]
    """Textures whose blob isn't there any more."""


class _Examined(Struct, frozen=True):
    """One file's examination by a worker."""

    asset: Asset
    encoded: bytes
    """An `Examination`; thousands of decoded ones would slow down garbage collection."""
    preview: str | None
    """The picture's digest; None without one."""
    stamp: Stamp | None
    """The file's before it was opened; None if that can't identify it."""


_examination_decoder = msgspec.msgpack.Decoder(Examination)


async def examine_all(
    context: Context, session: SessionView, assets: Sequence[Asset], surroundings: ImportContext
) -> ExaminedImport:
    """Examines and judges files; one that fails is logged and left out."""
    rules = await context.rules(session)
    missing: list[Asset] = []
    examined = await _examine(context, session, assets, surroundings, missing)
    advised = []
    units: dict[str, list[UnitMember]] = {}
    for some in material_batches(examined, lambda each: each.asset.file, JUDGED_AT_ONCE):
        # An import may have thousands; other sessions run in between.
        await asyncio.sleep(0)
        alone = [_examination_decoder.decode(each.encoded) for each in some]
        in_context = surroundings.seen.judge([each.asset.file for each in some], alone)
        judged = []
        for each, examination, classification in zip(some, alone, in_context, strict=True):
            with _log_failure(each.asset):
                examination = replace(examination, classification=classification)
                judged.append((each, _judge(session, each.asset, examination, surroundings)))
        united: Mapping[str, list[Finding]] = {}
        with _log_failure(some[0].asset):
            united = _unite([member for _, member in judged], session, surroundings)
        for each, member in judged:
            found = UnitMember(
                each.asset,
                member.examination,
                united.get(member.file, member.findings),
                member.uses,
                each.preview,
                each.stamp,
            )
            if each.asset.unit:
                units.setdefault(each.asset.unit, []).append(found)
                continue
            with _log_failure(each.asset):
                advised.append(_advise(session, [found], rules, surroundings.max_size))
    for members in units.values():
        await asyncio.sleep(0)
        with _log_failure(members[0].asset):
            advised.append(_advise(session, members, rules, surroundings.max_size))
    surroundings.seen.trim()
    return ExaminedImport(advised, missing)


async def _examine(
    context: Context,
    session: SessionView,
    assets: Sequence[Asset],
    surroundings: ImportContext,
    missing: list[Asset],
) -> list[_Examined]:
    """Runs `texture.examine` on textures, in the order of `assets`; failures are left out, and those whose
    blob is gone are added to `missing`."""
    assert session.root is not None
    root = await asyncio.to_thread(session.root.resolve)
    preview = PREVIEW if len(assets) <= PREVIEWED else THUMBNAIL
    found: list[_Examined | None] = [None] * len(assets)

    async def run(asset: Asset, pixels: Pixels) -> _Examined:
        params = {**surroundings.params_of(asset, session), "preview": preview}
        result = await context.run("texture.examine", params, [pixels.source], names=[asset.file])
        examination = msgspec.convert(result.value, Examination)
        surroundings.seen.add(asset.file, examination)
        encoded = msgspec.msgpack.encode(examination)
        return _Examined(asset, encoded, result.blobs.get("preview"), pixels.stamp)

    async def examine(indices: Iterator[int]) -> None:
        for at in indices:
            asset = assets[at]
            with _log_failure(asset):
                pixels = await find_pixels(context, session, root, asset)
                if pixels is None:
                    continue
                try:
                    found[at] = await run(asset, pixels)
                except RequestError as error:
                    if not isinstance(pixels.source, str) or error.code.name != NOT_FOUND.name:
                        raise
                    missing.append(asset)

    # A task for each of thousands of files would block the loop while they are created.
    indices = iter(range(len(assets)))
    await asyncio.gather(*(examine(indices) for _ in range(min(AT_ONCE, len(assets)))))
    return [each for each in found if each is not None]


@contextlib.contextmanager
def _log_failure(asset: Asset) -> Iterator[None]:
    """Logs what fails at one file; the others go on."""
    try:
        yield
    except RequestError as error:
        log.info("%s isn't checked: %s", asset.file, error.message)
    # An adapter is a plugin, and options come from outside.
    except (Exception, SystemExit):
        log.exception("%s isn't checked", asset.file)


def _judge(
    session: SessionView, asset: Asset, examination: Examination, surroundings: ImportContext
) -> SetMember:
    adapter, version = session.adapter, session.version
    assert adapter is not None and version is not None
    uses = surroundings.uses.get(asset.file, NO_USES)
    most = surroundings.max_size
    findings = judge(examination, asset.file, asset.options, adapter, version, max_size=most, uses=uses)
    return SetMember(asset.file, examination, asset.options, findings, uses)


def _unite(
    members: Sequence[SetMember], session: SessionView, surroundings: ImportContext
) -> dict[str, list[Finding]]:
    adapter, version = session.adapter, session.version
    assert adapter is not None and version is not None
    return unite_materials(members, adapter, version, surroundings.max_size)


def _advise(
    session: SessionView,
    members: Sequence[UnitMember],
    rules: Mapping[str, Sequence[str]],
    max_size: int,
) -> ExaminedTexture:
    """Returns the advice on a texture, or on all textures of a unit."""
    adapter, version = session.adapter, session.version
    assert adapter is not None and version is not None
    everywhere: dict[str, bool] = {}
    for member in members:
        for finding in member.findings:
            covered = finding.applicable and is_covered(rules, member.asset.file, finding.code)
            everywhere[finding.code] = everywhere.get(finding.code, True) and covered
    ruled = {code for code, covered in everywhere.items() if covered}
    asked = [
        [f for f in member.findings if f.code not in ruled and (f.rank > NOTE or f.applicable)]
        for member in members
    ]
    # A note is no reason to ask, but what settings fix is fixed with the rest.
    if all(finding.rank == NOTE for findings in asked for finding in findings):
        asked = [[] for _ in members]

    def advice(found: Sequence[Sequence[Finding]]) -> FileAdvice | None:
        if members[0].asset.unit:
            by_path = {member.asset.path: own for member, own in zip(members, found, strict=True)}
            return settle_unit(members, by_path, adapter, version, max_size)
        each = members[0]
        if not found[0]:
            return None
        return settle(each.asset, each.examination, found[0], adapter, version, each.preview, each.stamp)

    fixed = advice([[f for f in member.findings if f.code in ruled] for member in members])
    if fixed is not None and fixed.conflicts:
        # No rule can fix it: it is told like what has no rule.
        return _advise(session, members, {}, max_size)
    return ExaminedTexture(advice(asked), fixed)


async def with_preview(context: Context, session: SessionView, files: list[FileAdvice]) -> list[FileAdvice]:
    """Adds a picture to the first file if it can be read."""
    if not files or files[0].preview or not files[0].has_file or session.root is None:
        return files
    path = await asyncio.to_thread(path_below, await asyncio.to_thread(session.root.resolve), files[0].file)
    if path is None:
        return files
    try:
        result = await context.run("image.inspect", {"preview": PREVIEW}, [path], names=[files[0].file])
    except RequestError:
        return files
    return [replace(files[0], preview=result.blobs.get("preview")), *files[1:]]


class StalenessCheck(Struct):
    """The files that are no longer as they were when they were judged."""

    changed: dict[str, Asset | None] = field(default_factory=dict)
    """By path: the file as it is now; None if its settings can't be read here."""
    gone: set[str] = field(default_factory=set)
    """Paths of missing files."""
    other: set[str] = field(default_factory=set)
    """Paths of files that are no longer imported as textures."""

    @property
    def paths(self) -> Set[str]:
        return self.changed.keys() | self.gone | self.other


TextureReader = Callable[[str], TextureAsset | None]
"""Reads a texture's import settings by its path below the root; None if it is imported as something else.
Without an adapter that reads them, its options are None."""


async def check(session: SessionView, parts: Parts) -> StalenessCheck:
    """Finds files that changed since they were judged, or whose settings to fix did.

    Files with the same time and size aren't read.
    """
    checked = StalenessCheck()
    if session.root is not None:
        root = await asyncio.to_thread(session.root.resolve)
        read = texture_reader(session.adapter.project if session.adapter else None, root)
        async for files in interleave(parts):
            await asyncio.to_thread(_check, files, root, read, checked)
    return checked


def texture_reader(support: ProjectSupport | None, root: Path) -> TextureReader:
    """Returns the reader of a project's textures; without `support` it returns them without options."""

    def read(file: str) -> TextureAsset | None:
        if support is not None and hasattr(support, "texture"):
            try:
                found = support.texture(root, file)
                if found is not None:
                    validation.check_texture(found)
                return found
            # An adapter is a plugin: its failure doesn't prevent the fix.
            except (Exception, SystemExit) as error:
                log.warning("%s: can't compare its import settings: %s", file, isolation.describe(error))
        return TextureAsset(file, file)

    return read


def _check(files: Sequence[FileAdvice], root: Path, read: TextureReader, checked: StalenessCheck) -> None:
    for file in files:
        if not file.has_file:
            # The editor itself compares the settings of what has no file here.
            if any(_is_changed(root, texture) for texture in file.textures):
                checked.changed[file.path] = None
            continue
        path = path_below(root, file.file)
        if path is None:
            checked.gone.add(file.path)
            continue
        texture = read(file.file)
        if texture is None:
            checked.other.add(file.path)
            continue
        options = texture.options
        if _is_same(path, file.stamp, file.content) and (options is None or _has_settings(file, options)):
            continue
        asset = None if options is None else Asset(file.path, file.file, "texture", dict(options))
        checked.changed[file.path] = asset


def _is_changed(root: Path, texture: UnitTexture) -> bool:
    if not texture.has_file:
        return False
    path = path_below(root, texture.file)
    return path is None or not _is_same(path, texture.stamp, texture.content)


def _is_same(path: Path, known: Stamp | None, content: str) -> bool:
    try:
        if known is not None and known == stamp(path):
            return True
        with path.open("rb") as opened:
            return digest(hashlib.file_digest(opened, "sha256").hexdigest()) == content
    # Another program is writing it.
    except OSError:
        return False


def _has_settings(file: FileAdvice, options: Mapping[str, Any]) -> bool:
    # If this answer is carried out again, it may have set some of them already.
    return all(options.get(name) in (file.present.get(name), value) for name, value in file.options.items())
