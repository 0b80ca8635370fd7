"""Reconnecting client; why the daemon gives no answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from accel.text import AnyText, Text, text
from bridge.client.client import Client, OnProgress
from bridge.client.transfer import Progress
from bridge.core import errors
from bridge.core.errors import RequestError, UserError
from bridge.core.messages import Hello, InputRef, Ready, Result
from bridge.core.metrics import Status
from bridge.paths import ConnectionFile, Paths

GONE_S = 15.0
"""How long a daemon may be gone until it is given up."""
NOTICED_S = 2.0
"""After this a connection that isn't seen to be lost is there."""
PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
"""From, doubled, to: between tries to reach it."""

STAYS_AWAY = text("The daemon is gone: start `popbridge serve`, and run this again with --resume.")

Value = TypeVar("Value")
Say = Callable[[AnyText], None]
Watched = Callable[[], AbstractContextManager[Progress | None]]


class ReconnectingClient:
    """A `Client` in the place of many, one after the other."""

    def __init__(self, client: Client, connection_file: Path, say: Say, **options: Any) -> None:
        self._client = client
        self._say = say
        self._connection_file = connection_file
        self._options = options
        self._keys = uuid.uuid4().hex
        self._asked = 0
        self._lock = asyncio.Lock()
        self._closing: list[asyncio.Task[None]] = []
        self._lost_at: float | None = None
        """When the daemon was last seen to be gone; None once it has answered since."""

    @classmethod
    async def connect(cls, connection_file: Path, say: Say, **options: Any) -> ReconnectingClient:
        """As `Client.connect`, whose options it takes; `say` is given a line when the daemon is gone, and one
        when it is back. Raises UserError where no daemon runs."""
        return cls(await Client.connect(connection_file, **options), connection_file, say, **options)

    @property
    def hello(self) -> Hello:
        return self._client.hello

    @property
    def ready(self) -> Ready:
        return self._client.ready

    @property
    def ended(self) -> bool:
        """Whether the connection is lost, and no other is there yet."""
        return self._client.ended

    async def aclose(self) -> None:
        """As `Client.close`; the session is over."""
        await asyncio.gather(self._client.close(done=True), *self._closing, return_exceptions=True)

    async def request(
        self,
        workload: str,
        params: Mapping[str, Any],
        *,
        inputs: Sequence[InputRef],
        priority: str,
        deadline_ms: int,
        on_progress: OnProgress | None = None,
    ) -> Result:
        """As `Client.request`; once accepted it is done once, also if the daemon is restarted meanwhile.

        Raises RequestError, and UserError where the daemon stays away.
        """
        self._asked += 1
        key = f"{self._keys} {self._asked}"
        return await self._lasting(
            lambda client: client.request(
                workload,
                params,
                inputs=inputs,
                priority=priority,
                deadline_ms=deadline_ms,
                key=key,
                on_progress=on_progress,
            )
        )

    async def put_blob(self, source: bytes | Path, watched: Watched = contextlib.nullcontext) -> str:
        """As `Client.put_blob`; each try is made within `watched`, which gives its `on_progress`."""

        async def attempt(client: Client) -> str:
            with watched() as on_progress:
                return await client.put_blob(source, on_progress=on_progress)

        return await self._lasting(attempt)

    async def get_blob(self, *given: Any) -> bytes:
        """As `Client.get_blob`."""
        return await self._lasting(lambda client: client.get_blob(*given))

    async def _lasting(self, work: Callable[[Client], Awaitable[Value]]) -> Value:
        while True:
            if (client := self._client).ended:
                await self._reconnect(client)
                continue
            try:
                value = await work(client)
            except RequestError as error:
                if not _is_lost(client, error):
                    self._lost_at = None
                    raise
            except UserError:
                # A blob may be refused before the connection is seen to be lost.
                if not await _ends(client):
                    raise
            else:
                self._lost_at = None
                return value
            await self._reconnect(client)

    async def _reconnect(self, lost: Client) -> None:
        """Raises UserError where the daemon stays away, or hangs up again and again."""
        async with self._lock:
            if self._client is not lost:
                return
            if self._lost_at is None:
                self._lost_at = time.monotonic()
            # In its own time: a peer that was killed answers no close frame.
            self._closing.append(asyncio.create_task(lost.close()))
            self._client = await self._awaited(lost, self._lost_at + GONE_S)

    async def _awaited(self, lost: Client, until: float) -> Client:
        """A connection to the daemon that is back, or one that was only cut, of which nothing is said."""
        pause, is_told = PAUSE_S, False
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE_S)
            if (client := await self._found(lost)) is not None:
                if is_told:
                    self._say(text("The daemon is back: going on."))
                return client
            if not is_told:
                self._say(
                    text(
                        "The daemon is gone: waiting up to {seconds} s for it to come back (`popbridge "
                        "serve` starts it).",
                        seconds=f"{(math.ceil(max(until - time.monotonic(), 0))):g}",
                    )
                )
                is_told = True
        raise UserError(STAYS_AWAY)

    async def _found(self, lost: Client) -> Client | None:
        # Where the session is gone it isn't missed: the keys say what was asked.
        for previous in (lost, None):
            with contextlib.suppress(UserError):
                return await Client.connect(self._connection_file, **self._options, previous=previous)
        return None


