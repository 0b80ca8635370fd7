"""What a workload gave, made plain: anybody's code gives anything, and whoever asked has to read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from accel.text import AnyText, text
from accel.workload import Output, OutputFile, WorkloadError

PLAIN = (bytes, bytearray, memoryview)
"""What stays as it is beside the types that JSON has."""

LONGEST = 128
"""Most characters of a media type."""

LARGEST = 64 << 20
"""Most bytes of a value as msgpack: who asked for it has it in memory several times, while others wait."""


def checked(output: object) -> Output:
    """`output`, its value of plain types, if it is what a workload gives. Raises WorkloadError `internal`."""
    if not isinstance(output, Output):
        raise _wrong(text("the workload gave {kind_of}, not Output", kind_of=kind_of(output)))
    try:
        return Output(plain(output.value), check_files(output.files))
    except ValueError as error:
        raise _wrong(f"the workload's {error}") from None


def plain(value: Any, place: str = "value") -> Any:
    """`value` of the types that msgpack and JSON share; keys of maps become text, as JSON has no other.

    Raises ValueError that begins with the `place` of what can't be sent.
    """
    try:
        kept = msgspec.to_builtins(value, builtin_types=PLAIN)
        made = msgspec.to_builtins(kept, builtin_types=PLAIN, str_keys=True)
        encoded = msgspec.msgpack.encode(made)
        # Quicker than a look at each key, which few have to have.
        differ = encoded != msgspec.msgpack.encode(kept)
    except RecursionError:
        raise ValueError(f"{place} is nested too deeply, or holds itself") from None
    except (TypeError, ValueError, OverflowError):
        raise ValueError(_fault(value, place)) from None
    if differ:
        _check_keys(kept, made, place)
    if len(encoded) > LARGEST:
        raise ValueError(f"{place} takes more than {LARGEST >> 20} MiB, so that it has to be given as a file")
    return made


def _check_keys(given: Any, made: Any, place: str) -> None:
    """Raises ValueError where keys of a map have become the same text."""
    if isinstance(given, dict):
        if len(made) < len(given):
            raise ValueError(f"{place} is a map with keys that are the same as text")
        for key, one, other in zip(given, given.values(), made.values(), strict=True):
            _check_keys(one, other, f"{place}[{key!r}]")
    elif isinstance(given, list | tuple):
        for index, (one, other) in enumerate(zip(given, made, strict=True)):
            _check_keys(one, other, f"{place}[{index}]")


def _fault(value: Any, place: str) -> str:
    """Where in `value` something isn't plain, and what it is."""
    for name, part in _parts(value):
        if not fits(part):
            return _fault(part, f"{place}{name}")
    # Of these types alone, msgspec takes none that is derived from them.
    if type(value) is int:
        return f"{place} is a whole number of more than 64 bits"
    if type(value) is str:
        return f"{place} is text that UTF-8 doesn't have"
    if isinstance(value, dict):
        return f"{place} is a map with keys that are no text"
    return f"{place} is {kind_of(value)}, which is no plain type"


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, msgspec.Struct):
        parts = ((f".{name}", getattr(value, name)) for name in value.__struct_fields__)
        # What is unset isn't sent.
        yield from (part for part in parts if part[1] is not msgspec.UNSET)
    elif isinstance(value, list | tuple):
        yield from ((f"[{index}]", part) for index, part in enumerate(value))


def fits(value: Any) -> bool:
    try:
        msgspec.msgpack.encode(msgspec.to_builtins(value, builtin_types=PLAIN, str_keys=True))
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def check_files(files: object) -> list[OutputFile]:
    """`files` with bytes that nobody changes any more. Raises WorkloadError `internal`."""
    if not isinstance(files, Sequence) or isinstance(files, str | bytes):
        raise _wrong(
            text("the workload's files are {kind_of}, not a list of OutputFile", kind_of=kind_of(files))
        )
    seen: set[tuple[str, str]] = set()
    for index, file in enumerate(files):
        _check_file(f"files[{index}]", file)
        # A picture and what tells of it may be called alike: the shell gives each its own suffix.
        if (file.name, file.media_type) in seen:
            raise _wrong(
                text(
                    "the workload gave two files called {file}, both {media_type}",
                    file=repr(file.name),
                    media_type=file.media_type,
                )
            )
        seen.add((file.name, file.media_type))
    # Whatever else has bytes may count them otherwise, or change yet.
    return [OutputFile(file.name, file.media_type, bytes(file.data)) for file in files]


def _check_file(place: str, file: object) -> None:
    if not isinstance(file, OutputFile):
        raise _wrong(f"the workload's {place} is {kind_of(file)}, not OutputFile")
    if not isinstance(file.name, str) or not file.name:
        raise _wrong(f"the workload's {place}.name is {file.name!r}; it must be text")
    if not fits(file.name):
        raise _wrong(f"the workload's {place}.name is text that UTF-8 doesn't have")
    if not isinstance(file.media_type, str) or not 1 <= len(file.media_type) <= LONGEST:
        raise _wrong(f"the workload's {place}.media_type is {file.media_type!r}; it must be as image/png")
    if not isinstance(file.data, PLAIN):
        raise _wrong(f"the workload's {place}.data is {kind_of(file.data)}, not bytes")


def kind_of(value: object) -> str:
    """What messages call its type."""
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _wrong(reason: AnyText) -> WorkloadError:
    return WorkloadError("internal", reason)
