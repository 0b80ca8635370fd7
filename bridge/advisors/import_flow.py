"""The import advisor's flow: textures come in, one popup asks, commands go out, a toast offers to undo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from bridge.advisors.advice import Advice, Applied, Asset, FileAdvice, in_order
from bridge.advisors.import_apply import apply, remember, undo
from bridge.advisors.import_around import Surveyor, agreed_in
from bridge.advisors.import_desk import Desk
from bridge.advisors.import_look import look_at_all, read_event, textures, with_preview
from bridge.advisors.import_popups import advice_popup, trouble_popup
from bridge.api import Advisor, Answer, Context, Event, Popup, SessionView, UserError
from bridge.projectfile import ProjectFile

MAX_GATHERED = 100_000
MAX_DESKS = 64
MAX_MARKS = 100_000

Mark = tuple[str, str, str]


class TextureImportAdvisor(Advisor):
    """Looks at each imported texture and advises where its import settings don't fit it."""

    name = "texture_import"
    events = ("asset.imported",)

    def __init__(self, cache: Path | None = None) -> None:
        """`cache` is the folder in which audits leave what they saw; None does without."""
        self._desks: dict[str, Desk] = {}
        self._said: dict[str, set[Mark]] = {}
        """What was settled in each project, one way or the other: it isn't raised again."""
        self._mistakes: dict[str, str] = {}
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
                await undo(context, session, msgspec.convert(state, Applied))
            return
        if popup.kind != "texture.import":
            return
        advice = msgspec.convert(state, Advice)
        self._desk(session).settled(popup)
        if answer.state != "undeliverable":
            self._note(session, {mark for file in advice.files for mark in file.marks()})
        refused = await remember(context, session, advice.files) if answer.action == "always" else ""
        if answer.action in ("apply", "always"):
            await apply(context, session, advice.files)
        if refused:
            # The last step, so that the others are the same if this answer is acted on once more.
            await context.popup(session, trouble_popup("rule_refused", refused, session.locale), {})

    async def _advise(
        self, context: Context, session: SessionView, desk: Desk, assets: Sequence[Asset]
    ) -> None:
        if session.root is None or session.adapter is None or session.version is None:
            return
        agreed = await self._agreed(context, session, session.root)
        wanted = [asset for asset in assets if not agreed.textures.ignores(asset.file)]
        max_size = int(context.settings["textures.max_size"])
        around = await self._surveyor.look(session, wanted, agreed, max_size)
        looked = await look_at_all(context, session, wanted, around)
        asked = self._unsettled(session, desk, [look.asked for look in looked if look.asked])
        said = self._said.get(session.project, set())
        ruled = [look.ruled for look in looked if look.ruled and not look.ruled.marks() <= said]
        await self._ask(context, session, desk, assets, asked)
        if ruled:
            self._note(session, {mark for file in ruled for mark in file.marks()})
            await apply(context, session, in_order(ruled))

    async def _agreed(self, context: Context, session: SessionView, root: Path) -> ProjectFile:
        """What the project's file says; a mistake in it is told once, and then it says nothing."""
        try:
            agreed = await agreed_in(root)
        except UserError as error:
            if self._mistakes.get(session.project) != str(error):
                self._mistakes[session.project] = str(error)
                await context.popup(session, trouble_popup("project_file", str(error), session.locale), {})
            return ProjectFile()
        self._mistakes.pop(session.project, None)
        return agreed

    async def _ask(
        self,
        context: Context,
        session: SessionView,
        desk: Desk,
        assets: Sequence[Asset],
        found: Sequence[FileAdvice],
    ) -> None:
        """Shows what was found together with what the open popup still asks about other files."""
        found = await with_preview(context, session, in_order(found))
        found = self._unsettled(session, desk, found)
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
        ordered = in_order(files.values())
        popup = advice_popup(ordered, session.locale, desk.open(files))
        try:
            popup_id = await context.popup(session, popup, msgspec.to_builtins(Advice(ordered)))
        except BaseException:
            # Nobody saw it: the next import asks once more.
            desk.close()
            raise
        # Advice that only the author can follow is given once: no setting will ever answer it.
        self._note(session, {m for f in found for m in f.marks() if m[1] == f.content})
        if desk.dedupe == popup.dedupe:
            desk.popup_id = popup_id

    def _unsettled(
        self, session: SessionView, desk: Desk, found: Sequence[FileAdvice]
    ) -> Sequence[FileAdvice]:
        """What of `found` wasn't settled yet, or is asked by the open popup."""
        said = self._said.get(session.project, set())
        return [file for file in found if desk.asks(file) or not file.marks() <= said]

    def _desk(self, session: SessionView) -> Desk:
        if session.id not in self._desks and len(self._desks) >= MAX_DESKS:
            idle = next((key for key, desk in self._desks.items() if not desk.busy), None)
            if idle is not None:
                del self._desks[idle]
        return self._desks.setdefault(session.id, Desk())

    def _note(self, session: SessionView, marks: set[Mark]) -> None:
        said = self._said.setdefault(session.project, set())
        if len(said) > MAX_MARKS:
            said.clear()
        said |= marks
