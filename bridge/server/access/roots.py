"""Asks the user in the editor whether PopBridge may read a project, and knows which projects it may read."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakSet

from msgspec import UNSET, Struct
from msgspec.structs import replace
from sqlite_utils import Database

from accel.text import AnyText, text
from bridge.api import Advisor, Context, SessionView
from bridge.core import auth
from bridge.core.access import LOCAL_ID
from bridge.core.errors import RequestError, StoreError
from bridge.core.messages import Action, Answer, Event, Identify, Popup
from bridge.core.text import printable
from bridge.host.host import ROOTS
from bridge.locale import translate
from bridge.paths import Paths, quoted
from bridge.server.live_session import LiveSession, owner_of
from bridge.server.sessions import Sessions
from bridge.store.audit_log import AuditLog
from bridge.store.roots import RootStore, is_covered, resolved_root, root_refusal
from bridge.store.store import Store

log = logging.getLogger(__name__)

KIND = "project.allow"
ALLOW, NOT_NOW = "allow", "not_now"

TITLE = text("Allow PopBridge to read this project?")
BODY = text(
    "{root}\n\nPopBridge then reads the images and import settings in this folder, to check them. "
    "`popbridge roots list` shows the folders that you have allowed."
)
WAITS = text("Imports aren't checked yet: allow PopBridge to read {root}, in its popup or with `{command}`.")
REFUSED = text(
    "Imports aren't checked: PopBridge never reads all of {root}, because {reason}. Move the project to a "
    "folder of its own."
)
OF_ANOTHER = text("Imports aren't checked: PopBridge may not read {root}. Run `{command}` on its machine.")


class Admission(Struct, frozen=True):
    """What a client may do with the folder that it names as its project's."""

    identify: Identify
    """Without the folder, unless it may be read."""
    unregistered: str = ""
    """The folder, if the user can be asked in this editor."""
    notice: AnyText = ""
    """Why imports aren't checked, for the editor."""


