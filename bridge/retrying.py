"""When to ask again what the daemon had no room for, or couldn't do just then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from accel.retries import Backoff
from bridge.core.errors import RequestError

Reply = TypeVar("Reply")

BACKOFF = Backoff(first_s=0.1, most_s=5.0, jitter=0.25)
"""Between tries where the daemon doesn't say how long; what it says gets the same jitter."""


def may_help(error: RequestError) -> bool:
    """Whether the same again may be answered, and can't be done twice by it."""
    return error.code.retryable and error.outcome != "unknown"


def pause_s(error: RequestError, tried: int) -> float:
    """Seconds before the next try, after `tried` repetitions (0 for none): never less than was asked for."""
    return BACKOFF.pause_s(tried, error.retry_after_ms / 1000)


async def repeated(
    ask: Callable[[], Awaitable[Reply]], retries: int, *, connected: Callable[[], bool] = lambda: True
) -> Reply:
    """What `ask` gives, at up to `retries` repetitions while `connected`. Raises its last RequestError."""
    tried = 0
    while True:
        try:
            return await ask()
        except RequestError as error:
            if tried >= retries or not may_help(error) or not connected():
                raise
            await asyncio.sleep(pause_s(error, tried))
        tried += 1
