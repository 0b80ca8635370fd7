"""What people want always: in the project's own file, or here for a project on another machine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlite_utils import Database

from bridge import projectfile
from bridge.api import SessionView
from bridge.core import errors
from bridge.core.errors import RequestError, UserError
from bridge.store.receipts import RuleStore
from bridge.store.store import Store

log = logging.getLogger(__name__)

Wish = tuple[str, str, "asyncio.Future[None]"]
"""A folder and a finding that somebody waits to have kept."""
Rules = Mapping[str, Sequence[str]]
"""Codes of findings by folder of the project, `""` for its root."""


class RuleKeeper:
    """The rules of all projects."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[Path, list[Wish]] = {}
        """By project: for the file that is being written, what the next one has in addition."""
        self._writers: dict[Path, asyncio.Task[None]] = {}
        self._told: dict[str, str] = {}
        """What is wrong with a project's file, as it was logged last."""

    async def of(self, session: SessionView) -> Rules:
        """The project's rules; none while its file has a mistake, which is logged once."""
        if session.root is None:
            return await self._kept(session)
        try:
            kept = await self._moved(session, session.root)
            found = await asyncio.to_thread(projectfile.read, session.root)
        except UserError as error:
            self._tell(session.project, str(error))
            return {}
        if not kept:
            self._told.pop(session.project, None)
        return _together(found.rules(), kept)

    async def add(self, session: SessionView, folder: str, finding: str) -> None:
        """Raises RequestError where the project's file can't be read or written."""
        if session.root is None:
            await self._store.write(lambda db: RuleStore(db).add(session.project, folder, finding))
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(session.root, []).append((folder, finding, future))
        if session.root not in self._writers:
            self._writers[session.root] = asyncio.create_task(self._write(session.root))
        await future

    async def _write(self, root: Path) -> None:
        """What is waiting is written together: each time the whole file is read and written anew."""
        try:
            while wishes := self._waiting.pop(root, []):
                await _add(root, wishes)
        finally:
            del self._writers[root]

    async def _moved(self, session: SessionView, root: Path) -> Rules:
        """Rules from before there was a file for them go there, once; gives those that couldn't."""
        kept = await self._kept(session)
        if not kept:
            return {}
        try:
            await asyncio.to_thread(projectfile.add_rules, root, kept)
        except UserError as error:
            self._tell(session.project, str(error))
            return kept
        await self._store.write(lambda db: RuleStore(db).forget(session.project, kept))
        log.warning("%s: its rules are now in %s", session.project_name, root / projectfile.NAME)
        return {}

    async def _kept(self, session: SessionView) -> dict[str, list[str]]:
        return await self._store.read(lambda connection: RuleStore(Database(connection)).of(session.project))

    def _tell(self, project: str, what: str) -> None:
        if self._told.get(project) != what:
            self._told[project] = what
            log.warning("%s", what)


async def _add(root: Path, wishes: Sequence[Wish]) -> None:
    """Tells who waits for these what became of them."""
    error = await _refused(root, wishes)
    if error is None or isinstance(error, UserError) or len(wishes) == 1:
        for wish in wishes:
            _settle(wish, error)
        return
    # One that can't be written, whatever the reason, costs the others nothing.
    for wish in wishes:
        _settle(wish, await _refused(root, [wish]))


async def _refused(root: Path, wishes: Sequence[Wish]) -> Exception | None:
    """Why they couldn't be written; None where they were."""
    rules: dict[str, list[str]] = {}
    for folder, finding, _ in wishes:
        rules.setdefault(folder, []).append(finding)
    try:
        await asyncio.to_thread(projectfile.add_rules, root, rules)
    # Whatever it is, those who wait are told.
    except Exception as error:
        return error
    return None


def _settle(wish: Wish, error: Exception | None) -> None:
    _, _, future = wish
    if future.done():
        return
    if error is None:
        future.set_result(None)
    elif isinstance(error, UserError):
        # One for each, as who raises an error writes into it.
        future.set_exception(RequestError(errors.BAD_INPUT, message=str(error)))
    else:
        future.set_exception(error)


def _together(one: Rules, other: Rules) -> Rules:
    folders = dict.fromkeys((*one, *other))
    return {folder: [*one.get(folder, ()), *other.get(folder, ())] for folder in folders}
