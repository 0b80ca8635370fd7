"""The import advisor: examines imported textures, asks about fixes, and carries out the answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Struct, field

from accel.text import AnyText
from bridge.advisors.advice import Applied, Asset, FileAdvice, Mark, sort_advice
from bridge.advisors.import_apply import Fix, add_rules, apply, report_revert, skipped_files, undo
from bridge.advisors.import_batch import (
    Advice,
    Parts,
    Portion,
    StalenessCheck,
    Ticks,
    Without,
    check,
    examine_all,
    interleave,
    release,
    split_advice,
    summarize,
    texture_reader,
    with_preview,
)
from bridge.advisors.import_explanation import EXPLAIN, explain_texture
from bridge.advisors.import_items import chosen_rules
from bridge.advisors.import_popups import (
    APPLIED,
    KIND,
    SILENCED,
    PopupDraft,
    draft_popup,
    pixels_gone_text,
    silenced_popup,
    trouble_popup,
    unsettled_advice,
)
from bridge.advisors.import_project import ContextReader
from bridge.advisors.imported_assets import WANTED, path_below, read_event
from bridge.api import Advisor, Answer, Context, Event, Popup, RequestError, SessionView, UserError, hookimpl
from bridge.core.revert import REVERTED
from bridge.paths import Paths
from bridge.project import config
from bridge.project.config import ProjectFile

log = logging.getLogger(__name__)

MAX_GATHERED = 100_000
MAX_REPORTED = 10_000
MAX_WANTED = 1000
"""Textures whose pixels an editor is asked for again at once."""
MAX_WORKSPACES = 64
MAX_PROJECTS = 16
HOUR_S = 3600.0
MAX_MARKS = 110_000
"""Marks of one project that are held in memory; the database forgets the oldest of 100,000."""


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


class ImportBatch(Struct):
    """The imports and the open popup of one workspace; popups themselves hold what must not be lost."""

    gathering: dict[str, Asset] = field(default_factory=dict)
    """By path: the frames so far of a batch that isn't complete."""
    waiting: dict[str, Asset] = field(default_factory=dict)
    """By path: complete batches that wait to be examined."""
    busy: bool = False
    answers: int = 0
    """Number of answers being recorded."""
    recorded: asyncio.Event = field(default_factory=_set_event)
    """Set while there are none."""
    fallback: tuple[Context, SessionView] | None = None
    """The editor that reported something meanwhile; it takes over if the one that is asked fails."""
    is_recalled: bool = False
    """Whether the popup of an earlier run of the daemon was looked up."""
    dedupe: str | None = None
    """Deduplication key of the open popup; None without one."""
    popup_id: int | None = None
    files: dict[str, FileAdvice] = field(default_factory=dict)
    """By path: the files in the open popup."""
    quiet_until: float = 0.0
    """Until then popups are stored, but not shown; by `time.monotonic`."""
    reported: dict[str, Asset] = field(default_factory=dict)
    """By path: the last textures of which an editor alone knows the pixels, settings, uses or unit."""
    wanted: set[tuple[str, str]] = field(default_factory=set)
    """Textures and blobs that an editor was asked for again."""

    def remember(self, assets: Iterable[Asset], *, is_only_source: bool) -> None:
        """Remembers what the project's files don't say, for `MAX_REPORTED` textures.

        `is_only_source`: whether nothing but the editor knows any texture's settings.
        """
        for asset in assets:
            self.reported.pop(asset.path, None)
            if is_only_source or asset.unit or asset.used_as or not asset.has_file:
                self.reported[asset.path] = asset
        for path in list(self.reported)[: max(len(self.reported) - MAX_REPORTED, 0)]:
            del self.reported[path]

    def with_units(self, assets: Sequence[Asset]) -> list[Asset]:
        """Returns `assets` and the other known textures of their units, with the units' present options."""
        paths = {asset.path for asset in assets}
        units = {asset.unit: asset.options for asset in assets if asset.unit}
        others = [
            asset for asset in self.reported.values() if asset.unit in units and asset.path not in paths
        ]
        # Of one unit, the last report counts.
        return [
            msgspec.structs.replace(asset, options=units[asset.unit]) if asset.unit else asset
            for asset in [*assets, *others]
        ]

    def find(self, path: str) -> Asset | None:
        """Returns a remembered texture, or one of a unit, by the engine's name or that of popups."""
        if path in self.reported:
            return self.reported[path]
        return next((one for one in self.reported.values() if path in (one.file, one.unit)), None)

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Blocks new questions while an answer is being recorded."""
        self.answers += 1
        self.recorded.clear()
        try:
            yield
        finally:
            self.answers -= 1
            if not self.answers:
                self.recorded.set()

    def close(self) -> dict[str, FileAdvice]:
        """Forgets the open popup; returns its files."""
        files = self.files
        self.dedupe, self.popup_id, self.files = None, None, {}
        return files


class SettledImports:
    """The marks of settled findings by project: those in the database, and those of this run."""

    def __init__(self) -> None:
        self._marks: dict[str, set[Mark]] = {}
        self._loaded: set[str] = set()
        """Projects whose marks were read from the database."""

    async def of(self, context: Context, session: SessionView) -> set[Mark]:
        """Returns the marks of the session's project; the set grows with `add`.

        Raises RequestError if they can't be read now; the next call tries again.
        """
        while session.project not in self._loaded:
            stored = await context.marks(session)
            # Marks that were added meanwhile are in the set already.
            self._of_project(session.project).update(stored)
            self._loaded.add(session.project)
        return self._marks[session.project]

    async def add(self, context: Context, session: SessionView, marks: Set[Mark], *, keep: bool) -> None:
        """Adds marks; with `keep` also to the database, for the next run of the daemon."""
        if keep:
            # A damaged database can't store anything; this run still has the marks in memory.
            with contextlib.suppress(RequestError):
                await context.note(session, marks)
        known = self._of_project(session.project)
        known |= marks
        if len(known) > MAX_MARKS:
            self._forget(session.project)

    def _of_project(self, project: str) -> set[Mark]:
        while project not in self._marks and len(self._marks) >= MAX_PROJECTS:
            self._forget(next(iter(self._marks)))
        return self._marks.setdefault(project, set())

    def _forget(self, project: str) -> None:
        del self._marks[project]
        self._loaded.discard(project)


class HourlyLimit:
    """Counts the popups of each project; those that replace an open one don't count."""

    def __init__(self) -> None:
        self._shown: dict[str, deque[float]] = {}

    def delay(self, project: str, limit: int, now: float) -> float:
        """Counts a new popup; returns the seconds for which to hold it, 0 to show it now.

        `limit` is per hour; 0 means none.
        """
        if not limit:
            return 0.0
        while project not in self._shown and len(self._shown) >= MAX_PROJECTS:
            del self._shown[next(iter(self._shown))]
        shown = self._shown.setdefault(project, deque())
        while shown and shown[0] <= now - HOUR_S:
            shown.popleft()
        at = now if len(shown) < limit else shown[-limit] + HOUR_S
        shown.append(at)
        return at - now


