"""What an advisor can do: the server's side of `bridge.api.Context`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from accel.text import AnyText, text
from accel.workload import Input
from bridge.api import Advisor, RunResult, SessionView
from bridge.core import errors
from bridge.core.errors import RequestError
from bridge.core.messages import Popup
from bridge.server.shelf import copied
from bridge.store.failures import LastingDamage

log = logging.getLogger(__name__)

Value = TypeVar("Value")

if TYPE_CHECKING:
    from bridge.server.flows import Flows
    from bridge.server.live import LiveSession


class AdvisorContext:
    """One advisor's dealings with one session, perhaps in the course of acting on an answer.

    Steps are counted, so that an answer which is acted on again, after the daemon was killed in the
    middle, finds the commands and popups that it made the first time.
    """

    def __init__(
        self,
        flows: Flows,
        advisor: Advisor,
        live: LiveSession,
        parent: int | None = None,
        *,
        patient: bool = True,
    ) -> None:
        """`patient`: where the store can't keep something now, it waits until it can: nobody asks again."""
        self._patient = patient
        self.settings = flows.settings
        self._flows = flows
        self._advisor = advisor
        self._live = live
        self._parent = parent
        self._steps = 0

    async def run(
        self,
        workload: str,
        params: Mapping[str, Any],
        paths: Sequence[Path],
        *,
        names: Sequence[str] = (),
        priority: str = "interactive",
    ) -> RunResult:
        called = list(names) or [path.name for path in paths]
        inputs = [Input(name, str(path)) for name, path in zip(called, paths, strict=True)]
        deadline_ms = self.settings["deadline_ms"]
        with self._live.held():
            response = await self._flows.runner.respond(
                workload, params, inputs, priority=priority, deadline_ms=deadline_ms
            )
        # Others are given the same value, and it may not be kept yet.
        return RunResult(value=copied(response).value, blobs=response.blobs)

    async def popup(self, session: SessionView, popup: Popup, state: Any) -> int:
        step = self._step()
        return await self._kept(lambda: self._flows.show(self._live, self._advisor, popup, state, step))

    async def open_popups(self, session: SessionView) -> Sequence[tuple[Popup, Any]]:
        return await self._kept(lambda: self._flows.opened(self._live, self._advisor))

    async def close_popup(self, session: SessionView, popup_id: int) -> None:
        await self._flows.withdraw(self._live, popup_id)

    async def command(
        self, session: SessionView, name: str, args: Mapping[str, Any], *, note: AnyText
    ) -> int:
        if not isinstance(note, str):
            raise TypeError(text("note is {note}; it must be text", note=format(repr(note), ".80")))
        step = self._step()
        return await self._kept(lambda: self._flows.commands.send(self._live, name, args, note, parent=step))

    async def earlier_command(self) -> int | None:
        step = self._step()
        return None if step is None else await self._kept(lambda: self._flows.commands.earlier(step))

    async def receipt(self, receipt_id: int) -> Mapping[str, Any]:
        # Not held: where the editor doesn't come back, the session's end answers.
        receipt = await self._insist(lambda: self._flows.commands.wait(receipt_id))
        found: Mapping[str, Any] = msgspec.to_builtins(receipt)
        return found

    async def revert(self, receipt_ids: Sequence[int], *, editor: str = "") -> Sequence[int]:
        step = self._step()
        self._steps += len(receipt_ids)
        commands, asking = self._flows.commands, self._live.id
        return await self._kept(
            lambda: commands.revert(receipt_ids, parent=step, editor=editor, asking=asking)
        )

    async def rules(self, session: SessionView) -> Mapping[str, Sequence[str]]:
        return await self._kept(lambda: self._flows.rules.of(session))

    async def add_rule(self, session: SessionView, folder: str, finding: str) -> None:
        await self._kept(lambda: self._flows.rules.add(session, folder, finding))

    def beside(self) -> AdvisorContext:
        return AdvisorContext(self._flows, self._advisor, self._live, patient=self._patient)

    async def note(self, session: SessionView, marks: Collection[bytes]) -> None:
        # Whatever can be iterated over but once would else be empty after the check.
        marks = list(marks)
        if not all(isinstance(mark, bytes) for mark in marks):
            raise TypeError("marks are bytes: text is made so by encode()")
        if marks:
            await self._kept(lambda: self._flows.note(self._advisor, session.project, marks))

    async def noted(self, session: SessionView) -> Set[bytes]:
        return await self._kept(lambda: self._flows.noted(self._advisor, session.project))

    async def _kept(self, do: Callable[[], Awaitable[Value]]) -> Value:
        with self._live.held():
            return await self._insist(do)

    async def _insist(self, do: Callable[[], Awaitable[Value]]) -> Value:
        if not self._patient:
            return await do()
        try:
            return await self._flows.store.insist(do)
        except LastingDamage as error:
            log.error("advisor %s: %s", self._advisor.name, error.reason)
            raise RequestError(errors.STORE_UNAVAILABLE, reason=error.reason) from None

    def _step(self) -> tuple[int, int] | None:
        self._steps += 1
        return None if self._parent is None else (self._parent, self._steps)
