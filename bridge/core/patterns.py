"""Patterns of files as `.gitignore` has them, in time that hardly grows with the number of their stars."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import groupby

FOLDERS = "(?:[^/]*/)*?"
BELOW = "(?:/.*)?"
FLAGS = re.DOTALL | re.IGNORECASE


@lru_cache(1024)
def pattern(text: str) -> re.Pattern[str]:
    """The files, below a root and with `/`, that `text` matches: also all below a folder that it matches.

    Upper and lower case are alike: to Windows and macOS they are, and the same file is to mean the same
    everywhere. `*` and `?` stay within a name, `**` between slashes is any folders; brackets
    stand for themselves, and a backslash for a slash.
    """
    inner = text.replace("\\", "/").rstrip("/")
    parts = [part for part in inner.split("/") if part]
    if not parts:
        return re.compile("(?!)")
    if "/" not in inner:
        parts = ["**", *parts]
    runs = ["/".join(map(_name, run)) for wild, run in groupby(parts, "**".__eq__) if not wild]
    first = runs.pop(0) if parts[0] != "**" else ""
    last = ".+" if parts[-1] == "**" else runs.pop() if runs else ""
    if not last:
        return re.compile(first + BELOW, FLAGS)
    # The first place that fits is as good as any other and isn't looked for again: `**/a/**/b/**/c` would
    # take the cube of a path's length else.
    between = "".join(f"(?>{FOLDERS}{run}/)" for run in runs)
    return re.compile(f"{first}{first and '/'}{between}{FOLDERS}{last}{BELOW}", FLAGS)


def _name(part: str) -> str:
    """A pattern within a name, in which only the last star is tried in more than one place."""
    first, *others = (re.escape(fixed).replace(r"\?", "[^/]") for fixed in re.split(r"\*+", part))
    if not others:
        return first
    *between, last = others
    return first + "".join(f"(?>[^/]*?{fixed})" for fixed in between) + f"[^/]*{last}"
