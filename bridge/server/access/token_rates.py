"""How many requests and bytes the clients with a token may send."""

from __future__ import annotations

from collections import OrderedDict

from accel.text import text
from bridge.core import errors
from bridge.core.access import LOCAL_ID, Principal
from bridge.core.errors import RequestError
from bridge.core.metrics import Counts
from bridge.core.rate_limit import TokenBucket
from bridge.core.settings import Settings

MAX_TOKENS = 4096
"""Number of tokens and sessions whose rates are remembered; the least recently used are forgotten."""
MIN_RETRY_MS = 50
MAX_PAUSE_S = 1.0
"""Longest pause before the next message is read."""
REFUSAL_S = 0.005
"""Pause after a refused request, so that a client that doesn't wait costs little."""


class Rates:
    """The rates of one token."""

    def __init__(self, name: str, limits: tuple[int, int], counts: Counts, now: float = 0.0) -> None:
        """`limits` are requests and bytes per second; 0 for no limit."""
        self._name = name
        self._limits = limits
        self._counts = counts
        self.requests = TokenBucket(limits[0], now=now)
        self.bytes = TokenBucket(limits[1], now=now)
        self._messages = TokenBucket(limits[0], now=now)

    def check(self, now: float) -> None:
        """Counts a request. Raises RequestError `rate_limited`, with the time to wait."""
        if wait_s := self.requests.spend(1, now):
            raise self._refusal("requests_s", self._limits[0], wait_s)
        if self.bytes.level < 0 and (wait_s := self.bytes.wait_s(now)):
            raise self._refusal("bytes_s", self._limits[1], wait_s)

    def pause_s(self, now: float) -> float:
        """Counts a message that is no request, so it can't be refused; returns the seconds before the next
        may be read."""
        return min(self._messages.charge(1, now), MAX_PAUSE_S)

    def _refusal(self, limit: str, most: int, wait_s: float) -> RequestError:
        self._counts.limited[limit] += 1
        return RequestError(
            errors.RATE_LIMITED,
            name=text("The token `{token}`", token=self._name),
            setting=f"limits.{limit}",
            limit=most,
            retry_after_ms=max(round(wait_s * 1000), MIN_RETRY_MS),
        )


UNLIMITED = Rates("", (0, 0), Counts())
"""The rates of a session whose client hasn't identified."""


class TokenRates:
    """The rates of all tokens."""

    def __init__(self, settings: Settings, counts: Counts) -> None:
        self._limits = settings["limits.requests_s"], settings["limits.bytes_s"]
        self._counts = counts
        self._rates: OrderedDict[str, Rates] = OrderedDict()

    def of(self, principal: Principal, session: str, now: float) -> Rates:
        """Returns the rates of a token. Sessions of the local token have rates of their own: an editor isn't
        slowed down by a script of the same user."""
        key = session if principal.token_id == LOCAL_ID and session else principal.token_id
        found = self._rates.get(key)
        if found is None:
            if len(self._rates) >= MAX_TOKENS:
                self._rates.popitem(last=False)
            found = self._rates[key] = Rates(principal.name, self._limits, self._counts, now)
        else:
            self._rates.move_to_end(key)
        return found
