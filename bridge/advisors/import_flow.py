"""The import advisor's flow: textures come in, one popup asks, commands go out, a toast offers to undo."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from bridge.advisors.advice import (
    Advice,
    Applied,
    Asset,
    FileAdvice,
    advise,
    chunks,
    covered,
    in_order,
    settle,
)
from bridge.advisors.import_popups import advice_popup, applied_popup, failed_undo_popup
from bridge.api import Advisor, Answer, Context, Event, Popup, RequestError, RunResult, SessionView
from bridge.core.errors import BAD_INPUT

log = logging.getLogger(__name__)

AT_ONCE = 32
"""Files that are in work at once; the bridge queues them, this bounds what waits there."""
PREVIEW = 256
"""Longest side of the popup's picture, pixels."""
PREVIEWED = 8
"""Of so many files in one import each gets its preview with its inspection; of more only the first shown."""
MAX_GATHERED = 100_000
MAX_DESKS = 64
MAX_MARKS = 100_000

Mark = tuple[str, str, str]


class Import(Struct, frozen=True):
    """The data of `asset.imported`."""

    assets: list[Any]
    more: bool = False


class Desk(Struct):
    """What lies on the table for one session. Only an optimisation: popups keep what matters."""

    gathering: dict[str, Asset] = field(default_factory=dict)
    """The frames of a batch so far."""
    waiting: dict[str, Asset] = field(default_factory=dict)
    """Whole batches that nobody has looked at yet."""
    busy: bool = False
    dedupe: str | None = None
    """Of the popup that asks, if one is open."""
    popup_id: int | None = None
    files: dict[str, FileAdvice] = field(default_factory=dict)
    """What the open popup asks about."""

    def open(self, files: dict[str, FileAdvice]) -> str:
        """A popup asks about `files` from now on; gives its `dedupe`.

        A popup that this run of the daemon doesn't know of stays beside the new one: nothing is lost.
        """
        self.dedupe = self.dedupe or f"texture.import:{uuid.uuid4().hex[:12]}"
        self.files = files
        return self.dedupe

    def close(self) -> None:
        self.dedupe, self.popup_id, self.files = None, None, {}

    def settled(self, popup: Popup) -> None:
        """`popup` was answered, dismissed or let expire."""
        if popup.dedupe == self.dedupe:
            self.close()


class Looked(Struct, frozen=True):
    """One file's advice: what to ask about, and what a person wants done without being asked."""

    asked: FileAdvice | None
    ruled: FileAdvice | None


class TextureImportAdvisor(Advisor):
    """Looks at each imported texture and advises where its import settings don't fit it."""

    name = "texture_import"
    events = ("asset.imported",)

    def __init__(self) -> None:
        self._desks: dict[str, Desk] = {}
        self._said: dict[str, set[Mark]] = {}
        """What was settled in each project, one way or the other: it isn't raised again."""

    async def on_event(self, context: Context, session: SessionView, event: Event) -> None:
        """Gathers a batch, then advises on it; what comes meanwhile is looked at together, afterwards."""
        imported = _read_event(event)
        desk = self._desk(session)
        desk.gathering.update({asset.path: asset for asset in _textures(imported.assets)})
        if imported.more and len(desk.gathering) < MAX_GATHERED:
            return
        desk.waiting.update(desk.gathering)
        desk.gathering.clear()
        if desk.busy:
            return
        desk.busy = True
        try:
            while desk.waiting:
                assets = list(desk.waiting.values())
                desk.waiting.clear()
                await self._advise(context, session, desk, assets)
        finally:
            desk.busy = False

    async def on_answer(
        self, context: Context, session: SessionView, popup: Popup, state: Any, answer: Answer
    ) -> None:
        """Applies, remembers or undoes. Repeats the same steps for the same answer, after a restart too."""
        if popup.kind == "texture.applied":
            if answer.action == "undo":
                await _undo(context, session, msgspec.convert(state, Applied))
            return
        if popup.kind != "texture.import":
            return
        advice = msgspec.convert(state, Advice)
        self._desk(session).settled(popup)
        self._mark(session, advice.files)
        if answer.action == "always":
            _remember(context, session, advice.files)
        if answer.action in ("apply", "always"):
            await _apply(context, session, advice.files)

    async def _advise(
        self, context: Context, session: SessionView, desk: Desk, assets: Sequence[Asset]
    ) -> None:
        if session.root is None or session.adapter is None or session.version is None:
            return
        looked = await _look_at_all(context, session, assets)
        said = self._said.get(session.project, set())
        asked = [look.asked for look in looked if look.asked and not look.asked.marks() <= said]
        ruled = [look.ruled for look in looked if look.ruled and not look.ruled.marks() <= said]
        await self._ask(context, session, desk, assets, asked)
        if ruled:
            self._mark(session, ruled)
            await _apply(context, session, in_order(ruled))

    async def _ask(
        self,
        context: Context,
        session: SessionView,
        desk: Desk,
        assets: Sequence[Asset],
        found: Sequence[FileAdvice],
    ) -> None:
        """Shows what was found together with what the open popup still asks about other files."""
        found = await _with_preview(context, session, in_order(found))
        # From here to the popup nothing is awaited: an answer in between would be asked for again.
        looked_at = {asset.path for asset in assets}
        files = {path: file for path, file in desk.files.items() if path not in looked_at}
        files.update({file.path: file for file in found})
        if files == desk.files:
            return
        if not files:
            popup_id = desk.popup_id
            desk.close()
            if popup_id is not None:
                await context.close_popup(session, popup_id)
            return
        # Advice that only the author can follow is given once: no setting will ever answer it.
        self._mark(session, [file for file in found if not file.options])
        ordered = in_order(files.values())
        popup = advice_popup(ordered, session.locale, desk.open(files))
        popup_id = await context.popup(session, popup, msgspec.to_builtins(Advice(ordered)))
        if desk.dedupe == popup.dedupe:
            desk.popup_id = popup_id

    def _desk(self, session: SessionView) -> Desk:
        if session.id not in self._desks and len(self._desks) >= MAX_DESKS:
            idle = next((key for key, desk in self._desks.items() if not desk.busy), None)
            if idle is not None:
                del self._desks[idle]
        return self._desks.setdefault(session.id, Desk())

    def _mark(self, session: SessionView, files: Sequence[FileAdvice]) -> None:
        said = self._said.setdefault(session.project, set())
        if len(said) > MAX_MARKS:
            said.clear()
        for file in files:
            said |= file.marks()


