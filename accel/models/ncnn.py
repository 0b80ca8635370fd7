"""Networks in ncnn's format: the text that lists the layers (.param), and their weights (.bin)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

MAGIC = "7767517"
"""The first line of a .param file."""
HALF = 0x01306B47
"""The tag before weights of 16 bit; 0 stands before those of 32 bit."""
_ARRAYS = -23300
"""Keys up to this one hold arrays: `-23300 - key=length,value,...`."""

Floats = NDArray[np.float32]
Value = int | float | tuple[float, ...]


class Unreadable(ValueError):
    """The files are none of ncnn's, are cut short, or hold what isn't understood here."""


class Layer(Struct, frozen=True):
    """One line of a .param file."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: Mapping[int, Value]
    """By number; what each means depends on the kind (ncnn's docs/developer-guide/operators.md)."""

    def integer(self, key: int, default: int = 0) -> int:
        value = self.settings.get(key, default)
        if not isinstance(value, int):
            raise Unreadable(f"layer {self.name}: {key}={value} is no whole number")
        return value

    def real(self, key: int, default: float) -> float:
        value = self.settings.get(key, default)
        if isinstance(value, tuple):
            raise Unreadable(f"layer {self.name}: {key} is an array, and no number")
        return float(value)

    def array(self, key: int) -> tuple[float, ...]:
        value = self.settings.get(key, ())
        return value if isinstance(value, tuple) else (float(value),)


def layers(text: str) -> list[Layer]:
    """The layers of a .param file, in the order in which they run. Raises Unreadable."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) < 2 or lines[0] != [MAGIC]:
        raise Unreadable(f"it doesn't begin with {MAGIC}")
    try:
        found = [_layer(line) for line in lines[2:]]
        wanted = int(lines[1][0])
    except (ValueError, IndexError) as error:
        raise Unreadable(f"a line can't be read ({error})") from None
    if len(found) != wanted:
        raise Unreadable(f"it announces {wanted} layers and has {len(found)}")
    return found


def _layer(words: list[str]) -> Layer:
    kind, name, inputs, outputs = words[0], words[1], int(words[2]), int(words[3])
    blobs, settings = words[4 : 4 + inputs + outputs], words[4 + inputs + outputs :]
    if len(blobs) != inputs + outputs:
        raise ValueError(f"layer {name} lacks inputs or outputs")
    read = dict(_setting(*word.split("=", 1)) for word in settings)
    return Layer(kind, name, tuple(blobs[:inputs]), tuple(blobs[inputs:]), read)


def _setting(key: str, value: str) -> tuple[int, Value]:
    number = int(key)
    if number <= _ARRAYS:
        length, *values = value.split(",")
        if len(values) != int(length):
            raise ValueError(f"an array of {length} has {len(values)} values")
        return _ARRAYS - number, tuple(float(one) for one in values)
    # As ncnn decides it: a dot or an exponent makes a float.
    return number, float(value) if any(sign in value for sign in ".eE") else int(value)


class Weights:
    """The contents of a .bin file, taken from front to back as the layers ask for them."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def tagged(self, count: int) -> Floats:
        """Weights behind a tag that says how they are stored. Raises Unreadable."""
        tag = int.from_bytes(self._take(4), "little")
        if tag == HALF:
            # Padded to whole words of 4 bytes.
            halves = np.frombuffer(self._take((count * 2 + 3) // 4 * 4), "<f2")[:count]
            return halves.astype(np.float32)
        if tag:
            raise Unreadable(f"weights are stored in a way that isn't read here (tag {tag:#010x})")
        return self.plain(count)

    def plain(self, count: int) -> Floats:
        """Floats of 32 bit with no tag: biases and slopes. Raises Unreadable."""
        return np.frombuffer(self._take(count * 4), "<f4").astype(np.float32, copy=False)

    @property
    def left(self) -> int:
        """Bytes that nobody has asked for."""
        return len(self._data) - self._at

    def _take(self, size: int) -> bytes:
        if size > self.left:
            raise Unreadable("the weights are cut short")
        self._at += size
        return self._data[self._at - size : self._at]
