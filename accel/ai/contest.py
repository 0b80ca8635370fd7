"""Which of several ways is the best one to run a network on one shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from accel.devices.bound import Array, Feed
from accel.devices.proving import WORTH, Proof, Run, failed, prove

Plain = Callable[[Feed, Sequence[str]], list[Array]]
"""The outputs of those names."""


class Way(Struct, frozen=True):
    """Another way than plainly."""

    name: str
    """As `Known.way`."""
    open: Callable[[Feed, Mapping[str, Array]], Run]
    """For the shapes of a feed and of what comes of it. Raises whatever it likes, with the reason."""
    bytes: int = 0
    """Of the model's weights, where it holds them once more."""


class Best(Struct, frozen=True):
    """What came of a contest."""

    way: Way | None = None
    """None where running plainly is best."""
    run: Run | None = None
    """Opened for the shape."""
    against: str = ""
    """Why not the other ways, for people."""
    plain_ms: float = 0.0
    ms: float = 0.0
    """A run plainly, and in that way."""
    passing: bool = False
    """Whether no way won, and one of them for want of memory alone."""


def best(ways: Sequence[Way], plain: Plain, feed: Feed, wanted: Sequence[str], tolerance: float) -> Best:
    """Proves each way; a later one wins only if it is faster by what a way must be, as it takes more memory.

    Raises Inconclusive, and whatever `plain` raises.
    """
    found, passing = Best(), False
    against = []
    for way in ways:
        run, proof = _proven(way, plain, feed, wanted, tolerance)
        passing |= proof.passing
        if run is None or proof.refused:
            against.append(f"{way.name} {proof.refused}")
        elif found.way is not None and proof.ms * WORTH > found.ms:
            against.append(f"{way.name} isn't faster than {found.way.name} ({proof.ms:.3g} ms)")
        else:
            found = Best(way, run, "", proof.plain_ms, proof.ms)
    return Best(
        found.way, found.run, "; ".join(against), found.plain_ms, found.ms, passing and found.way is None
    )


def _proven(
    way: Way, plain: Plain, feed: Feed, wanted: Sequence[str], tolerance: float
) -> tuple[Run | None, Proof]:
    like = dict(zip(wanted, plain(feed, wanted), strict=True))
    run: Run | None = None
    try:
        run = way.open(feed, like)
    except Exception as error:  # onnxruntime raises classes of its own that share no base
        proof = failed("can't be used", error)
    else:
        proof = prove(lambda given: plain(given, wanted), run, feed, tolerance)
    if proof.refused:
        # What broke the device would fail the next job, for which it were no reason.
        plain(feed, wanted)
    return run, proof
