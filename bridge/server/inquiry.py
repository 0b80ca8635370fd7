"""One request to a workload on its way: what its result is kept under, found, made, kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from accel.watch import Watch
from bridge.server.contents import Contents, Look
from bridge.server.execution import Ask, Response
from bridge.server.questions import Question, Questions
from bridge.server.shelf import Shelf

NO_DEADLINE_S = 7 * 86_400.0
"""What is under way for several ends when the last of them has gone, by their own deadlines."""
PAUSE_S = 0.02
"""The answer goes out first: reading its files again takes a core from it."""

Run = Callable[[Ask, Watch | None], Awaitable[Response]]
"""Has a workload run. Raises WorkloadError."""


class Inquiry(Struct):
    """A request, with its inputs as they were when it came."""

    ask: Ask
    looks: list[Look]
    questions: Questions
    shelf: Shelf
    contents: Contents
    run: Run
    question: Question | None = None
    read: list[bytes] | None = None
    """The digests of the inputs that were read before it ran."""

    def pose(self) -> bool:
        """Makes the question; False for what can't be told from others. Raises WorkloadError `bad_params`."""
        ask = self.ask
        self.question = self.question or self.questions.ask(ask.workload, ask.params, ask.inputs)
        return self.question is not None

    @property
    def settled(self) -> bool:
        """Whether stamps tell what is in each of the inputs."""
        return all(look.settled for look in self.looks)

    async def certain(self) -> bool:
        """Reads the inputs where a file has just changed, of which stamps can't tell what is in it now. False
        where it changes meanwhile."""
        if not self.settled:
            self.read = await self._digests(self.ask.priority)
            return self.read is not None
        return True

    @property
    def identity(self) -> bytes:
        """What may share one run: the same question about the same files."""
        return self._about(self.read or [look.identity for look in self.looks])

    @property
    def key(self) -> bytes | None:
        """What its response is kept under; None where inputs have to be read to know."""
        known = self.read or [look.digest for look in self.looks if look.digest is not None]
        return self._about(known) if len(known) == len(self.looks) else None

    @property
    def outline(self) -> int:
        assert self.question is not None
        return self.question.outline([look.stamp.size for look in self.looks])

    async def answer(self, watch: Watch, priority: str) -> Response:
        """The kept response, or a new one."""
        # Reading takes time that is lost where nothing can be there.
        if self.shelf.responses.may_hold(self.outline):
            self.read = self.read or await self._digests(priority)
            kept = None if self.read is None else await self.shelf.find(self._about(self.read))
            if kept is not None:
                return kept
        return await self.run(replace(self.ask, priority=priority, deadline_s=NO_DEADLINE_S), watch)

    async def keep(self, response: Response) -> None:
        """Keeps a response, where it is sure what it was made of."""
        if response.meta.cached or not self.pose():
            return
        if any(look.digest is None for look in self.looks):
            await asyncio.sleep(PAUSE_S)
        try:
            contents = await self.contents.confirmed(self.looks, self.read)
        except OSError:
            return
        if contents is not None:
            await self.shelf.put(self._about(contents), self.outline, response)

    def _about(self, contents: Sequence[bytes]) -> bytes:
        assert self.question is not None
        return self.question.about(contents)

    async def _digests(self, priority: str) -> list[bytes] | None:
        try:
            return await self.contents.digests(self.looks, priority)
        except OSError:
            return None
