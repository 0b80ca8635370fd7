"""What people want always: in the project's own file, or here for a project on another machine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlite_utils import Database

from accel.text import sentences
from bridge.api import SessionView
from bridge.core import errors
from bridge.core.errors import RequestError, UserError
from bridge.project import config
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
        self._told: dict[tuple[str, str], str] = {}
        """What is wrong, by project and where, as it was logged last."""

    async def of(self, session: SessionView) -> Rules:
        """The project's rules; none while its file has a mistake, which is logged once."""
        if session.root is None:
            return await self._kept(session)
        try:
            kept, problem = await self._moved(session, session.root)
            found = await asyncio.to_thread(config.read, session.root)
        except UserError as error:
            self._tell(session, "file", str(error))
            return {}
        self._tell(session, "file", problem)
        self._tell(session, "codes", str(sentences(config.ignored_code_notices(session.root, found))))
        return _together(found.rules(), kept)

    async def add(self, session: SessionView, folder: str, finding: str) -> None:
        """Raises RequestError where there can be no such rule, or its file can't be read or written."""
        # Before it waits with others, as whatever else is wrong is the file's, and concerns them all.
        where = session.root / config.NAME if session.root else session.project_name or session.project
        if problem := _mistake(where, folder, finding):
            raise RequestError(errors.BAD_INPUT, message=problem)
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

    async def _moved(self, session: SessionView, root: Path) -> tuple[Rules, str]:
        """Rules from before there was a file for them go there, once; gives those that the file can't have
        now, and why not. What it never can have stays where it is."""
        kept = self._movable(session, await self._kept(session))
        if not kept:
            return {}, ""
        try:
            await asyncio.to_thread(config.add_rules, root, kept)
        except UserError as error:
            return kept, str(error)
        await self._store.write(lambda db: RuleStore(db).forget(session.project, kept))
        log.warning("%s: its rules are now in %s", session.project_name, root / config.NAME)
        return {}, ""

    def _movable(self, session: SessionView, kept: Rules) -> dict[str, list[str]]:
        """Those that a file can have; of the others it is told where they are."""
        name = session.project_name or session.project
        where = f"{self._store.path}: the rules of the project {name}"
        wrong = {
            (folder, code): problem
            for folder, codes in kept.items()
            for code in codes
            if (problem := _mistake(where, folder, code))
        }
        first = next(iter(wrong.values()), "")
        told = f"{first} So {len(wrong)} of them stay there, and settle nothing." if wrong else ""
        self._tell(session, "database", told)
        movable = {f: [code for code in codes if (f, code) not in wrong] for f, codes in kept.items()}
        return {folder: codes for folder, codes in movable.items() if codes}

    async def _kept(self, session: SessionView) -> dict[str, list[str]]:
        return await self._store.read(lambda connection: RuleStore(Database(connection)).of(session.project))

    def _tell(self, session: SessionView, where: str, what: str) -> None:
        """Logs what is wrong there, if anything is, and wasn't already."""
        key = session.project, where
        if not what:
            self._told.pop(key, None)
        elif self._told.get(key) != what:
            self._told[key] = what
            log.warning("%s", what)


def _mistake(where: object, folder: str, finding: str) -> str:
    """Why there can be no such rule; empty where there can."""
    try:
        config.check_rule(where, folder, finding)
    except UserError as error:
        return str(error)
    return ""


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
        await asyncio.to_thread(config.add_rules, root, rules)
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