class ProjectRoots(Advisor):
    """The advisor that asks; its own popups are about nothing else."""

    name = ROOTS

    def __init__(
        self, store: Store, paths: Paths, roots: Collection[str], sessions: Sessions, audit: AuditLog
    ) -> None:
        """`roots` are folders that the user has registered for this run of the daemon."""
        self._store = store
        self._data = paths.own_folders
        self._sessions = sessions
        self._audit = audit
        self._of_run = [found for root in roots if (found := self._usable(root))]
        self._stored: dict[str, list[str]] = {}
        """The registered folders of each owner, as last read."""
        self._waiting: WeakSet[LiveSession] = WeakSet()
        """Sessions whose projects aren't registered yet."""
        self.on_allowed: Callable[[LiveSession], Awaitable[None]]
        """Called for each session whose project may be read from now on."""

    def _usable(self, root: str) -> str:
        found = resolved_root(Path(root).expanduser())
        if reason := root_refusal(found, self._data):
            log.warning("the setting `roots` names %s, which is ignored: %s", root, reason)
            return ""
        return found

    async def admit(self, identify: Identify) -> Admission:
        """Decides about the folder that a client on this machine names."""
        root = identify.project.root if identify.project else UNSET
        if not identify.project or not isinstance(root, str):
            return Admission(identify)
        # A network drive may not answer for a while.
        owner = owner_of(identify)
        found, refusal = await asyncio.to_thread(self._examine, root)
        without = replace(identify, project=replace(identify.project, root=UNSET))
        if refusal:
            return Admission(without, notice=REFUSED.fill(root=root, reason=refusal))
        if await self._is_registered(found, owner):
            # Later changes of links lead nowhere else. Clients on Windows name files as below their own root,
            # which `realpath` may put on another drive.
            known = root if sys.platform == "win32" else found
            return Admission(replace(identify, project=replace(identify.project, root=known)))
        command = f"popbridge roots add {quoted(Path(found))}"
        if identify.client.kind != "editor" or owner != LOCAL_ID:
            # Whoever has a token of their own must not answer for the user of this machine.
            return Admission(without, notice=OF_ANOTHER.fill(root=root, command=command))
        return Admission(without, unregistered=root, notice=WAITS.fill(root=root, command=command))

    async def may_read(self, root: str, owner: str) -> bool:
        """Whether clients of `owner` may read a project in this folder."""
        found, refusal = await asyncio.to_thread(self._examine, root)
        return not refusal and await self._is_registered(found, owner)

    def _examine(self, root: str) -> tuple[str, AnyText]:
        try:
            found = resolved_root(root)
        except (OSError, ValueError):
            return "", text("it isn't a valid path")
        return found, root_refusal(found, self._data)

    async def _is_registered(self, root: str, owner: str) -> bool:
        if owner == LOCAL_ID and is_covered(root, self._of_run):
            return True
        # Read each time: `popbridge install` and `popbridge roots` write it while the daemon runs.
        with contextlib.suppress(StoreError):
            self._stored[owner] = await self._store.read(
                lambda connection: RootStore(Database(connection)).paths(owner)
            )
        return is_covered(root, self._stored.get(owner, ()))

    def awaits(self, live: LiveSession, root: str) -> None:
        """Records which folder the user hasn't let PopBridge read; empty for none."""
        live.unregistered_root = root
        if root:
            self._waiting.add(live)
        else:
            self._waiting.discard(live)

    @property
    def is_waiting(self) -> bool:
        """Whether any project isn't registered yet."""
        return bool(self._waiting)

    async def look_again(self) -> None:
        """Allows what was registered in a terminal meanwhile."""
        for live in tuple(self._waiting):
            if live.ended or not live.unregistered_root:
                self._waiting.discard(live)
            elif await self.may_read(live.unregistered_root, live.owner):
                await self._allow(live)

    def question(self, live: LiveSession) -> Popup | None:
        """Returns the popup to ask with in this editor; None if there is nothing to ask or it was asked."""
        root = live.unregistered_root
        if not root or root == live.asked_root or not live.is_editor:
            return None
        live.asked_root = root
        dedupe = f"{ROOTS}:{auth.digest(root)}"
        if any(popup.dedupe == dedupe for popup in live.session.popups):
            return None
        locale = live.view.locale
        return Popup(
            id=0,
            kind=KIND,
            title=translate(TITLE, locale),
            body=translate(BODY.fill(root=_code(root)), locale),
            dedupe=dedupe,
            actions=[
                Action(id=ALLOW, label=translate(text("Allow"), locale), style="primary"),
                Action(id=NOT_NOW, label=translate(text("Not now"), locale)),
            ],
        )

    def questions(self, live: LiveSession) -> list[int]:
        """Returns the popups that ask in this editor."""
        return [popup.id for popup in live.session.popups if str(popup.dedupe).startswith(f"{ROOTS}:")]

    async def on_answer(
        self, context: Context, session: SessionView, popup: Popup, state: Any, answer: Answer
    ) -> None:
        live, root = self._sessions.by_id.get(session.id), str(state["root"])
        if answer.action != ALLOW:
            if live is not None and live.unregistered_root == root and answer.state != "undeliverable":
                live.declined_root = root
                live.take_held_events()
            return
        owner = LOCAL_ID if live is None else live.owner
        found, refusal = await asyncio.to_thread(self._examine, root)
        if refusal:
            log.warning("%s isn't registered: %s", root, refusal)
            return
        try:
            await self._audit.record("root.register", principal=owner, session=session.id, subject=found)
        except RequestError as error:
            await context.popup(session, _failure(error, session.locale), {"root": ""}, textures=())
            raise
        await self._store.insist(
            lambda: self._store.write(lambda db: RootStore(db).add(found, "editor", owner))
        )
        log.info("session %s: the user lets PopBridge read %s", session.id, found)
        await self.look_again()

    async def _allow(self, live: LiveSession) -> None:
        root, project = live.unregistered_root, live.identify.project
        found, _ = await asyncio.to_thread(self._examine, root)
        # It may have identified anew meanwhile.
        if live.ended or not root or live.unregistered_root != root or not project:
            return
        self.awaits(live, "")
        known = root if sys.platform == "win32" else found
        self._sessions.allowed(live, replace(live.identify, project=replace(project, root=known)))
        await self.on_allowed(live)

    async def on_event(self, context: Context, session: SessionView, event: Event) -> None:
        raise AssertionError("has no events")

    async def on_ask(
        self, context: Context, session: SessionView, name: str, params: Mapping[str, Any]
    ) -> Any:
        raise AssertionError("has no questions")


def _failure(error: RequestError, locale: str) -> Popup:
    return Popup(
        id=0,
        kind=KIND,
        title=translate(text("PopBridge still can't read this project"), locale),
        body=translate(error.text, locale),
        actions=[Action(id=NOT_NOW, label=translate(text("OK"), locale))],
    )


def _code(path: str) -> str:
    """Returns the whole of a path as a code span: a folder may be called `[click](http://...)`."""
    return f"`{printable(path).replace('`', chr(39))}`"
