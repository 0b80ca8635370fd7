"""The files that arguments name: files, folders with the images in them, and patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path

from msgspec import Struct

from accel.text import AnyText, text


class Problem(Struct, frozen=True):
    """Why there is nothing to do."""

    code: str
    """One of the error codes."""
    reason: AnyText
    """For people; it reads well after the file's name."""


class Found(Struct, frozen=True):
    """A file to work on, or why what was named is none."""

    file: str
    """As the person named it; below a folder that was named, with that in front."""
    root: str | None = None
    """The folder that was named; None for a file."""
    under: str = ""
    """Keeps apart the outputs of several folders."""
    problem: Problem | None = None


def find(
    arguments: Sequence[str], *, recursive: bool, out: Path | None, made: Callable[[str], bool] | None = None
) -> list[Found]:
    """Every file that `arguments` name, in their order, without what lies in `out`, where outputs go.

    Where `out` is a folder that is named itself, or one around it, what earlier runs `made` isn't taken.

    Patterns (`*`, `?`, `[]`, `**`) are expanded here, as Windows' shells leave that to programs; a file that
    is called like a pattern is that file.
    """
    folders = [argument for argument in arguments if recursive and os.path.isdir(argument)]
    apart = _apart(folders) if len(folders) > 1 else {}
    found: list[Found] = []
    for argument in arguments:
        found += _named(argument, apart.get(argument, ""), recursive, out, made)
    return found


def _apart(folders: Sequence[str]) -> dict[str, str]:
    """What keeps the outputs of each folder apart: its name, or of those of one name their paths below what
    they have in common."""
    paths = {folder: os.path.abspath(folder) for folder in folders}
    alike: dict[str, set[str]] = {}
    for path in paths.values():
        alike.setdefault(os.path.basename(path).casefold(), set()).add(path)
    return {
        folder: _below_common(path, alike[os.path.basename(path).casefold()])
        for folder, path in paths.items()
    }


def _below_common(path: str, alike: Set[str]) -> str:
    if len(alike) == 1:
        return os.path.basename(path)
    try:
        common = os.path.commonpath(alike)
    # Of several drives.
    except ValueError:
        return os.path.basename(path)
    return os.path.relpath(path, os.path.dirname(common) if common in alike else common)


def _named(
    argument: str, under: str, recursive: bool, out: Path | None, made: Callable[[str], bool] | None
) -> Iterator[Found]:
    if os.path.isfile(argument):
        yield Found(argument, problem=_device(argument))
    elif os.path.isdir(argument) and recursive:
        yield from _walked(argument, under, out, made)
    elif os.path.isdir(argument):
        yield _nothing(argument, text("is a folder; name the files in it, or add --recursive"), "bad_input")
    elif glob.has_magic(argument) and not os.path.lexists(argument):
        yield from _matching(argument, out)
    else:
        yield _hidden(argument) or _nothing(argument, text("isn't there, or is no file"))


def _hidden(argument: str) -> Found | None:
    """That nobody may say whether it is there, as in a folder of somebody else."""
    try:
        os.stat(argument)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return _nothing(argument, text("can't be read ({strerror})", strerror=error.strerror), "bad_input")
    # A name that no file can have.
    except ValueError:
        return None
    return None


def _device(file: str) -> Problem | None:
    """Of what other systems put on a share or a disk, and Windows lists but opens as something else."""
    for path in (file, os.path.dirname(file)):
        # Which names are devices' differs between versions of Windows.
        if os.path.abspath(path).startswith("\\\\.\\"):
            name = os.path.basename(path)
            return Problem(
                "bad_input", text("can't be read: Windows takes {name} for a device; rename it", name=name)
            )
    return None


def _nothing(argument: str, reason: AnyText, code: str = "not_found") -> Found:
    return Found(argument, problem=Problem(code, reason))


def _walked(folder: str, under: str, out: Path | None, made: Callable[[str], bool] | None) -> Iterator[Found]:
    from bridge.audit.project import IMAGES
    from bridge.folders import hidden, walk

    outputs = None if out is None else _key(out)
    in_place = outputs is not None and os.path.join(_key(folder), "").startswith(os.path.join(outputs, ""))
    there = passed = False
    for each in walk(
        Path(folder),
        lambda below, names: hidden(below, names) or _key(os.path.join(folder, below)) == outputs,
    ):
        file = os.path.join(folder, *each.file.split("/"))
        if each.problem:
            there = True
            yield Found(os.path.normpath(file), folder, under, Problem("bad_input", each.problem))
        elif file.lower().endswith(IMAGES):
            if in_place and made is not None and made(file):
                passed = True
                continue
            there = True
            yield Found(file, folder, under, _device(file))
    if not there:
        made_here = text("has no images in it but what earlier runs made")
        yield _nothing(folder, made_here if passed else text("has no images in it"))


def _matching(pattern: str, out: Path | None) -> Iterator[Found]:
    made = None if out is None or "**" not in pattern else os.path.join(_key(out), "")
    there = False
    for file in sorted(glob.iglob(pattern, recursive=True)):
        if os.path.isfile(file) and not (made and _key(file).startswith(made)):
            there = True
            yield Found(file, problem=_device(file))
    if not there:
        yield _nothing(pattern, text("matches no file"))


def _key(path: str | Path) -> str:
    return os.path.normcase(os.path.abspath(path))
