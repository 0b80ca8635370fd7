"""What was used last, in memory, as far as so many bytes go."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable


class Hot:
    """Packed values by key; the least recently used go first."""

    def __init__(self, most: int, largest: int) -> None:
        """`most` bytes in all; values of more than `largest` bytes aren't taken."""
        self._most = most
        self._largest = largest
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: bytes) -> bytes | None:
        """The value, which counts as used; None for none."""
        value = self._kept.get(key)
        if value is not None:
            self._kept.move_to_end(key)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Keeps `value`, if it isn't too large, and forgets what there is no room for."""
        self.drop([key])
        if len(value) > self._largest:
            return
        self._kept[key] = value
        self.bytes += len(value)
        while self.bytes > self._most:
            self.drop([next(iter(self._kept))])

    def drop(self, keys: Iterable[bytes]) -> None:
        """Forgets values that are there or not."""
        for key in keys:
            value = self._kept.pop(key, None)
            if value is not None:
                self.bytes -= len(value)

    def clear(self) -> None:
        self.drop(tuple(self._kept))
