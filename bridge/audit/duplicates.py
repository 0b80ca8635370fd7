"""Duplicate and similar textures of a project, without those that only look alike on purpose."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from accel.image.hashes import find_groups
from accel.texture.naming import words_of
from bridge.advisors.naming import to_ascii
from bridge.audit.results import Group, TextureState

SMALLEST_SIMILAR = 128
"""Longest side, pixels, from which pictures with different names may be copies: icons, flags and glyphs have
too few pixels to tell them apart."""
SERIES = 6
"""Textures of one size in a folder from which they count as a series: glyphs, flags, portraits or frames."""
LEAST_WORD = 3
"""Letters of a word that identifies a picture: `a` and `12` are glyphs and frames."""
COPY_WORDS = frozenset({
    "copy", "kopie", "copie", "copia", "backup", "bak", "orig", "original", "thumb", "thumbnail", "preview",
    "hd", "sd", "lowres", "highres", "hires", "resized",
})  # fmt: skip
"""Words of a file's name that tell a copy from its original."""
_COPY_NUMBER = re.compile(r"\s*\(\d+\)$")
_RESOLUTION = re.compile(r"(1|2|4|8|16)k|((64|128|256|512|1024|2048|4096|8192)x?)+(px)?")


def duplicate_groups(seen: Sequence[TextureState], root: Path) -> list[Group]:
    """Groups of duplicates, then of similar textures, each sorted by wasted memory."""
    by_name = {one.file: one for one in seen}
    series = _series(seen)
    made = []
    for alike in find_groups({one.file: one.fingerprint for one in seen}):
        members = [by_name[name] for name in alike.names]
        sets = _copies(members, series) if alike.how == "looks" else [members]
        made += [_group(alike.how, each, root) for each in sets]
    return sorted(made, key=lambda group: (group.how == "looks", -group.memory, -group.disk, group.files))


def _copies(alike: Sequence[TextureState], series: set[str]) -> Iterator[list[TextureState]]:
    """Yields those textures that look alike and are copies: by their names, or large pictures of different
    folders. Similar pictures of one folder with names of their own are variants.
    """
    by_stem: dict[str, list[TextureState]] = {}
    for one in alike:
        by_stem.setdefault(_stem(one.file) or f"/{one.file}", []).append(one)
    large = [one for one in alike if max(one.extent) >= SMALLEST_SIMILAR and one.file not in series]
    folders = Counter(_folder(one.file) for one in large)
    apart = [one for one in large if folders[_folder(one.file)] == 1]
    # All are similar to the first, but not to each other.
    if alike[0] in apart and len(apart) > 1:
        same = {_stem(one.file) for one in apart} - {""}
        yield [one for one in alike if one in apart or _stem(one.file) in same]
        by_stem = {stem: found for stem, found in by_stem.items() if stem not in same}
    yield from (found for found in by_stem.values() if len(found) > 1)


def _series(seen: Iterable[TextureState]) -> set[str]:
    """Returns the files of all series."""
    by_place: dict[tuple[str, tuple[int, int]], list[str]] = {}
    for one in seen:
        by_place.setdefault((_folder(one.file), one.extent), []).append(one.file)
    return {file for files in by_place.values() if len(files) >= SERIES for file in files}


def _stem(file: str) -> str:
    """Returns the name without what distinguishes copies; empty for a name without a word."""
    stem = _COPY_NUMBER.sub("", PurePosixPath(file).stem)
    words = [word for word in words_of(to_ascii(stem)) if not _RESOLUTION.fullmatch(word)]
    named = [word for word in words if word not in COPY_WORDS] or words
    return " ".join(named) if any(len(word) >= LEAST_WORD and word.isalpha() for word in named) else ""


def _folder(file: str) -> str:
    return file.rpartition("/")[0]


def _group(how: str, alike: Sequence[TextureState], root: Path) -> Group:
    # All but the largest, which usually has the most detail, are wasted. A link takes no disk space, but each
    # name is a texture in GPU memory.
    disk = sorted({_place(root, one.file): one.size for one in alike}.values())
    memory = sorted(one.memory for one in alike)
    return Group(how, tuple(one.file for one in alike), sum(disk[:-1]), sum(memory[:-1]))


def _place(root: Path, file: str) -> tuple[int, int, str]:
    """Identifies a file on disk; the same for all links to it."""
    try:
        found = os.stat(root / file)
    except (OSError, ValueError):
        return 0, 0, file
    return (found.st_dev, found.st_ino, "") if found.st_ino else (0, 0, file)
