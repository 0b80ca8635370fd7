"""Parameters from the shell: JSON where it fits, text where that is meant, and what people type instead."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec import inspect as types

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""A number as people type it, also where JSON has none: `.5`, `2.`, `+1`, `08`."""
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def value_of(params: type[Struct], name: str, text: str) -> Any:
    """`text` as the parameter's type takes it: as JSON, or as it stands (`8` may be a number or a choice).

    Choices may be typed in upper or lower case or by an alias (`JPG`), lists as `a,b`, what is true or
    false as `yes` or `0`, and numbers as `.5`.
    """
    kind = next((each.type for each in msgspec.structs.fields(params) if each.encode_name == name), Any)
    value = as_json(text)
    for each in (value, text):
        if _takes(kind, each):
            return each
    read = _read(types.type_info(kind), text, value)
    return value if read is None else read


def as_json(text: str) -> Any:
    """`text` as JSON, or as it stands."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _takes(kind: Any, value: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _read(info: types.Type, text: str, value: Any) -> Any:
    """What `text`, or `value` as JSON, may mean; None where that is unknown."""
    from accel.plain import choices, items, meant

    if (item := items(info)) is not None:
        return _list(item, text, value)
    if allowed := choices(info):
        return meant(text, allowed)
    if any(isinstance(part, types.BoolType) for part in _parts(info)):
        return {**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)}.get(text.casefold())
    return _number(text) if _are_numbers(info) else None


def _number(text: str) -> int | float | None:
    if not NUMBER.fullmatch(text):
        return None
    try:
        number = int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        # More digits than Python takes (`sys.set_int_max_str_digits`).
        return None
    return number if isinstance(number, int) or math.isfinite(number) else None


def _are_numbers(info: types.Type) -> bool:
    return any(isinstance(part, types.IntType | types.FloatType) for part in _parts(info))


def _list(item: types.Type, text: str, value: Any) -> list[Any] | None:
    from accel.plain import choices, meant

    if isinstance(value, dict) or (isinstance(value, str) and value.startswith(("[", "{"))):
        return None
    given = value if isinstance(value, list) else [part.strip() for part in text.split(",")]
    if allowed := choices(item):
        return [_or(meant(each, allowed), each) if isinstance(each, str) else each for each in given]
    if isinstance(value, list):
        return None
    if any(isinstance(part, types.StrType) for part in _parts(item)):
        return given
    return [_or(_number(each), as_json(each)) for each in given] if _are_numbers(item) else None


def _or(found: Any, otherwise: Any) -> Any:
    return otherwise if found is None else found


def _parts(info: types.Type) -> Sequence[types.Type]:
    """The types that a value may have."""
    if isinstance(info, types.Metadata):
        return _parts(info.type)
    return (
        [part for each in info.types for part in _parts(each)]
        if isinstance(info, types.UnionType)
        else [info]
    )
