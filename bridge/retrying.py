"""When to ask again what the daemon had no room for, or couldn't do just then."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bridge.core.errors import RequestError

Reply = TypeVar("Reply")

PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
"""From, doubled, to: between tries where the daemon doesn't say how long."""
JITTER = 0.25
"""By up to which part a wait is longer than asked: who was refused together doesn't come back together."""


def may_help(error: RequestError) -> bool:
    """Whether the same again may be answered, and can't be done twice by it."""
    return error.code.retryable and error.outcome != "unknown"


def pause_s(error: RequestError, tried: int) -> float:
    """Seconds before the next try, after `tried` repetitions (0 for none): never less than was asked for."""
    asked = error.retry_after_ms / 1000
    least = asked or min(PAUSE_S * 2 ** min(tried, 16), LONGEST_PAUSE_S)
    return least * random.uniform(1, 1 + JITTER)


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
