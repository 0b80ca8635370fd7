"""What an audit took a project's textures for, in a file of the cache folder: the audit writes it for the
import advisor, which has seen nothing of the project when the daemon begins."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from accel.image import reading
from accel.models.catalogue import models_of
from accel.replacing import replaced
from accel.texture.examine import Examination, examine
from accel.texture.kinds import KINDS

if TYPE_CHECKING:
    from accel.texture.context import Portions
    from accel.texture.neighbours import Size

VERSION = 3
"""Raised when the file changes its form: one of another form says nothing."""


class Known(Struct, frozen=True):
    """What is kept."""

    version: int
    judged_by: Sequence[int | str]
    """What textures were read and judged by: of what changed since, nothing is said."""
    kinds: Sequence[str]
    files: Sequence[str]
    """Below the project's root, with slashes."""
    extents: bytes
    """Width and height, texels, file after file, as this machine has its uint32."""
    shares: bytes
    """Probabilities of the kinds by the texture alone, file after file, as this machine has its float32."""

    def sizes(self) -> Sequence[Size]:
        """As `Context.add_all` takes them. Raises ValueError where they aren't what they should be."""
        sides = memoryview(self.extents).cast("I").tolist()
        return list(zip(sides[::2], sides[1::2], strict=True))

    def portions(self) -> Portions:
        """As `Context.add_all` takes them. Raises ValueError where they aren't what they should be."""
        import numpy as np

        from accel.texture.context import portions

        shares = np.frombuffer(self.shares, np.float32).reshape(len(self.files), len(KINDS))
        if not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError("no probabilities")
        return portions(shares.astype(np.float64))


class Taken:
    """What textures are taken for alone, gathered to be kept."""

    def __init__(self) -> None:
        self._files: list[str] = []
        self._extents = array("I")
        self._shares = array("f")

    def add(self, file: str, found: Examination) -> None:
        """One more; a name that is no Unicode isn't kept, as no editor can report it."""
        if file.isprintable():
            self._files.append(file)
            self._extents.extend(found.inspection.extent)
            self._shares.extend(found.classification.probabilities.get(kind, 0.0) for kind in KINDS)

    def with_those_of(self, other: Taken, files: Container[str]) -> Taken:
        """These, and of `files` what `other` says."""
        made = Taken()
        for taken, wanted in ((self, False), (other, True)):
            for at, file in enumerate(taken._files):
                if (file in files) == wanted:
                    made._files.append(file)
                    made._extents.extend(taken._extents[2 * at : 2 * at + 2])
                    made._shares.extend(taken._shares[len(KINDS) * at : len(KINDS) * (at + 1)])
        return made

    def keep(self, folder: Path, root: Path) -> None:
        """Puts it in the place of what was kept of the project; where that can't be done, that stays."""
        extents, shares = self._extents.tobytes(), self._shares.tobytes()
        known = Known(VERSION, _judged_by(), KINDS, self._files, extents, shares)
        replaced(_file(folder, root), msgspec.msgpack.encode(known))


def read(folder: Path, root: Path) -> tuple[Sequence[str], Sequence[Size], Portions] | None:
    """A project's files with their sizes and what each was taken for; None where nothing that can be used is
    kept."""
    try:
        known = msgspec.msgpack.decode(_file(folder, root).read_bytes(), type=Known)
        if known.version != VERSION or tuple(known.kinds) != KINDS or known.judged_by != _judged_by():
            return None
        sizes = known.sizes()
        return (known.files, sizes, known.portions()) if len(sizes) == len(known.files) else None
    # A view whose bytes are no whole numbers raises TypeError.
    except (OSError, ValueError, TypeError):
        return None


def _judged_by() -> list[int | str]:
    """How images are read, and the code and the models that judge them."""
    record = examine.workload
    return [reading.VERSION, record.version, *(model.digest for model in models_of(record.name))]


def _file(folder: Path, root: Path) -> Path:
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:24]
    return folder / "kinds" / f"{name}.msgpack"
