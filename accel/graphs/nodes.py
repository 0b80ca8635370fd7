"""Short names for the nodes that all graphs of image operations are made of."""

from __future__ import annotations

import numpy as np

from accel.models.graph import TYPES, GraphBuilder


class Nodes(GraphBuilder):
    """A graph of float32 in the layout N x C x H x W, as GPUs want it."""

    def number(self, value: float) -> str:
        """A constant that stands beside any shape."""
        return self.constant(np.array(value, np.float32))

    def places(self, *values: int) -> str:
        """A constant of indices or axes."""
        return self.constant(np.array(values, np.int64))

    def cast(self, value: str, dtype: str, output: str = "") -> str:
        """`value` as another type; floats are cut towards 0."""
        return self.add("Cast", [value], output, to=TYPES[dtype])

    def plus(self, value: str, number: float) -> str:
        """`value + number`."""
        return self.add("Add", [value, self.number(number)])

    def times(self, value: str, number: float) -> str:
        """`value * number`."""
        return self.add("Mul", [value, self.number(number)])

    def clip(self, value: str, low: float = 0.0, high: float = 1.0) -> str:
        """What is beyond `low` to `high` cut off."""
        return self.add("Clip", [value, self.number(low), self.number(high)])

    def part(self, value: str, axis: int, begin: int, end: int) -> str:
        """Indices `begin` to `end` of one axis; negative ones count from its end."""
        return self.add("Slice", [value, self.places(begin), self.places(end), self.places(axis)])

    def join(self, *values: str, axis: int = 1) -> str:
        """Values one behind the other."""
        return self.add("Concat", values, axis=axis)

    def turned(self, value: str, *axes: int, output: str = "") -> str:
        """The same with its axes in another order."""
        return self.add("Transpose", [value], output, perm=axes)


END = 2**31 - 1
"""The end of any axis, whatever its length (Slice cuts it)."""
