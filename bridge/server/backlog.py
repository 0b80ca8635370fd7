"""What clients have yet to acknowledge, in bytes: of each one, and of all together."""

from __future__ import annotations

from collections import deque

NO_LIMIT = 1 << 62
"""More bytes than anybody leaves."""


class Total:
    """The bytes of all clients."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.bytes = 0

    @property
    def is_too_much(self) -> bool:
        return self.bytes > self.most


class Backlog:
    """The bytes of one client, by the numbers of its messages."""

    def __init__(self, total: Total) -> None:
        self.bytes = 0
        self.total = total
        self._sizes: deque[tuple[int, int]] = deque()

    @property
    def reason(self) -> str:
        """Why it is too much, for a close frame."""
        return f"{self.bytes} bytes wait for 'ack': acknowledge what was handled"

    def add(self, seq: int, size: int) -> Total:
        """Message `seq` waits for its acknowledgement; a number comes once. Gives what waits in all."""
        self._sizes.append((seq, size))
        self.bytes += size
        total = self.total
        total.bytes += size
        return total

    def acknowledged(self, seq: int) -> None:
        """Everything up to `seq` was handled."""
        freed, sizes = 0, self._sizes
        while sizes and sizes[0][0] <= seq:
            freed += sizes.popleft()[1]
        self.bytes -= freed
        self.total.bytes -= freed

    def clear(self) -> None:
        """Nothing waits any more."""
        self._sizes.clear()
        self.total.bytes -= self.bytes
        self.bytes = 0
