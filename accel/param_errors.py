"""Explains invalid parameters: names, values, and what is allowed."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec import inspect as types

from accel.text import AnyText, Text, joined, text

MAX_VALUE = 60
"""Maximum number of characters shown of a value."""

MAX_HINT = 80
"""Maximum number of characters shown of a description."""

ALIASES: Mapping[str, str] = {"jpg": "jpeg", "jpe": "jpeg", "tif": "tiff", "tpic": "tga", "hdri": "hdr"}
"""Alternative names of choices, in lower case."""

KINDS: Mapping[type[types.Type], Text] = {
    types.BoolType: text("true or false"),
    types.IntType: text("a whole number"),
    types.FloatType: text("a number"),
    types.StrType: text("text"),
    types.NoneType: text("null"),
    types.DictType: text("an object"),
    types.StructType: text("an object"),
}


RANGES: Mapping[tuple[str, ...], Text] = {
    ("ge", "le"): text("{kind} from {ge} to {le}"),
    ("ge", "lt"): text("{kind} from {ge} below {lt}"),
    ("le", "gt"): text("{kind} up to {le} above {gt}"),
    ("gt", "lt"): text("{kind} above {gt} below {lt}"),
    ("ge",): text("{kind} from {ge}"),
    ("le",): text("{kind} up to {le}"),
    ("gt",): text("{kind} above {gt}"),
    ("lt",): text("{kind} below {lt}"),
}
"""Descriptions of a range, by which bounds it has."""


def explain_invalid_params(
    params: Mapping[str, Any], kind: type[Struct], error: msgspec.ValidationError
) -> AnyText:
    """Returns why `params` aren't a valid `kind`, to follow "NAME: "."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name in params.keys() - fields.keys():
        return text("there is no parameter '{name}'; {known}", name=name, known=_known(name, fields))
    for name, field in fields.items():
        if name not in params:
            if field.required:
                return text(
                    "the parameter {name} is missing; it must be {wanted}",
                    name=name,
                    wanted=expected(field.type) or text("given"),
                )
            continue
        try:
            msgspec.convert(params[name], field.type)
        except msgspec.ValidationError as wrong:
            hint = _hint(types.type_info(field.type), params[name])
            return text(
                "{name} is {shown}; {must}{hint}",
                name=name,
                shown=_shown(params[name]),
                must=_must(field.type, wrong),
                hint=hint,
            )
    # The type's own check failed because values contradict each other.
    return str(error)


def expected(kind: Any) -> AnyText:
    """Describes the values of a type, for example `a whole number from 1 to 4096`; empty if unknown."""
    return words(types.type_info(kind))


def suggestion(text: str, allowed: Iterable[Any]) -> Any:
    """Returns the choice that equals `text` ignoring case or is its alias, or None."""
    known = {str(each).casefold(): each for each in allowed}
    key = text.casefold()
    return known.get(key, known.get(ALIASES.get(key, "")))


def choices(info: types.Type) -> Sequence[Any]:
    """Returns the values of a Literal or Enum type, or nothing for other types."""
    if isinstance(info, types.Metadata):
        return choices(info.type)
    if isinstance(info, types.LiteralType):
        # msgspec sorts them as text, which puts 16 before 8.
        return sorted(info.values, key=_by_number)
    if isinstance(info, types.EnumType):
        return [member.value for member in info.cls]
    if isinstance(info, types.UnionType):
        return [each for part in info.types for each in choices(part)]
    return ()


def _by_number(value: object) -> list[tuple[int, str]]:
    """Sort key that puts `astc_4x4` before `astc_10x10`, and words after numbers."""
    parts = re.findall(r"\d+|\D+", str(value))
    return [(int(part), "") if part.isdecimal() else (sys.maxsize, part) for part in parts]


def items(info: types.Type) -> types.Type | None:
    """Returns the item type of a list, or None for other types."""
    if isinstance(info, types.Metadata):
        return items(info.type)
    if isinstance(info, types.UnionType):
        return next(filter(None, map(items, info.types)), None)
    lists = types.ListType | types.SetType | types.FrozenSetType | types.VarTupleType
    return info.item_type if isinstance(info, lists) else None


