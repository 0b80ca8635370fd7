"""Why the daemon gives no answer: what is said of it to whoever waits."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from bridge.advisors.texts import Text
from bridge.client import Client
from bridge.commands.asking import ask
from bridge.commands.language import told
from bridge.commands.run.lasting import LastingClient, Say
from bridge.core.errors import RequestError, UserError

log = logging.getLogger(__name__)

QUIET_S = 5.0
"""After this without any answer, and from then on as often, the daemon is asked how it is."""
LOOK_S = 10.0
"""How long it may take to say why."""
FAILING = "popbridge_store_failing"

REFUSES = Text(
    "The daemon can't keep what it is asked: trying again for up to {seconds:.0f} s. It says: {why}",
    "守护进程暂时无法保存请求：最多重试 {seconds:.0f} 秒。守护进程的说明：{why}",
)
SILENT = Text(
    "No answer for {seconds:.0f} s: the daemon can't write its database, and answers once it can. {why}",
    "已有 {seconds:.0f} 秒没有应答：守护进程无法写入其数据库，恢复后会继续应答。{why}",
)
SAYS = Text("It says: {why}", "守护进程的说明：{why}")
SEE_LOG = Text("Its log says why.", "原因见守护进程的日志。")
HANGS = Text(
    "No answer for {seconds:.0f} s, and the daemon doesn't say how it is: still waiting. {why}",
    "已有 {seconds:.0f} 秒没有应答，也无法查询守护进程的状态：继续等待。{why}",
)
ANSWERS = Text("The daemon answers again: going on.", "守护进程已恢复应答：继续执行。")


class Waiting:
    """Says once why nothing comes, and once that it goes on."""

    def __init__(self, client: LastingClient, connection_file: Path, say: Say) -> None:
        self._client = client
        self._connection_file = connection_file
        self._say = say
        self._open = 0
        self._heard_at = 0.0
        """When the last answer came, or when the first was asked for that is open."""
        self._is_told = False

    @contextlib.contextmanager
    def answer(self) -> Iterator[None]:
        """An answer is waited for meanwhile; it has come where nothing is raised."""
        if not self._open:
            self._heard_at = time.monotonic()
        self._open += 1
        try:
            yield
        except RequestError:
            self._heard_at = time.monotonic()
            raise
        else:
            self._heard()
        finally:
            self._open -= 1

    def refused(self, error: RequestError, left_s: float) -> None:
        """The daemon can't keep a request, which is asked again for up to `left_s` seconds."""
        self._tell(told(REFUSES, seconds=max(left_s, 0), why=error.message))

    async def watch(self) -> None:
        """Looks, until it is cancelled, why there is no answer."""
        while True:
            await asyncio.sleep(QUIET_S)
            try:
                why = await self._why() if self._is_quiet() else ""
            # What fails in asking costs the run nothing, and may not fail the next time.
            except Exception:
                log.debug("the daemon can't be asked how it is", exc_info=True)
                continue
            # An answer may have come meanwhile.
            if why and self._is_quiet():
                self._tell(why)

    def _is_quiet(self) -> bool:
        # A daemon that is gone is told of by the client itself.
        waits = self._open > 0 and not self._client.ended
        return waits and not self._is_told and self._quiet_s >= QUIET_S

    @property
    def _quiet_s(self) -> float:
        return time.monotonic() - self._heard_at

    async def _why(self) -> str:
        """Empty where the daemon is only at work."""
        try:
            status = await asyncio.to_thread(ask)
        except UserError as error:
            return told(HANGS, seconds=self._quiet_s, why=error)
        if not status.figures.get(FAILING):
            return ""
        notice = await self._notice()
        why = told(SAYS, why=notice) if notice else told(SEE_LOG)
        return told(SILENT, seconds=self._quiet_s, why=why)

    async def _notice(self) -> str:
        """What the daemon tells those who come now; empty where it has nothing to tell."""
        with contextlib.suppress(UserError, TimeoutError):
            async with asyncio.timeout(LOOK_S):
                client = await Client.connect(self._connection_file, name="popbridge run")
                await client.close(done=True)
                return client.ready.notice or ""
        return ""

    def _heard(self) -> None:
        self._heard_at = time.monotonic()
        if self._is_told:
            self._is_told = False
            self._say(told(ANSWERS))

    def _tell(self, line: str) -> None:
        if not self._is_told:
            self._is_told = True
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
