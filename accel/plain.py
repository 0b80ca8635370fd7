"""Parameters that a workload doesn't take, in plain words: which, what was given, what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec import inspect as types

LONGEST = 60
"""Characters of a value that are shown."""

KINDS: Mapping[type[types.Type], str] = {
    types.BoolType: "true or false",
    types.IntType: "a whole number",
    types.FloatType: "a number",
    types.StrType: "text",
    types.NoneType: "null",
    types.DictType: "an object",
    types.ListType: "a list",
}


def explain(params: Mapping[str, Any], kind: type[Struct], error: msgspec.ValidationError) -> str:
    """Why `params` aren't a `kind`; reads well after "NAME: "."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name in params.keys() - fields.keys():
        return f"there is no parameter {name!r}; {_known(name, fields)}"
    for name, field in fields.items():
        if name not in params:
            if field.required:
                return f"the parameter {name} is missing; it must be {wanted(field.type) or 'given'}"
            continue
        try:
            msgspec.convert(params[name], field.type)
        except msgspec.ValidationError as wrong:
            return f"{name} is {_shown(params[name])}; {_must(field.type, wrong)}"
    # What the type's own check said of values that are wrong together.
    return str(error)


def wanted(kind: Any) -> str:
    """What values of a type are, such as `a whole number from 1 to 4096`; empty where no words are known."""
    return _words(types.type_info(kind))


def _must(kind: Any, wrong: msgspec.ValidationError) -> str:
    words = wanted(kind)
    # Inside a list or an object, only msgspec knows the place.
    inside = "`$" in str(wrong) or not words
    return f"it must be {words or 'another value'}" + (f" ({wrong})" if inside else "")


def _words(info: types.Type) -> str:
    if isinstance(info, types.Metadata):
        return _words(info.type)
    if isinstance(info, types.LiteralType):
        return "one of " + ", ".join(map(str, info.values))
    if isinstance(info, types.EnumType):
        return "one of " + ", ".join(str(member.value) for member in info.cls)
    if isinstance(info, types.UnionType):
        parts = [_words(part) for part in info.types]
        return " or ".join(parts) if all(parts) else ""
    return KINDS.get(type(info), "") + _range(info)


def _range(info: types.Type) -> str:
    if isinstance(info, types.IntType | types.FloatType):
        low, high = info.ge, info.le
        above, below = info.gt, info.lt
        bounds = [("from", low), ("to" if low is not None else "up to", high)]
        bounds += [("above", above), ("below", below)]
        return "".join(f" {word} {bound}" for word, bound in bounds if bound is not None)
    if isinstance(info, types.StrType) and info.max_length is not None:
        return f" of at most {info.max_length} characters"
    return ""


def _known(name: str, fields: Mapping[str, object]) -> str:
    if close := difflib.get_close_matches(name, fields, 1):
        return f"did you mean {close[0]}?"
    return f"it takes {', '.join(fields)}" if fields else "it takes none"


def _shown(value: object) -> str:
    try:
        text = msgspec.json.encode(value, enc_hook=repr).decode()
    except UnicodeEncodeError:
        text = ascii(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
