"""The import advisor's flow: textures come in, one popup asks, commands go out, a toast offers to undo."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from accel.text import AnyText
from bridge.advisors.advice import Applied, Asset, FileAdvice, Mark, in_order
from bridge.advisors.import_apply import apply, left_alone, remember, undo
from bridge.advisors.import_around import Surveyor, agreed_in
from bridge.advisors.import_check import Checked, Without, check
from bridge.advisors.import_desk import Desk
from bridge.advisors.import_draft import Draft, draft, unsettled
from bridge.advisors.import_look import look_at_all, read_event, textures, with_preview
from bridge.advisors.import_parts import Advice, Gist, Parts, gist, in_turns, let_go, parted
from bridge.advisors.import_popups import FOLLOWED, KEPT, KIND, trouble_popup
from bridge.advisors.import_settled import Settled
from bridge.api import Advisor, Answer, Context, Event, Popup, RequestError, SessionView, UserError
from bridge.projectfile import ProjectFile, passed_over

log = logging.getLogger(__name__)

MAX_GATHERED = 100_000
MAX_DESKS = 64


class Ruled(Struct, frozen=True):
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
        self._desks: dict[str, Desk] = {}
        self._settled = Settled()
        self._revision = 0
        """How often what lies on a desk has changed, or was settled: whoever waited looks whether it did."""
        self._mistakes: dict[str, tuple[AnyText, ...]] = {}
        """What is wrong with each project's file, as it was told last."""
        self._surveyor = Surveyor(cache)

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

    async def _look_at_waiting(self, context: Context, session: SessionView, desk: Desk) -> None:
        if desk.busy:
            desk.relief = context, session
            return
        desk.busy = True
        ruled: list[Ruled] = []
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

    async def _rounds(self, context: Context, session: SessionView, desk: Desk, ruled: list[Ruled]) -> None:
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
                ruled += [Ruled(context, session, parts)] if parts else []

    async def _follow(self, ruled: Ruled) -> None:
        context, session, parts = ruled.context, ruled.session, ruled.parts
        applied = await apply(context, session, parts, await gist(parts), FOLLOWED)
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
            checked = await check(session, advice) if applies else Checked()
            found = await gist(Without(advice, checked.paths))
            if answer.state != "undeliverable":
                # What can't be set then is asked about by the next daemon again.
                await self._note(context, session, found.marks, keep=not applies)
        await let_go(files)
        if applies:
            await self._apply(context, session, advice, checked, found, always=answer.action == "always")

    async def _apply(
        self,
        context: Context,
        session: SessionView,
        advice: Advice,
        checked: Checked,
        found: Gist,
        *,
        always: bool,
    ) -> None:
        """Of `advice` what `checked` leaves, which comes to `found`; what has changed is looked at again."""
        refused = ""
        if always:
            # What has changed lies in these folders all the same.
            refused = await remember(context, session, await gist(advice) if checked.paths else found)
        rule, left = KEPT if always and not refused else "", left_alone(checked, session.locale)
        applied = await apply(context, session, advice, found, rule, left)
        await self._keep(context, session, Without(advice, checked.paths), applied)
        if refused:
            # After these, so that they are the same steps if this answer is acted on once more.
            await context.popup(session, trouble_popup("rule_refused", [refused], session.locale), {})
        await self._look_again(context, session, checked)

    async def _look_again(self, context: Context, session: SessionView, checked: Checked) -> None:
        """At what isn't any more what was asked about; its editor reports what can't be read here."""
        desk = self._desk(session)
        desk.waiting.update({path: asset for path, asset in checked.changed.items() if asset is not None})
        await self._look_at_waiting(context.beside(), session, desk)

    async def _advise(
        self, context: Context, session: SessionView, desk: Desk, assets: Sequence[Asset]
    ) -> Sequence[Sequence[FileAdvice]]:
        """Asks about what was found; gives what rules settle, in parts."""
        if session.root is None or session.adapter is None or session.version is None:
            return ()
        await self._recall(context, session, desk)
        agreed = await self._agreed(context, session, session.root)
        wanted = [asset for asset in assets if not agreed.textures.ignores(asset.file, asset.path)]
        max_size = int(context.settings["textures.max_size"])
        around = await self._surveyor.look(session, wanted, agreed, max_size)
        looked = await look_at_all(context, session, wanted, around)
        asked = [look.asked for look in looked if look.asked]
        said = await self._settled.of(context, session)
        ruled: list[FileAdvice] = []
        async for part in in_turns(parted([look.ruled for look in looked if look.ruled])):
            ruled += [file for file in part if not file.marks() <= said]
        await self._ask(context, session, desk, assets, asked)
        parts = list(parted(in_order(ruled)))
        await self._note(context, session, (await gist(parts)).marks, keep=False)
        return parts

    async def _recall(self, context: Context, session: SessionView, desk: Desk) -> None:
        """Finds what an earlier run of the daemon has asked: a second popup would ask for the same."""
        while not desk.is_recalled:
            revision = self._revision
            shown = await context.open_popups(session)
            asking = [(popup, state) for popup, state in shown if popup.kind == KIND and popup.dedupe]
            files: dict[str, FileAdvice] = {}
            async for part in in_turns(msgspec.convert(asking[-1][1], Advice) if asking else ()):
                files |= {file.path: file for file in part}
            # One that was answered meanwhile isn't open any more.
            if self._revision == revision:
                desk.is_recalled = True
                if asking:
                    desk.recall(asking[-1][0], files)

    async def _agreed(self, context: Context, session: SessionView, root: Path) -> ProjectFile:
        """What the project's file says; a mistake in it is told once, and then it says nothing."""
        try:
            agreed = await agreed_in(root)
        except UserError as error:
            await self._tell(context, session, "project_file", [error.text])
            return ProjectFile()
        await self._tell(context, session, "passed_over", passed_over(root, agreed))
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
        desk: Desk,
        assets: Sequence[Asset],
        found: Sequence[FileAdvice],
    ) -> None:
        """Shows what was found together with what the open popup still asks about other files."""
        # A copy of what lies on the desk, as it may be cleared meanwhile.
        said = await self._settled.of(context, session)
        first = await asyncio.to_thread(unsettled, found, dict(desk.files), said)
        found = await with_preview(context, session, first)
        made = await self._drafted(context, session, desk, {asset.path for asset in assets}, found)
        if made.popup is not None:
            await self._show(context, session, desk, made, made.popup)
        elif made.news:
            popup_id = desk.popup_id
            files = desk.close()
            if popup_id is not None:
                await context.close_popup(session, popup_id)
            await let_go(files)

    async def _drafted(
        self,
        context: Context,
        session: SessionView,
        desk: Desk,
        looked_at: Set[str],
        found: Sequence[FileAdvice],
    ) -> Draft:
        """The next popup, made once more where something was answered meanwhile: it would ask that again."""
        while True:
            await desk.noted.wait()
            said = await self._settled.of(context, session)
            revision = self._revision
            made = await asyncio.to_thread(draft, found, dict(desk.files), said, looked_at, session.locale)
            if self._revision == revision:
                return made

    async def _show(
        self, context: Context, session: SessionView, desk: Desk, made: Draft, popup: Popup
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

    def _desk(self, session: SessionView) -> Desk:
        # Editors that share their popups share what is asked, too.
        place = session.workspace or session.id
        if place not in self._desks and len(self._desks) >= MAX_DESKS:
            idle = next((key for key, desk in self._desks.items() if desk.is_idle), None)
            if idle is not None:
                del self._desks[idle]
        return self._desks.setdefault(place, Desk())

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
        async for files in in_turns(parts):
            marks.update(*(file.marks() for file in files if file.path in applied or not file.options))
        await self._note(context, session, marks)
