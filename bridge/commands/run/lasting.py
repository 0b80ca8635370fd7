"""A connection to the daemon that is opened anew when it is lost: what was asked is asked again by key."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from accel.text import AnyText, text
from bridge.client import Client, OnProgress
from bridge.core import errors
from bridge.core.errors import RequestError, UserError
from bridge.core.messages import Hello, InputRef, Ready, Result
from bridge.transfer import Progress

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


class LastingClient:
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
    async def connect(cls, connection_file: Path, say: Say, **options: Any) -> LastingClient:
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
