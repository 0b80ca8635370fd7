"""How many blobs there are, though some come and go while a look through the folder counts them."""

from __future__ import annotations


class Tally:
    """Each blob counts once, whether the look that goes on has come by it or not.

    The caller sees to it that one thread at a time is here.
    """

    def __init__(self) -> None:
        self.count = 0
        self.bytes = 0
        self._came: dict[str, int] = {}
        self._is_looking = False
        self._seen: set[str] = set()

    def came(self, name: str, size: int) -> None:
        """A blob of `size` bytes is told; a look may have counted it before."""
        if name in self._seen:
            self._seen.remove(name)
            return
        if self._is_looking:
            self._came[name] = size
        self.count += 1
        self.bytes += size

    def went(self, name: str, size: int) -> None:
        """The blob was removed."""
        self._came.pop(name, None)
        self._seen.discard(name)
        self.count -= 1
        self.bytes -= size

    def begin(self) -> None:
        """A look through the folder begins; one before it may have ended early."""
        self._is_looking = True
        self._came.clear()

    def counted(self, count: int, size: int, young: set[str]) -> None:
        """The look found so much; `young` are those of what it found that may have come since it began, or
        are still to be told."""
        missed = [size for name, size in self._came.items() if name not in young]
        self.count = count + len(missed)
        self.bytes = size + sum(missed)
        self._seen = young - self._came.keys()
        self._is_looking = False
        self._came.clear()
