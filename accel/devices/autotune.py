"""Faster session variants, proven by trial; bound I/O buffers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from accel.devices.report import fault_of
from accel.text import text

Array = NDArray[Any]
Feed = Mapping[str, Array]


class ShapeError(ValueError):
    """A feed isn't of the shape that buffers were made for; says which input."""


class BoundBuffers:
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


Run = Callable[[Feed], Sequence[Array]]

WORTH = 1.05
"""How much faster a way must be than running plainly: it takes memory."""

ROUNDS, MOST_S = 12, 0.5
"""How often both are timed in turn, at most, and for how long; the best counts, as other work only slows
down."""
LEAST = 3
"""Rounds at least, however long they take."""

TOLERANCES = {"float32": 1e-4, "tf32": 2e-3, "float16": 1e-2}
"""How far results may differ, of the largest of them, by the model's precision: ways may differ in their
kernels, whose sums are in another order."""


class Inconclusive(Exception):
    """Nothing can be said by these inputs; says why."""


class Proof(Struct, frozen=True):
    """What came of a trial."""

    refused: str
    """Why the way isn't used, for people; empty where it is."""
    plain_ms: float = 0.0
    ms: float = 0.0
    """A run each; 0 where it wasn't timed."""
    passing: bool = False
    """Whether it was refused for want of memory, of which there may be more later."""


class Sample(Struct, frozen=True):
    """Two inputs of the same shapes, and what comes of each plainly."""

    feeds: tuple[Feed, Feed]
    outputs: tuple[Sequence[Array], Sequence[Array]]


def sample_inputs(plain: Run, feed: Feed) -> Sample:
    """That of an input and of another one. Raises Inconclusive where both give the same, and whatever
    `plain` raises."""
    second = other_input(feed)
    outputs = plain(feed), plain(second)
    if outputs_match(*outputs, 0.0):
        raise Inconclusive(text("the network gives the same for different inputs"))
    return Sample((feed, second), outputs)


def prove(plain: Run, way: Run, sample: Sample, tolerance: float) -> Proof:
    """Runs a way on both inputs, back and forth, and times it beside plain runs; raises nothing."""
    try:
        # A graph that was captured with the first input, and never sees another, is found out by the
        # second; one that keeps something of a run by the third.
        for at in (0, 1, 0):
            if not outputs_match(way(sample.feeds[at]), sample.outputs[at], tolerance):
                return Proof("gives other results")
        plain_ms, ms = time_run(plain, way, sample.feeds[0])
    except Exception as error:  # onnxruntime raises classes of its own that share no base
        return failed_proof("fails", error)
    slow = f"isn't faster ({ms:.3g} ms, plainly {plain_ms:.3g} ms)"
    return Proof("" if ms * WORTH <= plain_ms else slow, plain_ms, ms)


def failed_proof(how: str, error: BaseException) -> Proof:
    """What an error proves."""
    return Proof(f"{how} ({failure_text(error)})", passing=fault_of(error) == "memory")


def other_input(feed: Feed) -> Feed:
    """Another input of the same shapes whose values a network takes as well: numbers of words stay such."""
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


def time_run(first: Run, second: Run, feed: Feed) -> tuple[float, float]:
    """Milliseconds of the best run of each."""
    best = [float("inf"), float("inf")]
    begin = time.perf_counter()
    for done in range(ROUNDS):
        if done >= LEAST and time.perf_counter() - begin > MOST_S:
            break
        for at, run in enumerate((first, second)):
            started = time.perf_counter()
            run(feed)
            best[at] = min(best[at], (time.perf_counter() - started) * 1000)
    return best[0], best[1]


def failure_text(error: BaseException) -> str:
    """An error in one short line."""
    return " ".join(str(error).split())[:160] or type(error).__name__
