"""The import advisor and its plugin."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from accel.text import AnyText
from bridge.advisors.advice import Applied, Asset, FileAdvice, Mark, sort_advice
from bridge.advisors.import_apply import apply, remember, skipped_files, undo
from bridge.advisors.import_batch import (
    Advice,
    AdviceSummary,
    Parts,
    StalenessCheck,
    Without,
    check,
    examine_all,
    interleave,
    read_event,
    release,
    split_advice,
    summarize,
    textures,
    with_preview,
)
from bridge.advisors.import_popups import (
    FOLLOWED,
    KEPT,
    KIND,
    PopupDraft,
    draft_popup,
    trouble_popup,
    unsettled_advice,
)
from bridge.advisors.import_project import ContextReader, agreed_settings
from bridge.api import Advisor, Answer, Context, Event, Popup, RequestError, SessionView, UserError, hookimpl
from bridge.paths import Paths
from bridge.project.config import ProjectFile, ignored_code_notices


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


class ImportBatch(Struct):
    """What lies on the table for a project's editors. Only an optimisation: popups keep what matters."""

    gathering: dict[str, Asset] = field(default_factory=dict)
    """The frames of a batch so far."""
    waiting: dict[str, Asset] = field(default_factory=dict)
    """Whole batches that nobody has looked at yet."""
    busy: bool = False
    answers: int = 0
    """Those that are being noted."""
    noted: asyncio.Event = field(default_factory=_set)
    """Set while there are none."""
    relief: tuple[Context, SessionView] | None = None
    """Whose editor reported something meanwhile, and may go on where the one that is asked fails."""
    is_recalled: bool = False
    """Whether it is known what an earlier run of the daemon has asked."""
    dedupe: str | None = None
    """Of the popup that asks, if one is open."""
    popup_id: int | None = None
    files: dict[str, FileAdvice] = field(default_factory=dict)
    """What the open popup asks about."""

    @property
    def is_idle(self) -> bool:
        """Whether nobody is at work on it."""
        return not self.busy and not self.answers

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """What an answer settles is being noted: until that is done, nothing is asked."""
        self.answers += 1
        self.noted.clear()
        try:
            yield
        finally:
            self.answers -= 1
            if not self.answers:
                self.noted.set()

    def open(self, files: dict[str, FileAdvice]) -> str:
        """A popup asks about `files` from now on; gives its `dedupe`."""
        self.dedupe = self.dedupe or f"texture.import:{uuid.uuid4().hex[:12]}"
        self.files = files
        return self.dedupe

    def recall(self, popup: Popup, files: dict[str, FileAdvice]) -> None:
        """`popup` of an earlier run asks about `files`: the next builds upon it."""
        assert popup.dedupe
        self.dedupe, self.popup_id, self.files = popup.dedupe, popup.id, files

    def close(self) -> dict[str, FileAdvice]:
        """Nothing is asked any more; gives what was."""
        files = self.files
        self.dedupe, self.popup_id, self.files = None, None, {}
        return files

    def settled(self, popup: Popup) -> dict[str, FileAdvice]:
        """`popup` was answered, dismissed or let expire; gives what it asked about, if it was the last."""
        return self.close() if popup.dedupe == self.dedupe else {}


MAX_PROJECTS = 16
MAX_MARKS = 110_000
"""Of one project that are remembered beside the bridge, which forgets the earliest of 100,000."""