def _read_event(event: Event) -> Import:
    try:
        return msgspec.convert(event.data, Import)
    except msgspec.ValidationError as error:
        raise RequestError(BAD_INPUT, name=f"event {event.name}", reason=str(error)) from None


def _textures(assets: Sequence[Any]) -> list[Asset]:
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


async def _look_at_all(context: Context, session: SessionView, assets: Sequence[Asset]) -> list[Looked]:
    """Each readable file with its advice; a file that fails doesn't stop the others."""
    assert session.root is not None
    root = await asyncio.to_thread(session.root.resolve)
    params = {"preview": PREVIEW} if len(assets) <= PREVIEWED else {}
    places = asyncio.Semaphore(AT_ONCE)

    async def look(asset: Asset) -> Looked | None:
        async with places:
            path = await asyncio.to_thread(_below, root, asset.file)
            if path is None:
                log.warning("%s isn't a file below the project's root: passed over", asset.file)
                return None
            try:
                result = await context.run("image.inspect", params, [path], names=[asset.file])
                return _judge(context, session, asset, result)
            except RequestError as error:
                log.info("%s isn't advised on: %s", asset.file, error.message)
            # An adapter is a plugin, and options come from outside: one file's trouble is its own.
            except Exception:
                log.exception("%s isn't advised on", asset.file)
            return None

    looked = await asyncio.gather(*(look(asset) for asset in assets))
    return [each for each in looked if each is not None]


def _judge(context: Context, session: SessionView, asset: Asset, result: RunResult) -> Looked:
    adapter, version = session.adapter, session.version
    assert adapter is not None and version is not None
    findings = advise(asset, result.value, adapter, version, int(context.settings["textures.max_size"]))
    rules = context.rules(session)
    ruled = [f for f in findings if f.applicable and covered(rules, asset.file, f.code)]
    asked = [f for f in findings if f not in ruled]
    preview = result.blobs.get("preview")
    return Looked(
        settle(asset, result.value, asked, adapter, version, preview) if asked else None,
        settle(asset, result.value, ruled, adapter, version, preview) if ruled else None,
    )


def _below(root: Path, file: str) -> Path | None:
    """The file at `file` below `root`, symlinks resolved; None where it lies elsewhere or isn't there."""
    try:
        path = (root / file).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None
    except (OSError, ValueError):
        return None


async def _with_preview(context: Context, session: SessionView, files: list[FileAdvice]) -> list[FileAdvice]:
    """`files`, of which the first has a picture if it can be had."""
    if not files or files[0].preview or session.root is None:
        return files
    path = await asyncio.to_thread(_below, session.root.resolve(), files[0].file)
    if path is None:
        return files
    try:
        result = await context.run("image.inspect", {"preview": PREVIEW}, [path], names=[files[0].file])
    except RequestError:
        return files
    return [msgspec.structs.replace(files[0], preview=result.blobs.get("preview")), *files[1:]]


def _remember(context: Context, session: SessionView, files: Sequence[FileAdvice]) -> None:
    rules = {(file.folder, f.code) for file in files for f in file.findings if f.applicable}
    for folder, code in sorted(rules):
        context.add_rule(session, folder, code)


async def _apply(context: Context, session: SessionView, files: Sequence[FileAdvice]) -> None:
    """Sends the changes, waits for what the editor observed, and tells it in a toast."""
    codes = sorted({f.code for file in files for f in file.findings if f.applicable})
    note = f"texture import: {', '.join(codes)}"
    receipts = [
        await context.command(session, "texture.apply", {"changes": portion}, note=note)
        for portion in chunks(files)
    ]
    answers = [await context.receipt(receipt) for receipt in receipts]
    applied = [
        receipt for receipt, answer in zip(receipts, answers, strict=True) if answer["state"] == "applied"
    ]
    paths = [path for answer in answers for path, _ in _pairs(answer.get("after"), "options")]
    errors = [pair for answer in answers for pair in _problems(answer)]
    if receipts:
        popup = applied_popup(paths, errors, bool(applied), session.locale)
        await context.popup(session, popup, msgspec.to_builtins(Applied(applied)))


def _problems(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the editor said about single files, or about the command as a whole."""
    problems = [(path, str(message)) for path, message in _pairs(answer.get("errors"), "message")]
    if not problems and answer["state"] == "failed":
        problems.append(("", str(answer.get("error") or "the editor refused the command")))
    return problems


def _pairs(entries: object, name: str) -> list[tuple[str, Any]]:
    """(path, value of `name`) of each map in a list that an editor sent; all else in it is left out."""
    if not isinstance(entries, (list, tuple)):
        return []
    maps = [entry for entry in entries if isinstance(entry, Mapping) and name in entry]
    return [(str(entry.get("path", "")), entry[name]) for entry in maps]


async def _undo(context: Context, session: SessionView, applied: Applied) -> None:
    try:
        await context.revert(applied.receipts)
    except RequestError as error:
        await context.popup(session, failed_undo_popup(error.message, session.locale), {})
