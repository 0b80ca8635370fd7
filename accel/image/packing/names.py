"""What sprites are called, by the names of the inputs that they come from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from accel.text import text
from accel.workload import WorkloadError


def sprite_names(inputs: Sequence[str], folders: bool, extension: bool) -> list[str]:
    """A name for each input, with `/` between folders; none is repeated.

    With `folders` each is the path below the folder that all share, else the file's name. Raises
    WorkloadError `bad_params` for names that are equal, or differ in upper and lower case alone: files that
    are made of them would overwrite one another.
    """
    paths = [[part for part in name.replace("\\", "/").split("/") if part] or [name] for name in inputs]
    shared = _shared([path[:-1] for path in paths]) if folders else 0
    names = []
    for path in paths:
        parts = path[shared:] if folders else path[-1:]
        names.append("/".join(parts if extension else [*parts[:-1], _stem(parts[-1])]))
    _check(inputs, names, folders, extension)
    return names


def _shared(folders: list[list[str]]) -> int:
    """With how many folders all begin."""
    first, last = min(folders), max(folders)
    equal = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return sum(1 for _ in equal)


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _check(inputs: Sequence[str], names: list[str], folders: bool, extension: bool) -> None:
    seen: dict[str, str] = {}
    for given, name in zip(inputs, names, strict=True):
        other = seen.get(name.casefold())
        if other is not None:
            reason = text(
                "would be called {name} in the atlas, as {other} is; rename one of them",
                name=name,
                other=other,
            )
            if not (folders and extension):
                reason = text("{reason}, or keep folders and extensions", reason=reason)
            raise WorkloadError("bad_params", reason, given)
        seen[name.casefold()] = given
