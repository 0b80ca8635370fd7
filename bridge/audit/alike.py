"""Which of a project's textures are the same, or nearly, and what that wastes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from accel.image.duplicates import duplicates
from bridge.audit.results import Group, Seen


def groups(seen: Sequence[Seen], root: Path) -> list[Group]:
    """Groups of two and more below `root`: equal ones before look-alikes, the most wasteful first."""
    by_name = {one.file: one for one in seen}
    found = duplicates({one.file: one.fingerprint for one in seen})
    made = [_group(alike.how, [by_name[name] for name in alike.names], root) for alike in found]
    return sorted(made, key=lambda group: (group.how == "looks", -group.memory, -group.disk, group.files))


def _group(how: str, alike: Sequence[Seen], root: Path) -> Group:
    """The largest, which mostly holds the most, is the one to keep: so much at least is wasted."""
    # A link takes nothing of the disk; each name has a texture of its own in the GPU's memory.
    disk = sorted({_place(root, one.file): one.size for one in alike}.values())
    memory = sorted(one.memory for one in alike)
    return Group(how, tuple(one.file for one in alike), sum(disk[:-1]), sum(memory[:-1]))


def _place(root: Path, file: str) -> tuple[int, int, str]:
    """Where on the disk a file lies, the same for all links to it."""
    try:
        found = os.stat(root / file)
    except (OSError, ValueError):
        return 0, 0, file
    return (found.st_dev, found.st_ino, "") if found.st_ino else (0, 0, file)


WORDS: Mapping[str, str] = {"file": "same_file", "pixels": "same_pixels", "looks": "similar"}
"""The sentence for each way to be alike."""