class SettledImports:
    """The bridge keeps it; what of it was asked for is remembered, and all that came since."""

    def __init__(self) -> None:
        self._known: dict[str, set[Mark]] = {}
        self._asked: set[str] = set()
        """The projects whose marks the bridge was asked for: of others only what came since is known."""

    async def of(self, context: Context, session: SessionView) -> set[Mark]:
        """All that was settled in the session's project; it grows with what is added.

        Raises RequestError where that can't be read now: it is asked for again, as nothing says that nothing
        was settled.
        """
        while session.project not in self._asked:
            found = await context.noted(session)
            # What came meanwhile is in there, whether or not it was read.
            self._remembered(session.project).update(found)
            self._asked.add(session.project)
        return self._known[session.project]

    async def add(self, context: Context, session: SessionView, marks: Set[Mark], *, keep: bool) -> None:
        """From now on these are settled; if they are to `keep`, also for the next daemon."""
        if keep:
            # A damaged database keeps nothing any more; this run of the daemon knows it all the same.
            with contextlib.suppress(RequestError):
                await context.note(session, marks)
        known = self._remembered(session.project)
        known |= marks
        if len(known) > MAX_MARKS:
            self._forget(session.project)

    def _remembered(self, project: str) -> set[Mark]:
        while project not in self._known and len(self._known) >= MAX_PROJECTS:
            self._forget(next(iter(self._known)))
        return self._known.setdefault(project, set())

    def _forget(self, project: str) -> None:
        del self._known[project]
        self._asked.discard(project)


log = logging.getLogger(__name__)

MAX_GATHERED = 100_000
MAX_DESKS = 64


class RuledTextures(Struct, frozen=True):
    """What a project's rules settle of what an editor has imported."""

    context: Context
    session: SessionView
    parts: Sequence[Sequence[FileAdvice]]


