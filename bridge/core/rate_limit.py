"""Token buckets: average rates with bursts. Time is an argument."""

from __future__ import annotations

from math import inf

BURST_S = 10
"""Seconds' worth of a rate that a burst may have."""


class TokenBucket:
    """Holds up to `burst` tokens and gains `rate` of them per second; it begins full.

    What is gained is added when the bucket is empty, which costs less than each time. `charge` may leave it
    in debt, for what is only known afterwards or can't be refused.
    """

    __slots__ = ("_at", "_burst", "_rate", "level")

    def __init__(self, rate: float, burst: float | None = None, now: float = 0.0) -> None:
        """A `rate` of 0 means no limit. Without `burst`, it is `BURST_S` times the rate."""
        self._rate = rate
        self._burst = rate * BURST_S if burst is None else burst
        self.level = self._burst if rate else inf
        """Tokens that are left without those gained since the last need; negative for a debt."""
        self._at = now

    def charge(self, amount: float, now: float) -> float:
        """Takes `amount` tokens, and returns the seconds until the bucket is out of debt; 0 without one."""
        if self.level < amount:
            self._gain(now)
        level = self.level = self.level - amount
        return 0.0 if level >= 0 else -level / self._rate

    def spend(self, amount: float, now: float) -> float:
        """Takes `amount` tokens if they are there, and returns 0; otherwise takes none, and returns the
        seconds until they will be."""
        if self.level < amount:
            self._gain(now)
            if self.level < amount:
                return (amount - self.level) / self._rate
        self.level -= amount
        return 0.0

    def refund(self, amount: float) -> None:
        """Gives tokens back."""
        self.level = min(self.level + amount, self._burst) if self._rate else inf

    def wait_s(self, now: float) -> float:
        """Returns the seconds until the bucket is out of debt; 0 without one."""
        return self.charge(0, now)

    def is_full(self, now: float) -> bool:
        """Whether nothing is missing, so that a new bucket would be the same."""
        self._gain(now)
        return self.level >= self._burst

    def _gain(self, now: float) -> None:
        if self._rate:
            self.level = min(self.level + (now - self._at) * self._rate, self._burst)
        self._at = now
