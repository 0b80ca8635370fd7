"""What clients have yet to acknowledge, in bytes: of each one, and of all together."""

from __future__ import annotations

from collections import deque


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
        self._total = total
        self._sizes: deque[tuple[int, int]] = deque()

    def add(self, seq: int, size: int) -> None:
        """Message `seq` waits for its acknowledgement; a number comes once."""
        self._sizes.append((seq, size))
        self._change(size)

    def acknowledged(self, seq: int) -> None:
        """Everything up to `seq` was handled."""
        freed = 0
        while self._sizes and self._sizes[0][0] <= seq:
            freed += self._sizes.popleft()[1]
        if freed:
            self._change(-freed)

    def clear(self) -> None:
        """Nothing waits any more."""
        self._sizes.clear()
        self._change(-self.bytes)

    def _change(self, by: int) -> None:
        self.bytes += by
        self._total.bytes += by
