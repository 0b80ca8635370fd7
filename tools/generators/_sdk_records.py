"""The protocol's messages as the SDK generators see them: records with fields, and their limits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

from msgspec import NODEFAULT, Struct, inspect

from bridge.core.messages import CLIENT_MESSAGES, EVENT_DATA, SERVER_MESSAGES
from tools.generators import _records

TypeName = Literal["int", "float", "str", "bool", "bytes", "any", "map", "choice", "list", "record"]


class FieldType(Struct, frozen=True):
    """The type of a field, or of a list's items."""

    name: TypeName
    low: float | None = None
    """The least value of a number, or length of a text or list."""
    high: float | None = None
    """The largest one."""
    is_digest: bool = False
    """Whether a text is a SHA-256 in lower-case hex, the only pattern of the protocol."""
    choices: tuple[str, ...] = ()
    item: FieldType | None = None
    """The type of a list's items."""
    record: str = ""
    """The name of a record."""


class FieldRecord(Struct, frozen=True):
    """One field of a record."""

    name: str
    type: FieldType
    is_required: bool
    default: Any
    """The value of an absent field; None for one that is then unset. Lists and maps are empty."""
    doc: str

    @property
    def is_optional(self) -> bool:
        """Whether the field may be unset, which no value of its type stands for."""
        return not self.is_required and self.default is None and self.type.name != "any"


class Record(Struct, frozen=True):
    """A message, or a map inside one."""

    name: str
    tag: str
    """The `type` of a message; empty for a map inside one."""
    doc: str
    fields: tuple[FieldRecord, ...]
    from_server: bool = False
    from_client: bool = False


def records() -> list[Record]:
    """Returns all records, each after those that it contains; one that contains itself counts once."""
    found: dict[str, Record] = {}
    for message in dict.fromkeys((*SERVER_MESSAGES, *CLIENT_MESSAGES, *EVENT_DATA)):
        info = inspect.type_info(message)
        assert isinstance(info, inspect.StructType)
        _collect(info, found)
    return list(found.values())


def _collect(info: inspect.StructType, found: dict[str, Record], above: tuple[str, ...] = ()) -> None:
    name = info.cls.__name__
    if name in found or name in above:
        return
    for inner in _within(info):
        _collect(inner, found, (*above, name))
    docs = {each.name: each.says for cls in info.cls.__mro__ if cls.__module__ == info.cls.__module__
            for each in _records.attributes(cls)}  # fmt: skip
    found[name] = Record(
        name=name,
        tag=str(info.tag or ""),
        doc=(info.cls.__doc__ or "").strip(),
        fields=tuple(_field(field, docs.get(field.name, "")) for field in info.fields),
        from_server=info.cls in SERVER_MESSAGES,
        from_client=info.cls in CLIENT_MESSAGES,
    )


def _within(info: inspect.StructType) -> Iterator[inspect.StructType]:
    for field in info.fields:
        kind = _bare(field.type)
        if isinstance(kind, inspect.ListType):
            kind = _bare(kind.item_type)
        if isinstance(kind, inspect.StructType):
            yield kind


def _bare(kind: inspect.Type) -> inspect.Type:
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    return kind


def _field(field: inspect.Field, doc: str) -> FieldRecord:
    described = field.type.extra_json_schema if isinstance(field.type, inspect.Metadata) else None
    kind = _type(field.type)
    default = None if field.default is NODEFAULT else field.default
    if field.default_factory is not NODEFAULT:
        default = field.default_factory()
    doc = doc or str((described or {}).get("description", ""))
    return FieldRecord(field.encode_name, kind, field.required, default, doc)


def _type(kind: inspect.Type) -> FieldType:
    match _bare(kind):
        case inspect.IntType(ge=low, le=high):
            return FieldType("int", low, high)
        case inspect.FloatType(gt=above, ge=low, le=high):
            return FieldType("float", low if above is None else math.nextafter(above, math.inf), high)
        case inspect.StrType(min_length=low, max_length=high, pattern=pattern):
            return FieldType("str", low, high, is_digest=pattern is not None)
        case inspect.BoolType():
            return FieldType("bool")
        case inspect.BytesType():
            return FieldType("bytes")
        case inspect.LiteralType(values=values):
            return FieldType("choice", choices=tuple(map(str, values)))
        case inspect.ListType(item_type=item, max_length=high):
            return FieldType("list", high=high, item=_type(item))
        case inspect.DictType():
            return FieldType("map")
        case inspect.StructType(cls=cls):
            return FieldType("record", record=cls.__name__)
        case inspect.AnyType():
            return FieldType("any")
        case other:
            raise TypeError(f"no SDK can express {other}")
