"""The words of a path, and what those are worth that several makers use: a model says it of each."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from accel.texture.kinds import KINDS
from accel.texture.names import LOUD_FOLDERS, stem_of, words_of

Words = Mapping[str, Sequence[float]]
"""Logarithms of likelihood ratios of KINDS, by word; a folder's word ends with a slash."""


NUMBERED = "#"
"""The word of a name that ends with a number: one of several."""

SHORTEST = 4
"""Letters of a part of a word that counts by itself."""


def vocabulary(name: str) -> list[str]:
    """The words of a path with forward slashes, each once: of the file's name, and of the nearest folders.

    No number is one, but that there is one at the end. `icons/arrow_left2.png` has #, arrow, left and icons/.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    folders = path.parts[:-1][-LOUD_FOLDERS:]
    own = words_of(stem_of(path.name))
    numbered = [NUMBERED] if own and own[-1].isdigit() else []
    return sorted(
        {*numbered, *_plain(own), *(f"{word}/" for folder in folders for word in _plain(words_of(folder)))}
    )


def known(found: Iterable[str], words: Container[str]) -> list[str]:
    """Those that are among `words`; of menubutton, what ends it or else what begins it, if that is."""
    parts = (next((part for part in _parts(one) if part in words), None) for one in found)
    return sorted({part for part in parts if part is not None})


def worth_of_words(found: Iterable[str], words: Words) -> NDArray[np.float64]:
    """What words say together of KINDS; nothing where none of them is known."""
    values = [words[one] for one in known(found, words)]
    return np.sum(values, axis=0) if values else np.zeros(len(KINDS))


def _parts(word: str) -> Iterator[str]:
    yield word
    if not word.endswith("/"):
        yield from (word[start:] for start in range(1, len(word) - SHORTEST + 1))
        yield from (word[:end] for end in range(len(word) - 1, SHORTEST - 1, -1))


def _plain(words: Iterable[str]) -> list[str]:
    return [word for word in words if not word[0].isdigit()]
