"""How many connections are open, how many of them nobody knows yet, and when there is no room for more."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


class Gate:
    """Counts connections from the handshake to their end."""

    def __init__(self, most: int, most_unidentified: int) -> None:
        """The most connections, and the most of them that haven't identified yet; both at least 1."""
        self._most = most
        self._most_unidentified = most_unidentified
        self.open = 0
        self.unidentified = 0

    def refusal(self) -> str | None:
        """Why no further connection is taken now; None where one is."""
        if self.open >= self._most:
            return (
                f"The bridge has {self.open} connections, its most: close some, or raise the setting "
                "'connections'."
            )
        if self.unidentified >= self._most_unidentified:
            return f"{self.unidentified} connections have yet to identify, the most that may: try again soon."
        return None

    @contextlib.contextmanager
    def entered(self) -> Iterator[Callable[[], None]]:
        """One connection, as long as it is open; gives what is to be called once it has identified."""
        known = False

        def identified() -> None:
            nonlocal known
            if not known:
                known = True
                self.unidentified -= 1

        self.open += 1
        self.unidentified += 1
        try:
            yield identified
        finally:
            identified()
            self.open -= 1