def own_fields_first(info: types.StructType) -> tuple[types.Field, ...]:
    """Returns the fields of a class, followed by those of its base classes."""
    classes = [cls for cls in info.cls.__mro__ if issubclass(cls, Struct) and cls is not Struct]

    def declared(field: types.Field) -> int:
        return max(at for at, cls in enumerate(classes) if field.name in cls.__struct_fields__)

    return tuple(sorted(info.fields, key=declared))


def _hint(info: types.Type, value: object) -> AnyText:
    """Suggests a valid value; empty if none is similar."""
    item = items(info)
    given = value if isinstance(value, list) else [value]
    allowed = list(choices(info if item is None else item))
    for each in given:
        if isinstance(each, str) and each not in allowed:
            close = difflib.get_close_matches(each.lower(), map(str, allowed), 1)
            likely = suggestion(each, allowed) or next(iter(close), None)
            return text("; did you mean {likely}?", likely=likely) if likely is not None else ""
    return ""


def _must(kind: Any, wrong: msgspec.ValidationError) -> AnyText:
    says = expected(kind)
    # Inside a list or object, only msgspec's message says where.
    inside = "`$" in str(wrong) or not says
    must = text("it must be {wanted}", wanted=says or text("another value"))
    return text("{must} ({reason})", must=must, reason=wrong) if inside else must


def words(info: types.Type) -> AnyText:
    """Like `expected`, for a type from `msgspec.inspect`."""
    if isinstance(info, types.Metadata):
        inner, purpose = words(info.type), _purpose(info)
        return text("{kind} ({purpose})", kind=inner, purpose=purpose) if purpose else inner
    if isinstance(info, types.LiteralType | types.EnumType):
        return text("one of {str}", str=[*map(str, choices(info))])
    if isinstance(info, types.UnionType):
        parts = [words(part) for part in info.types]
        return joined(parts, text("{head} or {rest}")) if all(parts) else ""
    if (item := items(info)) is not None:
        return _list(item)
    known = KINDS.get(type(info))
    return "" if known is None else _ranged(known, info)


def _list(item: types.Type) -> AnyText:
    if allowed := choices(item):
        return text("a list such as {sample}, each {item}", sample=_shown([allowed[0]]), item=words(item))
    if isinstance(item, types.Metadata):
        return _list(item.type)
    if isinstance(item, types.StructType | types.DictType):
        return text("a list of objects")
    sample = {types.StrType: "a text", types.IntType: 1, types.FloatType: 0.5, types.BoolType: True}
    if type(item) in sample:
        return text("a list such as {sample}", sample=_shown([sample[type(item)]]))
    return text("a list")


def _purpose(info: types.Metadata) -> str:
    """Returns the description of text with a pattern, because few people can read the pattern itself."""
    description = str((info.extra_json_schema or {}).get("description", ""))
    if not description or not isinstance(info.type, types.StrType) or info.type.pattern is None:
        return ""
    first = description.partition(". ")[0].rstrip(".")
    return first if len(first) <= MAX_HINT else f"{first[:MAX_HINT]}..."


def _ranged(kind: Text, info: types.Type) -> AnyText:
    if isinstance(info, types.IntType | types.FloatType):
        bounds = {"ge": info.ge, "le": info.le, "gt": info.gt, "lt": info.lt}
        given = {name: bound for name, bound in bounds.items() if bound is not None}
        known = RANGES.get(tuple(given))
        return kind if known is None else known.fill(kind=kind, **given)
    if isinstance(info, types.StrType) and info.pattern is not None:
        return text("text of the form {pattern}", pattern=info.pattern)
    if isinstance(info, types.StrType) and info.max_length is not None:
        return text("text of at most {count} characters", count=info.max_length)
    return kind


def _known(name: str, fields: Mapping[str, object]) -> AnyText:
    if close := difflib.get_close_matches(name, fields, 1):
        return text("did you mean {close}?", close=close[0])
    return text("it takes {names}", names=[*fields]) if fields else text("it takes none")


def _shown(value: object) -> str:
    try:
        text = msgspec.json.encode(value, enc_hook=repr).decode()
    except UnicodeEncodeError:
        text = ascii(value)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}..."
