"""Connections to the daemon: its status, a client that reconnects, and notices while it doesn't answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from accel.text import AnyText, Text, text
from bridge.client.client import Client, OnProgress
from bridge.client.transfer import ConnectionLost, Progress, exchange
from bridge.core import errors
from bridge.core.errors import RequestError, UserError
from bridge.core.messages import Hello, InputRef, Ready, Result
from bridge.core.metrics import Status
from bridge.paths import ConnectionFile, Paths

GONE_S = 15.0
"""Seconds of attempts to reconnect."""
CLOSE_DETECTION_S = 2.0
"""A connection that isn't closed after this time is considered open."""
PAUSE_S, MAX_PAUSE_S = 0.1, 2.0
"""The first pause between attempts to reconnect, and the longest; each doubles the one before."""

DAEMON_GONE = text("The daemon is gone. Start `popbridge serve`, then run this again with --resume.")

Value = TypeVar("Value")
Say = Callable[[AnyText], None]
UploadContext = Callable[[], AbstractContextManager[Progress | None]]


class ReconnectingClient:
    """A client that opens a new connection when the daemon restarts or the connection breaks."""

    def __init__(self, client: Client, connection_file: Path, say: Say, **options: Any) -> None:
        self._client = client
        self._say = say
        self._connection_file = connection_file
        self._options = options
        self._key_prefix = uuid.uuid4().hex
        self._requests = 0
        self._lock = asyncio.Lock()
        self._closing: list[asyncio.Task[None]] = []
        self._lost_at: float | None = None
        """When the daemon disappeared; None once it has answered since."""

    @classmethod
    async def connect(cls, connection_file: Path, say: Say, **options: Any) -> ReconnectingClient:
        """Connects with the options of `Client.connect`; calls `say` when the daemon disappears and returns.

        Raises UserError if no daemon runs.
        """
        return cls(await Client.connect(connection_file, **options), connection_file, say, **options)

    @property
    def hello(self) -> Hello:
        return self._client.hello

    @property
    def ready(self) -> Ready:
        return self._client.ready

    @property
    def http(self) -> ConnectionFile:
        """The daemon's addresses, with the session's token for HTTP."""
        return self._client.http

    @property
    def ended(self) -> bool:
        """Whether the connection is lost and no new one is open."""
        return self._client.ended

    async def aclose(self) -> None:
        """Closes the connection and ends the session."""
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
        """Sends a request like `Client.request`, with an idempotency key: an accepted request runs once, even
        if the daemon restarts.

        Raises RequestError, and UserError if the daemon doesn't come back.
        """
        self._requests += 1
        key = f"{self._key_prefix} {self._requests}"
        return await self._with_reconnects(
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

    async def put_blob(self, source: bytes | Path, context: UploadContext = contextlib.nullcontext) -> str:
        """Uploads a blob like `Client.put_blob`; each attempt runs in a `context`, which yields its
        `on_progress`.
        """

        async def attempt(client: Client) -> str:
            with context() as on_progress:
                return await client.put_blob(source, on_progress=on_progress)

        return await self._with_reconnects(attempt)

    async def get_blob(self, name: str, target: Path | None = None) -> bytes:
        """Downloads a blob like `Client.get_blob`."""
        return await self._with_reconnects(lambda client: client.get_blob(name, target))

    async def _with_reconnects(self, work: Callable[[Client], Awaitable[Value]]) -> Value:
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
                # The HTTP transfer of a blob may fail before the WebSocket closes.
                if not await _ends(client):
                    raise
            else:
                self._lost_at = None
                return value
            await self._reconnect(client)

    async def _reconnect(self, lost: Client) -> None:
        """Raises UserError if the daemon doesn't come back, or repeatedly closes the connection."""
        async with self._lock:
            if self._client is not lost:
                return
            if self._lost_at is None:
                self._lost_at = time.monotonic()
            # As a task: a daemon that was killed doesn't answer the close frame.
            self._closing.append(asyncio.create_task(lost.close()))
            self._client = await self._connect_until(lost, self._lost_at + GONE_S)

    async def _connect_until(self, lost: Client, until: float) -> Client:
        """Returns a new connection. Prints nothing if the first attempt succeeds: only the connection was
        cut.
        """
        pause, announced = PAUSE_S, False
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(pause, left))
            pause = min(2 * pause, MAX_PAUSE_S)
            if (client := await self._connect(lost)) is not None:
                if announced:
                    self._say(text("The daemon is back."))
                return client
            if not announced:
                self._say(
                    text(
                        "The daemon is gone. Waiting up to {seconds} s for it. Start it with `popbridge "
                        "serve`.",
                        seconds=f"{(math.ceil(max(until - time.monotonic(), 0))):g}",
                    )
                )
                announced = True
        raise UserError(DAEMON_GONE)

    async def _connect(self, lost: Client) -> Client | None:
        # A new session will do: the idempotency keys identify the requests.
        for previous in (lost, None):
            with contextlib.suppress(UserError):
                return await Client.connect(self._connection_file, **self._options, previous=previous)
        return None


