"""Compares faster ways of running a network with plain runs; sessions with bound I/O buffers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.devices.report import fault_of
from accel.text import AnyText, Text, text

Array = NDArray[Any]
Feed = Mapping[str, Array]


class ShapeError(ValueError):
    """A feed doesn't have the shape of the buffers. The message names the input."""


class BoundBuffers:
    """A session whose inputs and outputs are bound once; each run copies its feed into the same buffers.

    This saves binding and allocation. CUDA graphs require it, because they replay kernels on the addresses of
    the first run. Not thread-safe.
    """

    def __init__(self, session: Any, feed: Feed, like: Mapping[str, Array], place: str = "cpu") -> None:
        """`feed` has the shapes of the inputs, and `like` those of the outputs, in order. `place` is
        onnxruntime's name of the buffers' device. Nothing runs yet.

        Raises ShapeError for an empty array, and onnxruntime's exceptions, for example if memory is full.
        """
        import onnxruntime

        for name, array in (*feed.items(), *like.items()):
            if not array.size:
                raise ShapeError(f"{name} is empty")
        value = onnxruntime.OrtValue
        self._session = session
        self._feed_types = {name: (array.shape, array.dtype) for name, array in feed.items()}
        # Copy, because on the CPU a value shares the memory of the caller's array.
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
        """Addresses of all buffers, inputs first."""
        return [one.data_ptr() for one in (*self._inputs.values(), *self._outputs.values())]

    def run(self, feed: Feed) -> list[Array]:
        """Returns copies of the outputs. Raises ShapeError for another shape, type or input."""
        self._check(feed)
        for name, array in feed.items():
            self._inputs[name].update_inplace(np.ascontiguousarray(array))
        self._binding.synchronize_inputs()
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        # Copy, because on the CPU `numpy()` returns the buffer, which the next run overwrites.
        return [np.array(one.numpy()) for one in self._outputs.values()]

    def _check(self, feed: Feed) -> None:
        if feed.keys() != self._feed_types.keys():
            raise ShapeError(f"takes {', '.join(self._feed_types)}, got {', '.join(feed)}")
        for name, (shape, kind) in self._feed_types.items():
            # onnxruntime accepts any array with the same number of bytes.
            if feed[name].shape != shape or feed[name].dtype != kind:
                raise ShapeError(f"{name} is {_shown(*self._feed_types[name])}, got {_shown_of(feed[name])}")


def _shown(shape: Sequence[int], kind: np.dtype[Any]) -> str:
    return f"{kind} {'x'.join(map(str, shape))}"


def _shown_of(array: Array) -> str:
    return _shown(array.shape, array.dtype)


Run = Callable[[Feed], Sequence[Array]]

WORTH = 1.05
"""Minimum speed-up over a plain run, because an alternative takes memory."""

ROUNDS, MOST_S = 12, 0.5
"""Maximum number of rounds that time both in turn, and their time limit. The best counts, because other work
only slows one down."""
MIN_ROUNDS = 3
"""Minimum number of rounds, however long they take."""

TOLERANCES = {"float32": 1e-4, "tf32": 2e-3, "float16": 1e-2}
"""Largest difference between results, relative to the largest value, by the model's precision. Other kernels
sum in another order."""


class Inconclusive(Exception):
    """These inputs can't show a difference. The message explains why."""


class Proof(Struct, frozen=True):
    refused: AnyText
    """Why this way isn't used, for people; empty if it is."""
    plain_ms: float = 0.0
    ms: float = 0.0
    """Milliseconds of a plain run and of a run this way; 0 if not measured."""
    passing: bool = False
    """Whether it was refused for lack of memory, which is temporary."""


class Sample(Struct, frozen=True):
    """Two inputs of the same shapes, and the outputs of plain runs."""

    feeds: tuple[Feed, Feed]
    outputs: tuple[Sequence[Array], Sequence[Array]]


def sample_inputs(plain: Run, feed: Feed) -> Sample:
    """Returns a sample with the input and another one.

    Raises Inconclusive if both have the same outputs, and what `plain` raises.
    """
    second = other_input(feed)
    outputs = plain(feed), plain(second)
    if outputs_match(*outputs, 0.0):
        raise Inconclusive(text("the network returns the same output for different inputs"))
    return Sample((feed, second), outputs)


def prove(plain: Run, way: Run, sample: Sample, tolerance: float) -> Proof:
    """Compares a way with plain runs on both inputs and times it. Never raises."""
    try:
        # The second run detects a graph that replays its first input, the third one that has state.
        for at in (0, 1, 0):
            if not outputs_match(way(sample.feeds[at]), sample.outputs[at], tolerance):
                return Proof(text("returns different results"))
        plain_ms, ms = time_both(plain, way, sample.feeds[0])
    except Exception as error:  # onnxruntime's exceptions have no common base class
        return proof_of_failure(text("fails"), error)
    slow = text(
        "isn't faster ({ms} ms, against {plain_ms} ms unoptimised)",
        ms=f"{ms:.3g}",
        plain_ms=f"{plain_ms:.3g}",
    )
    return Proof("" if ms * WORTH <= plain_ms else slow, plain_ms, ms)


def proof_of_failure(how: Text, error: BaseException) -> Proof:
    """Returns the proof for a way that raised an error."""
    return Proof(
        text("{how} ({error})", how=how, error=failure_text(error)), passing=fault_of(error) == "memory"
    )


def other_input(feed: Feed) -> Feed:
    """Returns another valid input of the same shapes; word indices stay word indices."""
    return {
        name: array[..., ::-1] * array.dtype.type(0.5) + array.dtype.type(0.37)
        if array.dtype.kind == "f"
        else np.ascontiguousarray(array[..., ::-1])
        for name, array in feed.items()
    }


def outputs_match(found: Sequence[Array], wanted: Sequence[Array], tolerance: float) -> bool:
    """Whether all outputs have the same shapes and, within the tolerance, the same values."""
    return len(found) == len(wanted) and all(
        one.shape == other.shape and _close(one, other, tolerance)
        for one, other in zip(found, wanted, strict=True)
    )


def _close(found: Array, wanted: Array, tolerance: float) -> bool:
    if wanted.dtype.kind != "f":
        return bool(np.array_equal(found, wanted))
    sound = np.isfinite(wanted)
    if not np.array_equal(sound, np.isfinite(found)):
        return False
    largest = float(np.abs(wanted[sound]).max(initial=0.0))
    return bool((np.abs(found[sound] - wanted[sound]) <= tolerance * largest).all())


def time_both(first: Run, second: Run, feed: Feed) -> tuple[float, float]:
    """Returns the milliseconds of each one's best run."""
    best = [float("inf"), float("inf")]
    begin = time.perf_counter()
    for done in range(ROUNDS):
        if done >= MIN_ROUNDS and time.perf_counter() - begin > MOST_S:
            break
        for at, run in enumerate((first, second)):
            started = time.perf_counter()
            run(feed)
            best[at] = min(best[at], (time.perf_counter() - started) * 1000)
    return best[0], best[1]


def failure_text(error: BaseException) -> str:
    """Shortens an error to one line."""
    return " ".join(str(error).split())[:160] or type(error).__name__
