"""Hypothesis strategies for messages, made from their types."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect as types

from bridge.core.messages import MAX_INT, MIN_INT

TEXT_LENGTH = 12


def messages(kinds: tuple[type, ...], *, binary: bool = True) -> st.SearchStrategy[Any]:
    """Any valid message of `kinds`; free fields hold bytes only where `binary`."""
    return st.one_of([of_type(types.type_info(kind), plain(binary=binary)) for kind in kinds])


def plain(*, binary: bool = True) -> st.SearchStrategy[Any]:
    """What a free field may hold."""
    leaf = (
        st.none()
        | st.booleans()
        | st.integers(MIN_INT, MAX_INT)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=TEXT_LENGTH)
    )
    if binary:
        leaf |= st.binary(max_size=TEXT_LENGTH)
    return st.recursive(
        leaf,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=TEXT_LENGTH), inner, max_size=3)
        ),
        max_leaves=8,
    )


def of_type(info: types.Type, free: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    match info:
        case types.StructType():
            # Deferred, as a part may contain itself.
            return st.deferred(lambda: _struct(info, free))
        case types.UnionType():
            return st.one_of([of_type(option, free) for option in info.types])
        case types.Metadata():
            return of_type(info.type, free)
        case types.AnyType():
            return free
        case types.ListType():
            return st.lists(of_type(info.item_type, free), max_size=min(3, info.max_length or 3))
        case types.DictType():
            return st.dictionaries(of_type(info.key_type, free), of_type(info.value_type, free), max_size=3)
        case types.LiteralType():
            return st.sampled_from(info.values)
        case _:
            return _scalar(info)


def _scalar(info: types.Type) -> st.SearchStrategy[Any]:
    match info:
        case types.StrType(pattern=pattern) if pattern is not None:
            return st.from_regex(pattern, fullmatch=True)
        case types.StrType():
            low = info.min_length or 0
            return st.text(min_size=low, max_size=min(low + TEXT_LENGTH, info.max_length or 1 << 20))
        case types.IntType():
            low = MIN_INT if info.ge is None else info.ge
            return st.integers(low, MAX_INT if info.le is None else info.le)
        case types.FloatType():
            low = info.gt if info.ge is None else info.ge
            return st.floats(
                low, info.le, exclude_min=info.gt is not None, allow_nan=False, allow_infinity=False
            )
        case types.NoneType():
            return st.none()
        case types.BoolType():
            return st.booleans()
        case types.BytesType():
            return st.binary(max_size=TEXT_LENGTH)
    raise AssertionError(f"no strategy for {info}")


def _struct(info: types.StructType, free: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    required, optional = {}, {}
    for field in info.fields:
        (required if field.required else optional)[field.name] = of_type(field.type, free)
    return st.fixed_dictionaries(required, optional=optional).map(lambda values: info.cls(**values))


def as_map(message: msgspec.Struct) -> dict[str, Any]:
    """The map that stands for `message` on the wire, as another codec would send it."""
    found = msgspec.to_builtins(message, builtin_types=(bytes,))
    assert isinstance(found, dict)
    return found