def _is_lost(client: Client, error: RequestError) -> bool:
    """Whether a new connection may answer the same request."""
    if error.code.name == errors.EDITOR_GONE.name:
        # Not retryable: the request would end the next connection, too.
        return error.code.retryable
    # A new daemon on the same port refuses the old token.
    return client.ended


async def _ends(client: Client) -> bool:
    """Whether the connection is closed, or closes within a moment."""
    try:
        async with asyncio.timeout(CLOSE_DETECTION_S):
            await client.wait_closed()
    except TimeoutError:
        return False
    return True


TIMEOUT_S = 10.0


def ask_daemon() -> Status:
    """Returns the daemon's status; blocks. Raises UserError if no daemon answers."""
    with contextlib.closing(StatusReader()) as reader:
        return reader.read()


class StatusReader:
    """Reads the daemon's status again and again, in one session, for programs without an event loop."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._client: Client | None = None

    def read(self) -> Status:
        """Returns the daemon's status. Raises UserError if no daemon answers."""
        return self._runner.run(self._read())

    def close(self) -> None:
        """Ends the session."""
        self._runner.run(self._leave())
        self._runner.close()

    async def _read(self) -> Status:
        if self._client is not None and not self._client.ended:
            # Between two calls nothing answers the daemon's pings, and it may have restarted.
            with contextlib.suppress(UserError):
                return await asyncio.to_thread(fetch_status, self._client.http)
        await self._leave()
        self._client = await Client.connect(name="popbridge status")
        return await asyncio.to_thread(fetch_status, self._client.http)

    async def _leave(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close(done=True)


def fetch_status(file: ConnectionFile) -> Status:
    """Returns the daemon's status; blocks. `file` is that of a session (`Client.http`). Raises UserError."""
    try:
        code, body = exchange(file, "GET", "/status", timeout_s=TIMEOUT_S)
    except ConnectionLost as error:
        if isinstance(error.__cause__, TimeoutError):
            raise UserError(
                text(
                    "The daemon at {http} didn't answer within {seconds} s.",
                    http=file.http,
                    seconds=f"{TIMEOUT_S:g}",
                )
            ) from None
        raise UserError(
            text(
                "PopBridge isn't running: no answer at {http} ({reason}). Start it with `popbridge serve`.",
                http=file.http,
                reason=error,
            )
        ) from None
    if code >= 400:
        raise UserError(
            text(
                "{http} isn't the daemon named in {file} (HTTP {code}). Restart `popbridge serve`.",
                http=file.http,
                file=Paths.find().connection_file,
                code=code,
            )
        )
    try:
        return msgspec.json.decode(body, type=Status)
    except ValueError:
        raise UserError(
            text("The daemon at {http} is another version. Restart `popbridge serve`.", http=file.http)
        ) from None


log = logging.getLogger(__name__)

QUIET_S = 5.0
"""Without an answer for this long, the daemon's status is checked, again and again."""
NOTICE_S = 10.0
"""Time limit for fetching the daemon's notice."""
FAILING = "popbridge_store_failing"


class SilenceTimer:
    """Time without progress in any open operation, and whether the user was notified."""

    def __init__(self) -> None:
        self.open = 0
        self.is_announced = False
        self._since = 0.0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._since

    def begin(self) -> None:
        """Counts one more open operation."""
        if not self.open:
            self.reset()
        self.open += 1

    def reset(self) -> None:
        """Notes progress."""
        self._since = time.monotonic()


class WaitNotice:
    """Notifies the user once why requests or uploads make no progress, and once when they continue."""

    def __init__(self, client: ReconnectingClient, connection_file: Path, say: Say) -> None:
        self._client = client
        self._connection_file = connection_file
        self._say = say
        self._answers = SilenceTimer()
        self._uploads = SilenceTimer()

    @contextlib.contextmanager
    def answer(self) -> Iterator[None]:
        """Covers the wait for one answer."""
        self._answers.begin()
        try:
            yield
        except RequestError:
            self._answers.reset()
            raise
        else:
            self._progress(self._answers, text("The daemon answers again."))
        finally:
            self._answers.open -= 1

    @contextlib.contextmanager
    def upload(self) -> Iterator[Progress]:
        """Covers one upload; yields the callback for its progress, which any thread may call."""
        loop, begun, ended = asyncio.get_running_loop(), False, False

        def moved() -> None:
            nonlocal begun
            if begun and not ended:
                self._progress(self._uploads, text("The upload continues."))
            elif not ended:
                begun = True
                self._uploads.begin()

        def tell(position: int) -> None:
            # The thread of a cancelled upload may outlive the loop.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(moved)

        try:
            yield tell
            self._progress(self._uploads, text("The upload continues."))
        finally:
            ended = True
            self._uploads.open -= begun

    def refused(self, error: RequestError, left_s: float) -> None:
        """Reports that the daemon can't store a request, which is retried for up to `left_s` seconds."""
        self._announce(
            self._answers,
            text(
                "The daemon can't store the request. Retrying for up to {seconds} s. {reason}",
                seconds=f"{(max(left_s, 0)):.0f}",
                reason=error.text,
            ),
        )

    async def watch(self) -> None:
        """Checks for silence and its cause until it is cancelled."""
        while True:
            await asyncio.sleep(QUIET_S)
            for silence in (self._answers, self._uploads):
                try:
                    why = await self._why(silence) if self._is_quiet(silence) else ""
                # A failed check must not end the run.
                except Exception:
                    log.debug("checking the daemon's status failed", exc_info=True)
                    continue
                # An answer may have arrived during the check.
                if why and self._is_quiet(silence):
                    self._announce(silence, why)

    def _is_quiet(self, silence: SilenceTimer) -> bool:
        # The client itself reports a daemon that is gone.
        waits = silence.open > 0 and not self._client.ended
        return waits and not self._is_announced and silence.seconds >= QUIET_S

    @property
    def _is_announced(self) -> bool:
        return self._answers.is_announced or self._uploads.is_announced

    async def _why(self, silence: SilenceTimer) -> AnyText:
        """Returns why there is no progress; empty if the daemon is just busy."""
        try:
            status = await asyncio.to_thread(fetch_status, self._client.http)
        except UserError as error:
            return text(
                "No answer for {seconds} s. Still waiting. {reason}",
                seconds=f"{silence.seconds:.0f}",
                reason=error.text,
            )
        if silence is self._uploads:
            return text(
                "No progress of an upload for {seconds} s. Still waiting.",
                seconds=f"{silence.seconds:.0f}",
            )
        if not status.figures.get(FAILING):
            return ""
        notice = await self._notice()
        return text(
            "No answer for {seconds} s: the daemon can't write its database. Still waiting. {reason}",
            seconds=f"{silence.seconds:.0f}",
            reason=notice or text("See its log."),
        )

    async def _notice(self) -> str:
        """Returns the daemon's notice for new clients; empty if there is none."""
        with contextlib.suppress(UserError, TimeoutError):
            async with asyncio.timeout(NOTICE_S):
                client = await Client.connect(self._connection_file, name="popbridge run")
                await client.close(done=True)
                return client.ready.notice or ""
        return ""

    def _progress(self, silence: SilenceTimer, notice: Text) -> None:
        silence.reset()
        if silence.is_announced:
            silence.is_announced = False
            self._say(notice)

    def _announce(self, silence: SilenceTimer, line: AnyText) -> None:
        if not self._is_announced:
            silence.is_announced = True
            self._say(line)


@contextlib.asynccontextmanager
async def watch(client: ReconnectingClient, connection_file: Path, say: Say) -> AsyncIterator[WaitNotice]:
    """Calls `say` when a daemon that `client` waits for can't answer, and when it can again."""
    notice = WaitNotice(client, connection_file, say)
    watch = asyncio.create_task(notice.watch())
    try:
        yield notice
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
