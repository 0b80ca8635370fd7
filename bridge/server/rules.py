"""Rules of projects, stored in popbridge.toml or, for a project on another machine, in the database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlite_utils import Database

from accel.text import AnyText, sentences
from bridge.api import SessionView
from bridge.core import errors
from bridge.core.errors import RequestError, UserError
from bridge.project import config
from bridge.store.receipts import RuleStore
from bridge.store.store import Store

log = logging.getLogger(__name__)

PendingRule = tuple[str, str, "asyncio.Future[None]"]
"""A folder, a finding and the caller's future."""
Rules = Mapping[str, Sequence[str]]
"""Codes of findings by project folder; `""` is the root."""


class ProjectRules:
    """Reads and adds the rules of all projects."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[Path, list[PendingRule]] = {}
        """Rules to be written next, by project root."""
        self._writers: dict[Path, asyncio.Task[None]] = {}
        self._logged: dict[tuple[str, str], str] = {}
        """The last problem logged, by project and place."""

    async def of(self, session: SessionView) -> Rules:
        """Returns the project's rules, or none if its file is invalid, which is logged once."""
        if session.root is None:
            return await self._stored(session)
        try:
            remaining, problem = await self._move_to_file(session, session.root)
            found = await asyncio.to_thread(config.read, session.root)
        except UserError as error:
            self._log_once(session, "file", str(error))
            return {}
        self._log_once(session, "file", problem)
        self._log_once(session, "codes", str(sentences(config.ignored_code_notices(session.root, found))))
        return _merge(found.rules(), remaining)

    async def add(self, session: SessionView, folder: str, finding: str) -> None:
        """Adds a rule. Raises RequestError for an invalid rule or a file that can't be read or written."""
        # Check it before it is written with others, because later errors affect all of them.
        where = session.root / config.NAME if session.root else session.project_name or session.project
        if problem := _rule_problem(where, folder, finding):
            raise RequestError(errors.BAD_INPUT, message=problem)
        if session.root is None:
            await self._store.write(lambda db: RuleStore(db).add(session.project, folder, finding))
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(session.root, []).append((folder, finding, future))
        if session.root not in self._writers:
            self._writers[session.root] = asyncio.create_task(self._write(session.root))
        await future

    async def remove(self, session: SessionView, rules: Rules) -> None:
        """Removes rules; those that no longer exist are skipped. Raises RequestError like `add`."""
        if session.root is None:
            await self._store.write(lambda db: RuleStore(db).forget(session.project, rules))
            return
        try:
            await asyncio.to_thread(config.remove_rules, session.root, rules)
        except UserError as error:
            raise RequestError(errors.BAD_INPUT, message=error.text) from None

    async def _write(self, root: Path) -> None:
        """Writes all pending rules of a project at once, because each write rewrites the whole file."""
        try:
            while pending := self._waiting.pop(root, []):
                await _add(root, pending)
        finally:
            del self._writers[root]

    async def _move_to_file(self, session: SessionView, root: Path) -> tuple[Rules, str]:
        """Moves rules from the database to the file. Returns those that can't be written now, and the error.

        Rules that would be invalid in the file stay in the database.
        """
        rules = self._movable(session, await self._stored(session))
        if not rules:
            return {}, ""
        try:
            await asyncio.to_thread(config.add_rules, root, rules)
        except UserError as error:
            return rules, str(error)
        await self._store.write(lambda db: RuleStore(db).forget(session.project, rules))
        log.warning("the rules of %s were moved to %s", session.project_name, root / config.NAME)
        return {}, ""

    def _movable(self, session: SessionView, stored: Rules) -> dict[str, list[str]]:
        """Returns the rules that are valid in a file, and logs the others."""
        name = session.project_name or session.project
        where = f"{self._store.path}: the rules of the project {name}"
        wrong = {
            (folder, code): problem
            for folder, codes in stored.items()
            for code in codes
            if (problem := _rule_problem(where, folder, code))
        }
        first = next(iter(wrong.values()), "")
        problem_text = f"{first} {len(wrong)} such rules stay there without effect." if wrong else ""
        self._log_once(session, "database", problem_text)
        movable = {f: [code for code in codes if (f, code) not in wrong] for f, codes in stored.items()}
        return {folder: codes for folder, codes in movable.items() if codes}

    async def _stored(self, session: SessionView) -> dict[str, list[str]]:
        return await self._store.read(lambda connection: RuleStore(Database(connection)).of(session.project))

    def _log_once(self, session: SessionView, where: str, what: str) -> None:
        """Logs a problem unless it is the last one logged. An empty problem resets this."""
        key = session.project, where
        if not what:
            self._logged.pop(key, None)
        elif self._logged.get(key) != what:
            self._logged[key] = what
            log.warning("%s", what)


def _rule_problem(where: object, folder: str, finding: str) -> AnyText:
    """Returns why a rule is invalid, or an empty text."""
    try:
        config.check_rule(where, folder, finding)
    except UserError as error:
        return error.text
    return ""


async def _add(root: Path, pending: Sequence[PendingRule]) -> None:
    """Writes pending rules and completes their futures."""
    error = await _try_add(root, pending)
    if error is None or isinstance(error, UserError) or len(pending) == 1:
        for rule in pending:
            _settle(rule, error)
        return
    # A rule that can't be written must not fail the others.
    for rule in pending:
        _settle(rule, await _try_add(root, [rule]))


async def _try_add(root: Path, pending: Sequence[PendingRule]) -> Exception | None:
    """Writes rules; returns the error, or None."""
    rules: dict[str, list[str]] = {}
    for folder, finding, _ in pending:
        rules.setdefault(folder, []).append(finding)
    try:
        await asyncio.to_thread(config.add_rules, root, rules)
    # Callers get any error.
    except Exception as error:
        return error
    return None


def _settle(rule: PendingRule, error: Exception | None) -> None:
    _, _, future = rule
    if future.done():
        return
    if error is None:
        future.set_result(None)
    elif isinstance(error, UserError):
        # Create a new error for each caller, because raising changes it.
        future.set_exception(RequestError(errors.BAD_INPUT, message=error.text))
    else:
        future.set_exception(error)


def _merge(one: Rules, other: Rules) -> Rules:
    folders = dict.fromkeys((*one, *other))
    return {folder: [*one.get(folder, ()), *other.get(folder, ())] for folder in folders}
