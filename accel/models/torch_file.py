"""Weights in PyTorch's older file format, read without PyTorch and without running anything in the file."""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.text import text

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
"""What the first two pickles hold."""

_TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}
_MOST = 1 << 28
"""Numbers of one storage; more isn't believed."""


class Unreadable(ValueError):
    """The file isn't of this format, is cut short, or holds what isn't understood here."""


class _Storage(Struct, frozen=True):
    """Where a tensor's numbers are: the name of a run of them that follows after the pickles."""

    type: str
    key: str
    size: int


class _View(Struct, frozen=True):
    """A tensor: how it lies in a storage; offset and strides are in numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def weights(data: bytes) -> dict[str, NDArray[Any]]:
    """The tensors by name, of a state that `torch.save` wrote before PyTorch 1.6. Raises Unreadable."""
    file = io.BytesIO(data)
    try:
        if _Plain(file).load() != MAGIC or _Plain(file).load() != PROTOCOL:
            raise Unreadable("it isn't a file of PyTorch's older format")
        if not _Plain(file).load()["little_endian"]:
            raise Unreadable("its numbers are big-endian")
        views = _Plain(file).load()
        storages = {key: _numbers(file, views, key) for key in _Plain(file).load()}
        return {name: _tensor(view, storages) for name, view in views.items() if isinstance(view, _View)}
    except Unreadable:
        raise
    except Exception as error:  # a pickle that is no such one fails in any way
        raise Unreadable(text("it can't be read ({error})", error=error)) from None


class _Plain(pickle.Unpickler):
    """A pickle of plain values and tensors; the name of anything else is an error and is never looked up."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view
        if module == "torch" and name in _TYPES:
            return name
        raise Unreadable(f"it names {module}.{name}, which no file of weights has to")

    def persistent_load(self, pid: Any) -> _Storage:
        # ("storage", type, key, device, size, view).
        kind, type_, key, _, size, *_ = pid
        if kind != "storage" or type_ not in _TYPES or not 0 <= size <= _MOST:
            raise Unreadable("it has a storage that isn't understood")
        return _Storage(type_, key, size)


def _view(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> _View:
    return _View(storage, offset, shape, strides)


def _numbers(file: io.BytesIO, views: dict[str, Any], key: str) -> NDArray[Any]:
    """The next storage: its length, then its numbers."""
    storage = next(one.storage for one in views.values() if isinstance(one, _View) and one.storage.key == key)
    length = int.from_bytes(file.read(8), "little")
    kind = np.dtype(_TYPES[storage.type])
    data = file.read(length * kind.itemsize) if length == storage.size else b""
    if len(data) != storage.size * kind.itemsize:
        raise Unreadable("it is cut short")
    return np.frombuffer(data, kind)


def _tensor(view: _View, storages: dict[str, NDArray[Any]]) -> NDArray[Any]:
    numbers = storages[view.storage.key]
    if len(view.shape) != len(view.strides) or min((view.offset, *view.shape, *view.strides)) < 0:
        raise Unreadable("a tensor lies oddly in its storage")
    last = view.offset + sum(
        (size - 1) * stride for size, stride in zip(view.shape, view.strides, strict=True)
    )
    if last >= len(numbers) or 0 in view.shape:
        raise Unreadable("a tensor reaches beyond its storage")
    strides = [stride * numbers.itemsize for stride in view.strides]
    part = np.lib.stride_tricks.as_strided(numbers[view.offset :], view.shape, strides, writeable=False)
    return np.ascontiguousarray(part)
