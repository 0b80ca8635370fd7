"""Why the daemon gives no answer: what is said of it to whoever waits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from accel.text import AnyText, Text, text
from bridge.client import Client
from bridge.commands.asking import ask
from bridge.commands.run.lasting import LastingClient, Say
from bridge.core.errors import RequestError, UserError
from bridge.transfer import Progress

log = logging.getLogger(__name__)

QUIET_S = 5.0
"""After this without any answer, and from then on as often, the daemon is asked how it is."""
LOOK_S = 10.0
"""How long it may take to say why."""
FAILING = "popbridge_store_failing"


class Silence:
    """How long nothing has come of what is waited for, and whether that was told."""

    def __init__(self) -> None:
        self.open = 0
        self.is_told = False
        self._since = 0.0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._since

    def begin(self) -> None:
        """One more is waited for."""
        if not self.open:
            self.broken()
        self.open += 1

    def broken(self) -> None:
        """Something came."""
        self._since = time.monotonic()


class Waiting:
    """Says once why nothing comes, or goes, and once that it goes on."""

    def __init__(self, client: LastingClient, connection_file: Path, say: Say) -> None:
        self._client = client
        self._connection_file = connection_file
        self._say = say
        self._answers = Silence()
        self._uploads = Silence()

    @contextlib.contextmanager
    def answer(self) -> Iterator[None]:
        """An answer is waited for meanwhile; it has come where nothing is raised."""
        self._answers.begin()
        try:
            yield
        except RequestError:
            self._answers.broken()
            raise
        else:
            self._heard(self._answers, text("The daemon answers again: going on."))
        finally:
            self._answers.open -= 1

    @contextlib.contextmanager
    def upload(self) -> Iterator[Progress]:
        """Bytes go meanwhile; gives what is told, in any thread, when they begin to and when more have."""
        loop, begun, ended = asyncio.get_running_loop(), False, False

        def moved() -> None:
            nonlocal begun
            if begun and not ended:
                self._heard(self._uploads, text("The daemon takes the upload again: going on."))
            elif not ended:
                begun = True
                self._uploads.begin()

        def tell(position: int) -> None:
            # The thread of an upload that was given up may outlive the loop.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(moved)

        try:
            yield tell
            self._heard(self._uploads, text("The daemon takes the upload again: going on."))
        finally:
            ended = True
            self._uploads.open -= begun

    def refused(self, error: RequestError, left_s: float) -> None:
        """The daemon can't keep a request, which is asked again for up to `left_s` seconds."""
        self._tell(
            self._answers,
            text(
                "The daemon can't keep what it is asked: trying again for up to {seconds} s. It says: {why}",
                seconds=f"{(max(left_s, 0)):.0f}",
                why=error.text,
            ),
        )

    async def watch(self) -> None:
        """Looks, until it is cancelled, why there is no answer, and why nothing goes."""
        while True:
            await asyncio.sleep(QUIET_S)
            for silence in (self._answers, self._uploads):
                try:
                    why = await self._why(silence) if self._is_quiet(silence) else ""
                # What fails in asking costs the run nothing, and may not fail the next time.
                except Exception:
                    log.debug("the daemon can't be asked how it is", exc_info=True)
                    continue
                # An answer may have come meanwhile.
                if why and self._is_quiet(silence):
                    self._tell(silence, why)

    def _is_quiet(self, silence: Silence) -> bool:
        # A daemon that is gone is told of by the client itself.
        waits = silence.open > 0 and not self._client.ended
        return waits and not self._is_told and silence.seconds >= QUIET_S

    @property
    def _is_told(self) -> bool:
        return self._answers.is_told or self._uploads.is_told

    async def _why(self, silence: Silence) -> AnyText:
        """Empty where the daemon is only at work."""
        try:
            status = await asyncio.to_thread(ask)
        except UserError as error:
            return text(
                "No answer for {seconds} s, and the daemon doesn't say how it is: still waiting. {why}",
                seconds=f"{silence.seconds:.0f}",
                why=error,
            )
        if silence is self._uploads:
            return text(
                "The daemon has taken nothing of an upload for {seconds} s: still waiting.",
                seconds=f"{silence.seconds:.0f}",
            )
        if not status.figures.get(FAILING):
            return ""
        notice = await self._notice()
        why = text("It says: {why}", why=notice) if notice else text("Its log says why.")
        return text(
            "No answer for {seconds} s: the daemon can't write its database, and answers once it can. {why}",
            seconds=f"{silence.seconds:.0f}",
            why=why,
        )

    async def _notice(self) -> str:
        """What the daemon tells those who come now; empty where it has nothing to tell."""
        with contextlib.suppress(UserError, TimeoutError):
            async with asyncio.timeout(LOOK_S):
                client = await Client.connect(self._connection_file, name="popbridge run")
                await client.close(done=True)
                return client.ready.notice or ""
        return ""

    def _heard(self, silence: Silence, goes_on: Text) -> None:
        silence.broken()
        if silence.is_told:
            silence.is_told = False
            self._say(goes_on)

    def _tell(self, silence: Silence, line: AnyText) -> None:
        if not self._is_told:
            silence.is_told = True
            self._say(line)


@contextlib.asynccontextmanager
async def watched(client: LastingClient, connection_file: Path, say: Say) -> AsyncIterator[Waiting]:
    """`say` is given a line where `client` waits for a daemon that can't answer, and one when it can."""
    waiting = Waiting(client, connection_file, say)
    watch = asyncio.create_task(waiting.watch())
    try:
        yield waiting
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
