"""One shape of a session in buffers of its own, whose addresses stay from run to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Feed = Mapping[str, Array]


class ShapeError(ValueError):
    """A feed isn't of the shape that buffers were made for; says which input."""


class Bound:
    """A session with its inputs and outputs bound once: what a run takes is copied into the same buffers.

    That saves what binding and allocating cost, and is what a CUDA graph demands: it replays what was
    captured on the addresses of its first run, with whatever is there by then. One thread's.
    """

    def __init__(self, session: Any, feed: Feed, like: Mapping[str, Array], place: str = "cpu") -> None:
        """`feed` gives the inputs' shapes, `like` the outputs' (as another session made them), in order.
        `place` is where the buffers lie, by onnxruntime's name of the device. Nothing is run yet.

        Raises ShapeError for what is empty, and whatever onnxruntime raises, for example where memory is
        full.
        """
        import onnxruntime

        for name, array in (*feed.items(), *like.items()):
            if not array.size:
                raise ShapeError(f"{name} is empty")
        value = onnxruntime.OrtValue
        self._session = session
        self._given = {name: (array.shape, array.dtype) for name, array in feed.items()}
        # On the CPU a value is the array itself, which is the caller's.
        self._inputs = {
            name: value.ortvalue_from_numpy(np.array(array, order="C"), place, 0)
            for name, array in feed.items()
        }
        self._outputs = {
            name: value.ortvalue_from_shape_and_type(array.shape, array.dtype, place, 0)
            for name, array in like.items()
        }
        self._binding = session.io_binding()
        for name, one in self._inputs.items():
            self._binding.bind_ortvalue_input(name, one)
        for name, one in self._outputs.items():
            self._binding.bind_ortvalue_output(name, one)

    @property
    def addresses(self) -> Sequence[int]:
        """Of all buffers, the inputs' first."""
        return [one.data_ptr() for one in (*self._inputs.values(), *self._outputs.values())]

    def run(self, feed: Feed) -> list[Array]:
        """The outputs, copied out of their buffers. Raises ShapeError for another shape, type or input."""
        self._check(feed)
        for name, array in feed.items():
            self._inputs[name].update_inplace(np.ascontiguousarray(array))
        self._binding.synchronize_inputs()
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        # What onnxruntime gives of a value on the CPU is its buffer, which the next run writes to.
        return [np.array(one.numpy()) for one in self._outputs.values()]

    def _check(self, feed: Feed) -> None:
        if feed.keys() != self._given.keys():
            raise ShapeError(f"takes {', '.join(self._given)}, got {', '.join(feed)}")
        for name, (shape, kind) in self._given.items():
            # onnxruntime takes any array of as many bytes.
            if feed[name].shape != shape or feed[name].dtype != kind:
                raise ShapeError(f"{name} is {_shown(*self._given[name])}, got {_shown_of(feed[name])}")


def _shown(shape: Sequence[int], kind: np.dtype[Any]) -> str:
    return f"{kind} {'x'.join(map(str, shape))}"


def _shown_of(array: Array) -> str:
    return _shown(array.shape, array.dtype)