class TextureImportAdvisor(Advisor):
    """Looks at each imported texture and advises where its import settings don't fit it."""

    name = "texture_import"
    events = ("asset.imported",)

    def __init__(self, cache: Path | None = None) -> None:
        """`cache` is the folder in which audits leave what they saw; None does without."""
        self._desks: dict[str, ImportBatch] = {}
        self._settled = SettledImports()
        self._revision = 0
        """How often what lies on a desk has changed, or was settled: whoever waited looks whether it did."""
        self._mistakes: dict[str, tuple[AnyText, ...]] = {}
        """What is wrong with each project's file, as it was told last."""
        self._surveyor = ContextReader(cache)

    async def on_event(self, context: Context, session: SessionView, event: Event) -> None:
        """Gathers a batch, then advises on it; what comes meanwhile is looked at together, afterwards."""
        imported = read_event(event)
        desk = self._desk(session)
        desk.gathering.update({asset.path: asset for asset in textures(imported.assets)})
        if imported.more and len(desk.gathering) < MAX_GATHERED:
            return
        desk.waiting.update(desk.gathering)
        desk.gathering.clear()
        await self._look_at_waiting(context, session, desk)

    async def _look_at_waiting(self, context: Context, session: SessionView, desk: ImportBatch) -> None:
        if desk.busy:
            desk.relief = context, session
            return
        desk.busy = True
        ruled: list[RuledTextures] = []
        failed = None
        try:
            await self._rounds(context, session, desk, ruled)
        except RequestError as error:
            failed = error
        finally:
            desk.busy, desk.relief = False, None
        # Only now, as an editor that doesn't answer would hold up the project's others.
        for one in ruled:
            try:
                await self._follow(one)
            except RequestError as error:
                failed = error
        if failed is not None:
            raise failed

    async def _rounds(
        self, context: Context, session: SessionView, desk: ImportBatch, ruled: list[RuledTextures]
    ) -> None:
        """Until nothing waits; what rules settle is added to `ruled`. Raises RequestError where no editor
        can be asked, or it can't be known what was settled; what waits then is looked at with the next."""
        while desk.waiting:
            assets = list(desk.waiting.values())
            desk.waiting.clear()
            try:
                parts = await self._advise(context, session, desk, assets)
            except RequestError as error:
                # Whoever comes next looks at them, too.
                desk.waiting = {asset.path: asset for asset in assets} | desk.waiting
                if desk.relief is None:
                    raise
                log.warning("another editor of the project goes on: %s", error)
                (context, session), desk.relief = desk.relief, None
            else:
                ruled += [RuledTextures(context, session, parts)] if parts else []

    async def _follow(self, ruled: RuledTextures) -> None:
        context, session, parts = ruled.context, ruled.session, ruled.parts
        applied = await apply(context, session, parts, await summarize(parts), FOLLOWED)
        await self._keep(context, session, parts, applied)

    async def on_answer(
        self, context: Context, session: SessionView, popup: Popup, state: Any, answer: Answer
    ) -> None:
        """Applies, remembers or undoes. Repeats the same steps for the same answer, after a restart too."""
        if popup.kind == "texture.applied":
            if answer.action == "undo":
                await undo(context, session, msgspec.convert(state, Applied))
            return
        if popup.kind != KIND:
            return
        advice = msgspec.convert(state, Advice)
        desk = self._desk(session)
        with desk.noting():
            files = desk.settled(popup)
            self._revision += 1
            applies = answer.action in ("apply", "always")
            checked = await check(session, advice) if applies else StalenessCheck()
            found = await summarize(Without(advice, checked.paths))
            if answer.state != "undeliverable":
                # What can't be set then is asked about by the next daemon again.
                await self._note(context, session, found.marks, keep=not applies)
        await release(files)
        if applies:
            await self._apply(context, session, advice, checked, found, always=answer.action == "always")

    async def _apply(
        self,
        context: Context,
        session: SessionView,
        advice: Advice,
        checked: StalenessCheck,
        found: AdviceSummary,
        *,
        always: bool,
    ) -> None:
        """Of `advice` what `checked` leaves, which comes to `found`; what has changed is looked at again."""
        refused = ""
        if always:
            # What has changed lies in these folders all the same.
            refused = await remember(context, session, await summarize(advice) if checked.paths else found)
        rule, left = KEPT if always and not refused else "", skipped_files(checked, session.locale)
        applied = await apply(context, session, advice, found, rule, left)
        await self._keep(context, session, Without(advice, checked.paths), applied)
        if refused:
            # After these, so that they are the same steps if this answer is acted on once more.
            await context.popup(session, trouble_popup("rule_refused", [refused], session.locale), {})
        await self._look_again(context, session, checked)

    async def _look_again(self, context: Context, session: SessionView, checked: StalenessCheck) -> None:
        """At what isn't any more what was asked about; its editor reports what can't be read here."""
        desk = self._desk(session)
        desk.waiting.update({path: asset for path, asset in checked.changed.items() if asset is not None})
        await self._look_at_waiting(context.beside(), session, desk)

    async def _advise(
        self, context: Context, session: SessionView, desk: ImportBatch, assets: Sequence[Asset]
    ) -> Sequence[Sequence[FileAdvice]]:
        """Asks about what was found; gives what rules settle, in parts."""
        if session.root is None or session.adapter is None or session.version is None:
            return ()
        await self._recall(context, session, desk)
        agreed = await self._agreed(context, session, session.root)
        wanted = [asset for asset in assets if not agreed.textures.ignores(asset.file, asset.path)]
        max_size = int(context.settings["textures.max_size"])
        around = await self._surveyor.look(session, wanted, agreed, max_size)
        looked = await examine_all(context, session, wanted, around)
        asked = [look.asked for look in looked if look.asked]
        said = await self._settled.of(context, session)
        ruled: list[FileAdvice] = []
        async for part in interleave(split_advice([look.ruled for look in looked if look.ruled])):
            ruled += [file for file in part if not file.marks() <= said]
        await self._ask(context, session, desk, assets, asked)
        parts = list(split_advice(sort_advice(ruled)))
        await self._note(context, session, (await summarize(parts)).marks, keep=False)
        return parts

    async def _recall(self, context: Context, session: SessionView, desk: ImportBatch) -> None:
        """Finds what an earlier run of the daemon has asked: a second popup would ask for the same."""
        while not desk.is_recalled:
            revision = self._revision
            shown = await context.open_popups(session)
            asking = [(popup, state) for popup, state in shown if popup.kind == KIND and popup.dedupe]
            files: dict[str, FileAdvice] = {}
            async for part in interleave(msgspec.convert(asking[-1][1], Advice) if asking else ()):
                files |= {file.path: file for file in part}
            # One that was answered meanwhile isn't open any more.
            if self._revision == revision:
                desk.is_recalled = True
                if asking:
                    desk.recall(asking[-1][0], files)

    async def _agreed(self, context: Context, session: SessionView, root: Path) -> ProjectFile:
        """What the project's file says; a mistake in it is told once, and then it says nothing."""
        try:
            agreed = await agreed_settings(root)
        except UserError as error:
            await self._tell(context, session, "project_file", [error.text])
            return ProjectFile()
        await self._tell(context, session, "passed_over", ignored_code_notices(root, agreed))
        return agreed

    async def _tell(
        self, context: Context, session: SessionView, title: str, said: Sequence[AnyText]
    ) -> None:
        """What is wrong with the project's file, if anything is, unless that was told last."""
        if not said:
            self._mistakes.pop(session.project, None)
        elif self._mistakes.get(session.project) != (said := tuple(said)):
            self._mistakes[session.project] = said
            await context.popup(session, trouble_popup(title, said, session.locale), {})

    async def _ask(
        self,
        context: Context,
        session: SessionView,
        desk: ImportBatch,
        assets: Sequence[Asset],
        found: Sequence[FileAdvice],
    ) -> None:
        """Shows what was found together with what the open popup still asks about other files."""
        # A copy of what lies on the desk, as it may be cleared meanwhile.
        said = await self._settled.of(context, session)
        first = await asyncio.to_thread(unsettled_advice, found, dict(desk.files), said)
        found = await with_preview(context, session, first)
        made = await self._drafted(context, session, desk, {asset.path for asset in assets}, found)
        if made.popup is not None:
            await self._show(context, session, desk, made, made.popup)
        elif made.news:
            popup_id = desk.popup_id
            files = desk.close()
            if popup_id is not None:
                await context.close_popup(session, popup_id)
            await release(files)

    async def _drafted(
        self,
        context: Context,
        session: SessionView,
        desk: ImportBatch,
        looked_at: Set[str],
        found: Sequence[FileAdvice],
    ) -> PopupDraft:
        """The next popup, made once more where something was answered meanwhile: it would ask that again."""
        while True:
            await desk.noted.wait()
            said = await self._settled.of(context, session)
            revision = self._revision
            made = await asyncio.to_thread(
                draft_popup, found, dict(desk.files), said, looked_at, session.locale
            )
            if self._revision == revision:
                return made

    async def _show(
        self, context: Context, session: SessionView, desk: ImportBatch, made: PopupDraft, popup: Popup
    ) -> None:
        popup = msgspec.structs.replace(popup, dedupe=desk.open(made.files))
        try:
            popup_id = await context.popup(session, popup, made.advice)
        except BaseException:
            # Nobody saw it: the next import asks once more.
            desk.close()
            raise
        await self._note(context, session, made.once)
        if desk.dedupe == popup.dedupe:
            desk.popup_id = popup_id

    def _desk(self, session: SessionView) -> ImportBatch:
        # Editors that share their popups share what is asked, too.
        place = session.workspace or session.id
        if place not in self._desks and len(self._desks) >= MAX_DESKS:
            idle = next((key for key, desk in self._desks.items() if desk.is_idle), None)
            if idle is not None:
                del self._desks[idle]
        return self._desks.setdefault(place, ImportBatch())

    async def _note(
        self, context: Context, session: SessionView, marks: Set[Mark], *, keep: bool = True
    ) -> None:
        self._revision += 1
        await self._settled.add(context, session, marks, keep=keep)
        self._revision += 1

    async def _keep(self, context: Context, session: SessionView, parts: Parts, applied: Set[str]) -> None:
        """Of these files those that were `applied` are settled for later daemons, too, and those of which
        there was only something to tell."""
        marks: set[Mark] = set()
        async for files in interleave(parts):
            marks.update(*(file.marks() for file in files if file.path in applied or not file.options))
        await self._note(context, session, marks)


@hookimpl
def popbridge_advisors() -> list[Advisor]:
    """The import advisor."""
    return [TextureImportAdvisor(Paths.find().cache)]
