"""Which of a project's textures are the same, or nearly, and what that wastes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from accel.image.duplicates import duplicates
from bridge.audit.results import Group, Seen


def groups(seen: Sequence[Seen]) -> list[Group]:
    """Groups of two and more: equal ones before look-alikes, the most wasteful first."""
    by_name = {one.file: one for one in seen}
    found = duplicates({one.file: one.fingerprint for one in seen})
    made = [_group(alike.how, [by_name[name] for name in alike.names]) for alike in found]
    return sorted(made, key=lambda group: (group.how == "looks", -group.memory, -group.disk, group.files))


def _group(how: str, alike: Sequence[Seen]) -> Group:
    """The smallest of them would have been enough."""
    disk, memory = (sorted(sizes) for sizes in ([a.size for a in alike], [a.memory for a in alike]))
    return Group(how, tuple(one.file for one in alike), sum(disk[1:]), sum(memory[1:]))


WORDS: Mapping[str, str] = {"file": "same_file", "pixels": "same_pixels", "looks": "similar"}
"""The sentence for each way to be alike."""