def _is_lost(client: Client, error: RequestError) -> bool:
    """Whether the same may be answered on another connection."""
    if error.code.name == errors.EDITOR_GONE.name:
        # Else it would end that one, too.
        return error.code.retryable
    # Another daemon on the same port has another token.
    return client.ended


async def _ends(client: Client) -> bool:
    """Whether the connection is lost, or will be in a moment."""
    try:
        async with asyncio.timeout(NOTICED_S):
            await client.wait_closed()
    except TimeoutError:
        return False
    return True


TIMEOUT_S = 10.0


# The daemon is never behind a proxy, and its token is none of a proxy's business.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask_daemon() -> Status:
    """Blocks. Raises UserError where no daemon runs, or none that answers."""
    file = ConnectionFile.read(Paths.find().connection_file)
    request = urllib.request.Request(f"{file.http}/status", headers={"Authorization": f"Bearer {file.token}"})
    try:
        with _DIRECT.open(request, timeout=TIMEOUT_S) as response:
            return msgspec.json.decode(response.read(), type=Status)
    except urllib.error.HTTPError as error:
        with error:
            where, code = Paths.find().connection_file, error.code
            raise UserError(
                text(
                    "What listens at {http} isn't the daemon of {file} (HTTP {code}): restart `popbridge "
                    "serve`.",
                    http=file.http,
                    file=where,
                    code=code,
                )
            ) from None
    except ValueError:
        raise UserError(
            text("The daemon at {http} is another version: restart `popbridge serve`.", http=file.http)
        ) from None
    except TimeoutError:
        raise UserError(
            text(
                "PopBridge at {http} doesn't answer within {seconds} s.",
                http=file.http,
                seconds=f"{TIMEOUT_S:g}",
            )
        ) from None
    except OSError as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise UserError(
            text(
                "PopBridge isn't running: nothing answers at {http} ({reason}). Start it with "
                "`popbridge serve`.",
                http=file.http,
                reason=reason,
            )
        ) from None


log = logging.getLogger(__name__)

QUIET_S = 5.0
"""After this without any answer, and from then on as often, the daemon is asked how it is."""
LOOK_S = 10.0
"""How long it may take to say why."""
FAILING = "popbridge_store_failing"


class SilenceError:
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


class WaitNotice:
    """Says once why nothing comes, or goes, and once that it goes on."""

    def __init__(self, client: ReconnectingClient, connection_file: Path, say: Say) -> None:
        self._client = client
        self._connection_file = connection_file
        self._say = say
        self._answers = SilenceError()
        self._uploads = SilenceError()

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

    def _is_quiet(self, silence: SilenceError) -> bool:
        # A daemon that is gone is told of by the client itself.
        waits = silence.open > 0 and not self._client.ended
        return waits and not self._is_told and silence.seconds >= QUIET_S

    @property
    def _is_told(self) -> bool:
        return self._answers.is_told or self._uploads.is_told

    async def _why(self, silence: SilenceError) -> AnyText:
        """Empty where the daemon is only at work."""
        try:
            status = await asyncio.to_thread(ask_daemon)
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

    def _heard(self, silence: SilenceError, goes_on: Text) -> None:
        silence.broken()
        if silence.is_told:
            silence.is_told = False
            self._say(goes_on)

    def _tell(self, silence: SilenceError, line: AnyText) -> None:
        if not self._is_told:
            silence.is_told = True
            self._say(line)


@contextlib.asynccontextmanager
async def watch(client: ReconnectingClient, connection_file: Path, say: Say) -> AsyncIterator[WaitNotice]:
    """`say` is given a line where `client` waits for a daemon that can't answer, and one when it can."""
    waiting = WaitNotice(client, connection_file, say)
    watch = asyncio.create_task(waiting.watch())
    try:
        yield waiting
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
