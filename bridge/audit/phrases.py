"""What other parts of the program say in English, told in Chinese: they know of no language."""

from __future__ import annotations

import re
from collections.abc import Iterable


class Phrases:
    """Patterns of what is said, each with its Chinese, in which `{0}` is what its first group matches."""

    def __init__(self, patterns: Iterable[tuple[str, str]]) -> None:
        """The first that matches counts; what a group matches is looked up in its turn."""
        self._known = [(re.compile(pattern, re.DOTALL), chinese) for pattern, chinese in patterns]

    def in_chinese(self, said: str) -> str:
        """`said` in Chinese; as it is where it isn't known."""
        for pattern, chinese in self._known:
            if found := pattern.fullmatch(said):
                return chinese.format(*(self.in_chinese(group or "") for group in found.groups()))
        return said
