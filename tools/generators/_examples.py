"""Example values and mistakes for a message, made from its types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct, inspect

from bridge.core import errors
from bridge.core.errors import CloseCode

LONGEST = 256
"""Texts and lists longer than this aren't tried against their limit: the vectors would be mostly padding."""

FREE_VALUES: dict[str, Any] = {
    "null": None,
    "bools": [True, False],
    "unsigned": [0, 1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53 - 1, 2**53, 2**63 - 1],
    "negative": [-1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**31) - 1, -(2**53), -(2**63)],
    "floats": [0.0, 0.5, -1.5, 0.1, 1e300, -1e-300],
    "texts": ["", "é", "日本語", "🎨", "\u0000", "x" * 31, "x" * 32, "x" * 255, "x" * 256],
    "lists": [[], [[]], list(range(15)), list(range(16))],
    "maps": [{}, {"": {}}, {f"k{n}": n for n in range(15)}, {f"k{n}": n for n in range(16)}],
}
"""Values around every border between two of msgpack's forms."""


class Mistake(Struct):
    """One message that must be refused: with which code, and which field the reason must name."""

    kind: CloseCode
    path: str
    value: dict[str, Any]
    note: str = ""


def minimal(info: inspect.StructType) -> dict[str, Any]:
    """The required fields only."""
    return _tag(info) | {f.encode_name: example(f.type, f.name) for f in info.fields if f.required}


def full(info: inspect.StructType) -> dict[str, Any]:
    """All fields; a part that contains itself does so once, with the required fields."""
    fields = {
        f.encode_name: [minimal(info)] if _items(f.type) is info else example(f.type, f.name, everything=True)
        for f in info.fields
    }
    return _tag(info) | fields


def _items(info: inspect.Type) -> inspect.Type | None:
    """The type of a list's items."""
    return info.item_type if isinstance(info, inspect.ListType) else None


def example(info: inspect.Type, name: str, *, everything: bool = False) -> Any:
    """A valid value; texts are their field's name."""
    match info:
        case inspect.Metadata():
            return example(info.type, name, everything=everything)
        case inspect.StructType():
            return full(info) if everything else minimal(info)
        case inspect.ListType():
            return [example(info.item_type, name, everything=everything)]
        case inspect.DictType():
            return {"some": {"nested": [1, 2.5, None, True, "text"]}}
        case inspect.LiteralType():
            return info.values[0]
        case inspect.StrType():
            return "0123456789abcdef" * 4 if info.pattern else name
        case inspect.IntType():
            return max(info.ge or 0, 1)
        case inspect.FloatType():
            return 0.5
        case inspect.BoolType():
            return True
        case inspect.BytesType():
            return b"\x00\xff"
        case inspect.AnyType():
            return {"nested": [1, 2.5, None, True, "text"]}
    raise TypeError(f"no example for {info}")


def mistakes(info: inspect.StructType) -> Iterator[Mistake]:
    """One message for each way in which each field, of it or of its parts, can be wrong."""
    base = minimal(info)
    for field in info.fields:
        name = field.encode_name
        if field.required:
            yield Mistake(errors.MISSING_FIELD, name, {k: v for k, v in base.items() if k != name})
        # A part that contains itself has the same mistakes there.
        if _items(field.type) is info:
            continue
        for kind, path, value, note in _wrong(field.type, field.name):
            yield Mistake(kind, name + path, base | {name: value}, note)


Wrong = tuple[CloseCode, str, Any, str]


def _wrong(info: inspect.Type, name: str) -> Iterator[Wrong]:
    """Wrong values for one field: code, path below the field, value, note."""
    match info:
        case inspect.Metadata():
            yield from _wrong(info.type, name)
            return
        case inspect.AnyType():
            return
    yield errors.WRONG_TYPE, "", 7 if _is_text(info) else "text", ""
    match info:
        case inspect.StructType():
            for mistake in mistakes(info):
                yield mistake.kind, f".{mistake.path}", mistake.value, mistake.note
        case inspect.ListType():
            if info.max_length is not None and info.max_length <= LONGEST:
                yield (
                    errors.WRONG_VALUE,
                    "",
                    [example(info.item_type, name)] * (info.max_length + 1),
                    "-too-many",
                )
            for kind, path, value, note in _wrong(info.item_type, name):
                yield kind, f"[0]{path}", [value], note
        case inspect.LiteralType():
            yield errors.WRONG_VALUE, "", "nonsense", ""
        case inspect.StrType():
            yield from _wrong_text(info)
        case inspect.IntType() | inspect.FloatType():
            yield from _wrong_number(info)


def _is_text(info: inspect.Type) -> bool:
    # Bytes are text in JSON: a number is wrong for them in both subprotocols.
    return isinstance(info, (inspect.StrType, inspect.BytesType, inspect.LiteralType))


def _wrong_text(info: inspect.StrType) -> Iterator[Wrong]:
    if info.pattern is not None:
        yield errors.WRONG_VALUE, "", "nonsense", ""
    if info.min_length:
        yield errors.WRONG_VALUE, "", "x" * (info.min_length - 1), "-too-short"
    if info.max_length is not None and info.max_length <= LONGEST:
        yield errors.WRONG_VALUE, "", "x" * (info.max_length + 1), "-too-long"


def _wrong_number(info: inspect.IntType | inspect.FloatType) -> Iterator[Wrong]:
    if info.ge is not None:
        yield errors.WRONG_VALUE, "", info.ge - 1, "-too-small"
    if info.gt is not None:
        yield errors.WRONG_VALUE, "", info.gt, "-too-small"
    if info.le is not None:
        yield errors.WRONG_VALUE, "", info.le + 1, "-too-large"


def _tag(info: inspect.StructType) -> dict[str, Any]:
    return {} if info.tag is None else {str(info.tag_field): info.tag}
