"""Whether another way to run the same network on the same shape is right and faster, by trying."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct

from accel.devices.bound import Array, Feed
from accel.devices.faults import fault_of
from accel.text import text

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


def sampled(plain: Run, feed: Feed) -> Sample:
    """That of an input and of another one. Raises Inconclusive where both give the same, and whatever
    `plain` raises."""
    second = another(feed)
    outputs = plain(feed), plain(second)
    if alike(*outputs, 0.0):
        raise Inconclusive(text("the network gives the same for different inputs"))
    return Sample((feed, second), outputs)


def prove(plain: Run, way: Run, sample: Sample, tolerance: float) -> Proof:
    """Runs a way on both inputs, back and forth, and times it beside plain runs; raises nothing."""
    try:
        # A graph that was captured with the first input, and never sees another, is found out by the
        # second; one that keeps something of a run by the third.
        for at in (0, 1, 0):
            if not alike(way(sample.feeds[at]), sample.outputs[at], tolerance):
                return Proof("gives other results")
        plain_ms, ms = timed(plain, way, sample.feeds[0])
    except Exception as error:  # onnxruntime raises classes of its own that share no base
        return failed("fails", error)
    slow = f"isn't faster ({ms:.3g} ms, plainly {plain_ms:.3g} ms)"
    return Proof("" if ms * WORTH <= plain_ms else slow, plain_ms, ms)


def failed(how: str, error: BaseException) -> Proof:
    """What an error proves."""
    return Proof(f"{how} ({said(error)})", passing=fault_of(error) == "memory")


def another(feed: Feed) -> Feed:
    """Another input of the same shapes whose values a network takes as well: numbers of words stay such."""
    return {
        name: array[..., ::-1] * array.dtype.type(0.5) + array.dtype.type(0.37)
        if array.dtype.kind == "f"
        else np.ascontiguousarray(array[..., ::-1])
        for name, array in feed.items()
    }


def alike(found: Sequence[Array], wanted: Sequence[Array], tolerance: float) -> bool:
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


def timed(first: Run, second: Run, feed: Feed) -> tuple[float, float]:
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


def said(error: BaseException) -> str:
    """An error in one short line."""
    return " ".join(str(error).split())[:160] or type(error).__name__
