"""Parameters from the shell: JSON where it fits, text where that is meant."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct


def value_of(params: type[Struct], name: str, text: str) -> Any:
    """`text` as the parameter's type takes it: as JSON, or as it stands (`8` may be a number or a choice)."""
    kind = next((each.type for each in msgspec.structs.fields(params) if each.encode_name == name), Any)
    value = as_json(text)
    if value is not text and not _takes(kind, value) and _takes(kind, text):
        return text
    return value


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