class RuledTextures(Struct, frozen=True):
    """Advice that a project's rules fix without asking, and the session that imported the textures."""

    context: Context
    session: SessionView
    parts: Sequence[Sequence[FileAdvice]]


class TextureImportAdvisor(Advisor):
    """Checks the import settings of each imported texture."""

    name = "texture_import"
    events = ("asset.imported", REVERTED)
    asks = (EXPLAIN,)

    def __init__(self, cache: Path | None = None) -> None:
        """`cache` is the folder in which audits leave their results; None ignores them."""
        self._batches: dict[str, ImportBatch] = {}
        self._settled = SettledImports()
        self._revision = 0
        """Counts changes of batches and marks: code that awaited compares it."""
        self._config_errors: dict[str, tuple[AnyText, ...]] = {}
        """By project: the errors of its popbridge.toml that were shown last."""
        self._reader = ContextReader(cache)
        self._hourly = HourlyLimit()

    async def on_event(self, context: Context, session: SessionView, event: Event) -> None:
        """Gathers a batch, then examines it; batches that arrive meanwhile are examined together."""
        if event.name == REVERTED:
            receipt, by = event.data.get("receipt"), event.data.get("by")
            if isinstance(receipt, int) and isinstance(by, int):
                await report_revert(context, session, receipt, by)
            return
        assets, more = read_event(event)
        batch = self._batch(session)
        batch.gathering.update({asset.path: asset for asset in assets})
        if more and len(batch.gathering) < MAX_GATHERED:
            return
        batch.waiting.update(batch.gathering)
        batch.gathering.clear()
        await self._examine_waiting(context, session, batch)

    async def on_answer(
        self, context: Context, session: SessionView, popup: Popup, state: Any, answer: Answer
    ) -> None:
        """Fixes, adds rules, or undoes. The same answer repeats the same steps, also after a restart."""
        if popup.kind == APPLIED:
            if answer.action == "undo":
                await undo(context, session, msgspec.convert(state, Applied), popup.id)
            return
        if popup.kind == SILENCED:
            if answer.action == "undo":
                await self._ask_again(context, session, msgspec.convert(state, Advice))
            return
        if popup.kind != KIND:
            return
        advice = msgspec.convert(state, Advice)
        batch = self._batch(session)
        if answer.action in ("snooze", "never"):
            with batch.recording():
                files = batch.close() if popup.dedupe == batch.dedupe else {}
                self._revision += 1
            await release(files)
            if answer.action == "snooze":
                batch.quiet_until = time.monotonic() + HOUR_S
                await self._ask_about(context, session, advice)
            else:
                await self._silence(context, session, advice, popup.id)
            return
        applies = answer.action in ("apply", "always")
        ticks = Ticks.of(advice.groups, answer.checked) if applies and answer.checked is not UNSET else None
        chosen: Parts = advice if ticks is None else Portion(advice, ticks.chosen)
        with batch.recording():
            files = batch.close() if popup.dedupe == batch.dedupe else {}
            self._revision += 1
            checked = await check(session, chosen) if applies else StalenessCheck()
            summary = await summarize(Without(chosen, checked.paths))
            if answer.state != "undeliverable":
                # If a change fails, the next run of the daemon asks again.
                await self._add_marks(context, session, summary.marks, keep=not applies)
            if ticks is not None:
                declined = await summarize(Portion(advice, ticks.declined))
                await self._add_marks(context, session, declined.marks)
        await release(files)
        if applies:
            rules = await _rules_to_add(advice, answer) if answer.action == "always" else None
            fix = Fix(chosen, summary, skipped_files(checked, session.locale), popup_id=popup.id)
            await self._apply(context, session, fix, checked, rules)
            if ticks is not None:
                await self._ask_about(context.outside_answer(), session, Portion(advice, ticks.unlisted))

    async def on_ask(
        self, context: Context, session: SessionView, name: str, params: Mapping[str, Any]
    ) -> Any:
        """Explains a texture."""
        return await explain_texture(context, session, self._reader, params, self._batch(session).find)

    async def _apply(
        self,
        context: Context,
        session: SessionView,
        fix: Fix,
        checked: StalenessCheck,
        rules: Sequence[tuple[str, str]] | None,
    ) -> None:
        """Applies advice except on files that `checked` excludes, and adds `rules` unless None."""
        refused = ""
        if rules is not None:
            refused = await add_rules(context, session, rules)
            if not refused:
                fix = msgspec.structs.replace(fix, mention="rule_kept" if rules else "", rules=rules)
        applied = await apply(context, session, fix)
        await self._keep_marks(context, session, Without(fix.parts, checked.paths), applied)
        if refused:
            # After the others, which are the same steps if this answer is repeated.
            await context.popup(session, trouble_popup("rule_refused", [refused], session.locale), {})
        # The editor itself reports files whose settings can't be read here.
        batch = self._batch(session)
        batch.waiting.update({path: asset for path, asset in checked.changed.items() if asset is not None})
        await self._examine_waiting(context.outside_answer(), session, batch)

    async def _silence(self, context: Context, session: SessionView, advice: Advice, popup_id: int) -> None:
        """Writes into popbridge.toml that no popups are shown in the project."""
        assert session.root is not None
        try:
            await asyncio.to_thread(config.set_asking, session.root, False)
        except UserError as error:
            await context.popup(session, trouble_popup("silence_failed", [error.text], session.locale), {})
            await self._ask_about(context.outside_answer(), session, advice)
            return
        silenced = msgspec.structs.replace(silenced_popup(session.locale), replaces=popup_id)
        await context.popup(session, silenced, advice)

    async def _ask_again(self, context: Context, session: SessionView, advice: Advice) -> None:
        """Undoes `_silence`, and asks about the advice that it put off."""
        assert session.root is not None
        try:
            await asyncio.to_thread(config.set_asking, session.root, True)
        except UserError as error:
            await context.popup(session, trouble_popup("silence_failed", [error.text], session.locale), {})
            return
        await self._ask_about(context, session, advice)

    async def _ask_about(self, context: Context, session: SessionView, parts: Parts) -> None:
        """Asks again about advice whose popup was closed."""
        found: list[FileAdvice] = []
        async for part in interleave(parts):
            found += part
        if found:
            await self._ask(context, session, self._batch(session), set(), found)

    async def _examine_waiting(self, context: Context, session: SessionView, batch: ImportBatch) -> None:
        """Examines until nothing waits.

        Raises RequestError if no editor can be asked, or the marks can't be read; the assets then wait for
        the next import.
        """
        if batch.busy:
            batch.fallback = context, session
            return
        batch.busy = True
        ruled: list[RuledTextures] = []
        failure = None
        try:
            while batch.waiting:
                assets = list(batch.waiting.values())
                batch.waiting.clear()
                try:
                    parts = await self._advise(context, session, batch, assets)
                except RequestError as error:
                    batch.waiting = {asset.path: asset for asset in assets} | batch.waiting
                    if batch.fallback is None:
                        raise
                    log.warning("another editor of the project takes over: %s", error)
                    (context, session), batch.fallback = batch.fallback, None
                else:
                    ruled += [RuledTextures(context, session, parts)] if parts else []
        except RequestError as error:
            failure = error
        finally:
            batch.busy, batch.fallback = False, None
        # Only now: an editor that doesn't answer would delay the project's other editors.
        for each in ruled:
            try:
                summary = await summarize(each.parts)
                fix = Fix(each.parts, summary, mention="rule_followed")
                applied = await apply(each.context, each.session, fix)
                await self._keep_marks(each.context, each.session, each.parts, applied)
            except RequestError as error:
                failure = error
        if failure is not None:
            raise failure

    async def _advise(
        self, context: Context, session: SessionView, batch: ImportBatch, assets: Sequence[Asset]
    ) -> Sequence[Sequence[FileAdvice]]:
        """Asks about the findings; returns, in parts, those that rules fix."""
        if session.root is None or session.adapter is None or session.version is None:
            return ()
        await self._recall(context, session, batch)
        project_file = await self._project_file(context, session, session.root)
        is_only_source = await asyncio.to_thread(_is_only_source, session, session.root, assets)
        batch.remember(assets, is_only_source=is_only_source)
        known = batch.with_units(assets)
        checked = [asset for asset in known if not project_file.textures.ignores(asset.file, asset.path)]
        max_size = int(context.settings["textures.max_size"])
        surroundings = await self._reader.read(session, checked, project_file, max_size)
        found = await examine_all(context, session, checked, surroundings)
        examined = found.textures
        gone = {asset.path for asset in found.missing}
        batch.wanted -= {(asset.path, asset.blob) for asset in checked if asset.path not in gone}
        if found.missing:
            await self._want(context, session, batch, found.missing)
        settled = await self._settled.of(context, session)
        ruled: list[FileAdvice] = []
        async for part in interleave(split_advice([each.ruled for each in examined if each.ruled])):
            ruled += [left for file in part if (left := file.unsettled(settled)) is not None]
        asked = [each.asked for each in examined if each.asked] if project_file.textures.ask else []
        paths = {asset.path for asset in assets} | {asset.unit for asset in assets if asset.unit}
        await self._ask(context, session, batch, paths, asked)
        parts = list(split_advice(sort_advice(ruled)))
        await self._add_marks(context, session, (await summarize(parts)).marks, keep=False)
        return parts

    async def _want(
        self, context: Context, session: SessionView, batch: ImportBatch, missing: Sequence[Asset]
    ) -> None:
        """Asks the editor to upload pixels again; if it has been asked for the same ones, tells the user."""
        again = [asset for asset in missing if (asset.path, asset.blob) not in batch.wanted][:MAX_WANTED]
        if again:
            while len(batch.wanted) > MAX_REPORTED:
                batch.wanted.pop()
            batch.wanted.update((asset.path, asset.blob) for asset in again)
            await context.notify(session, WANTED, {"paths": [asset.path for asset in again]})
            return
        gone = pixels_gone_text([asset.path for asset in missing])
        await context.popup(session, trouble_popup("pixels_gone", [gone], session.locale), {}, textures=())

    async def _recall(self, context: Context, session: SessionView, batch: ImportBatch) -> None:
        """Looks up the popup of an earlier run of the daemon: a second one would ask the same."""
        while not batch.is_recalled:
            revision = self._revision
            shown = await context.open_popups(session)
            asking = [(popup, state) for popup, state in shown if popup.kind == KIND and popup.dedupe]
            files: dict[str, FileAdvice] = {}
            async for part in interleave(msgspec.convert(asking[-1][1], Advice) if asking else ()):
                files |= {file.path: file for file in part}
            # A popup that was answered meanwhile is no longer open.
            if self._revision == revision:
                batch.is_recalled = True
                if asking:
                    popup = asking[-1][0]
                    assert popup.dedupe
                    batch.dedupe, batch.popup_id, batch.files = popup.dedupe, popup.id, files

    async def _project_file(self, context: Context, session: SessionView, root: Path) -> ProjectFile:
        """Returns the project's popbridge.toml; empty if it has an error, which is shown once."""
        try:
            found = await asyncio.to_thread(config.read, root)
        except UserError as error:
            await self._show_config_errors(context, session, "project_file", [error.text])
            return ProjectFile()
        await self._show_config_errors(
            context, session, "passed_over", config.ignored_code_notices(root, found)
        )
        return found

    async def _show_config_errors(
        self, context: Context, session: SessionView, title: str, errors: Sequence[AnyText]
    ) -> None:
        """Shows the errors unless they were shown last time."""
        if not errors:
            self._config_errors.pop(session.project, None)
        elif self._config_errors.get(session.project) != (errors := tuple(errors)):
            self._config_errors[session.project] = errors
            popup = trouble_popup(title, errors, session.locale)
            await context.popup(session, popup, {}, textures=())

    async def _ask(
        self,
        context: Context,
        session: SessionView,
        batch: ImportBatch,
        examined: Set[str],
        found: Sequence[FileAdvice],
    ) -> None:
        """Shows new advice together with what the open popup asks about other files.

        `examined` are the paths that were examined now.
        """
        # Copies, as an answer may clear the batch's files meanwhile.
        settled = await self._settled.of(context, session)
        taken = await context.claimed(session, [path for file in found for path in file.paths])
        found = [file for file in found if not file.paths & taken]
        unsettled = await asyncio.to_thread(unsettled_advice, found, dict(batch.files), settled)
        found = await with_preview(context, session, unsettled)
        while True:
            await batch.recorded.wait()
            settled = await self._settled.of(context, session)
            revision = self._revision
            draft = await asyncio.to_thread(draft_popup, found, dict(batch.files), settled, examined, session)
            # Otherwise something was answered meanwhile, which the draft would ask again.
            if self._revision == revision:
                break
        if draft.popup is not None:
            await self._show(context, session, batch, draft, draft.popup)
        elif draft.changed:
            popup_id = batch.popup_id
            files = batch.close()
            if popup_id is not None:
                await context.close_popup(session, popup_id)
            await release(files)

    async def _show(
        self, context: Context, session: SessionView, batch: ImportBatch, draft: PopupDraft, popup: Popup
    ) -> None:
        now = time.monotonic()
        if batch.dedupe is None and batch.quiet_until <= now:
            limit = int(context.settings["popups.per_hour"])
            batch.quiet_until = now + self._hourly.delay(session.project, limit, now)
        dedupe = batch.dedupe or f"texture.import:{uuid.uuid4().hex[:12]}"
        batch.dedupe, batch.files = dedupe, draft.files
        try:
            popup_id = await context.popup(
                session,
                msgspec.structs.replace(popup, dedupe=dedupe),
                draft.advice,
                delay_s=max(batch.quiet_until - now, 0.0),
                textures=[path for file in draft.files.values() for path in file.paths],
            )
        except BaseException:
            # It wasn't shown: the next import asks again.
            batch.close()
            raise
        await self._add_marks(context, session, draft.once)
        if batch.dedupe == dedupe:
            batch.popup_id = popup_id

    def _batch(self, session: SessionView) -> ImportBatch:
        # Editors of one workspace share their popups.
        key = session.workspace or session.id
        if key not in self._batches and len(self._batches) >= MAX_WORKSPACES:
            idle = (key for key, each in self._batches.items() if not each.busy and not each.answers)
            if (oldest := next(idle, None)) is not None:
                del self._batches[oldest]
        return self._batches.setdefault(key, ImportBatch())

    async def _add_marks(
        self, context: Context, session: SessionView, marks: Set[Mark], *, keep: bool = True
    ) -> None:
        self._revision += 1
        await self._settled.add(context, session, marks, keep=keep)
        self._revision += 1

    async def _keep_marks(
        self, context: Context, session: SessionView, parts: Parts, applied: Set[str]
    ) -> None:
        """Stores the marks of files that were fixed, and of those without settings to fix."""
        marks: set[Mark] = set()
        async for files in interleave(parts):
            marks.update(*(file.marks() for file in files if file.path in applied or not file.options))
        await self._add_marks(context, session, marks)


def _is_only_source(session: SessionView, root: Path, assets: Sequence[Asset]) -> bool:
    """Whether no file of the project has the settings of textures, so that only editors know them."""
    first = next((asset for asset in assets if asset.has_file), None)
    if first is None or path_below(root.resolve(), first.file) is None:
        return False
    found = texture_reader(session.adapter.project if session.adapter else None, root)(first.file)
    return found is not None and found.options is None


async def _rules_to_add(advice: Advice, answer: Answer) -> Sequence[tuple[str, str]]:
    """Returns the rules that an answer chose; all that apply if the popup offered none to choose from."""
    if answer.choices is not UNSET:
        return chosen_rules(advice.rules, answer.choices)
    return sorted((await summarize(advice)).rules)


@hookimpl
def popbridge_advisors() -> list[Advisor]:
    """Returns the import advisor."""
    return [TextureImportAdvisor(Paths.find().cache)]
