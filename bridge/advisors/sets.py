"""Textures that belong together: the maps of one material, by their names in one folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Protocol, TypeVar

from accel.texture.names import material_of, words_of

MAX_SIBLINGS = 64
"""Most names that one texture is judged by."""


class Named(Protocol):
    """Anything with a place below the project's root."""

    @property
    def file(self) -> str: ...


One = TypeVar("One", bound=Named)


Beside = Mapping[str, Sequence[str]]
"""The names of one folder's files by the word that they begin with, each group in order."""


def beside(names: Iterable[str]) -> Beside:
    """What `siblings_of` looks up: a folder's names are read once, not once for each of its files."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(_start(name), []).append(name)
    return groups


def siblings_of(file: str, folder: Beside) -> list[str]:
    """Those of a folder's file names that may be of the same material as `file`.

    Only these, so that the judgement of a texture doesn't change with whatever else lies beside it.
    """
    own = PurePosixPath(file).name
    near = folder.get(_start(own), ())[: MAX_SIBLINGS + 1]
    return [name for name in near if name != own][:MAX_SIBLINGS]


def by_material(files: Sequence[One]) -> list[tuple[str, list[One]]]:
    """`files` in their order, those of one material together, under its name; each other one under ``."""
    sets: dict[tuple[str, str], list[One]] = {}
    for file in files:
        place = PurePosixPath(file.file)
        sets.setdefault((place.parent.as_posix(), material_of(_spelt(place.stem))), []).append(file)
    return [(_name(members) if len(members) > 1 else "", members) for members in sets.values()]


def _name(members: Sequence[Named]) -> str:
    """The material's name as its people write it: what the names have in common, without what joins words."""
    stems = [PurePosixPath(member.file).stem for member in members]
    shortest = min(stems, key=len)
    same = next((n for n in range(len(shortest), 0, -1) if len({stem[:n].lower() for stem in stems}) == 1), 0)
    # `rock_roughness` and `rock_rma` have more in common than their material.
    while same and _cuts_a_word(stems, same):
        same -= 1
    return shortest[:same].rstrip(" _-.") or material_of(shortest)


def _cuts_a_word(stems: Sequence[str], at: int) -> bool:
    return any(stem[at - 1].isalnum() and stem[at : at + 1].islower() for stem in stems)


def _start(name: str) -> str:
    stem = _spelt(PurePosixPath(name).stem)
    return next(iter(words_of(stem)), stem.lower())


def _spelt(stem: str) -> str:
    """`stem` with each run of letters beyond ASCII as one word of ASCII: the lexicon knows no others."""
    return _OTHERS.sub(
        lambda found: f"_{found[0].encode('utf-8', 'replace').hex().translate(_LETTERS)}_", stem
    )


_OTHERS = re.compile(r"[^\x00-\x7f]+")
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
