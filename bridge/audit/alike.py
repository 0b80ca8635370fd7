"""Which of a project's textures are the same, or nearly, and what that wastes."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.audit.results import Group, Seen


def groups(seen: Iterable[Seen]) -> list[Group]:
    """Groups of two and more, the most wasteful first."""
    by_pixels: dict[str, list[Seen]] = {}
    for one in seen:
        by_pixels.setdefault(one.fingerprint.pixels, []).append(one)
    found = [_group(alike) for alike in by_pixels.values() if len(alike) > 1]
    return sorted(found, key=lambda group: (-group.wasted, group.files))


def _group(alike: list[Seen]) -> Group:
    how = "file" if len({one.fingerprint.file for one in alike}) == 1 else "pixels"
    sizes = sorted(one.size for one in alike)
    return Group(how, sorted(one.file for one in alike), sum(sizes[1:]))
