"""Which of several ways is the best one to run a network on one shape."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence

from msgspec import Struct

from accel.devices.bound import Array, Feed
from accel.devices.faults import DeviceGone, fault_of
from accel.devices.proving import WORTH, Proof, Run, Sample, failed, prove, said, sampled
from accel.text import AnyText, clauses, text

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
    against: AnyText = ""
    """Why not the other ways, for people."""
    plain_ms: float = 0.0
    ms: float = 0.0
    """A run plainly, and in that way."""
    passing: bool = False
    """Whether no way won, and one of them for want of memory alone."""


def best(
    ways: Sequence[Way], plain: Plain, feed: Feed, wanted: Sequence[str], tolerance: float
) -> Generator[None, None, Best]:
    """Proves each way; a later one wins only if it is faster by what a way must be, as it takes more memory.
    It yields between the ways, and returns what came of it.

    Raises Inconclusive, whatever `plain` raises before anything else was tried, and DeviceGone where what ran
    plainly before runs no more.
    """

    def simply(given: Feed) -> Sequence[Array]:
        return plain(given, wanted)

    sample = sampled(simply, feed)
    found, passing = Best(), False
    against: list[AnyText] = []
    for at, way in enumerate(ways):
        if at:
            yield
        run, proof = proven(way, simply, sample, wanted, tolerance)
        passing |= proof.passing
        if run is None or proof.refused:
            against.append(text("{way} {refused}", way=way.name, refused=proof.refused))
            _check(simply, feed, way)
        elif found.way is not None and proof.ms * WORTH > found.ms:
            against.append(
                text(
                    "{way} isn't faster than {way_2} ({ms} ms)",
                    way=way.name,
                    way_2=found.way.name,
                    ms=f"{proof.ms:.3g}",
                )
            )
        else:
            found = Best(way, run, "", proof.plain_ms, proof.ms)
    return Best(
        found.way, found.run, clauses(against), found.plain_ms, found.ms, passing and found.way is None
    )


def proven(
    way: Way, plain: Run, sample: Sample, wanted: Sequence[str], tolerance: float
) -> tuple[Run | None, Proof]:
    """A way, opened if it can be, and what came of it."""
    try:
        run = way.open(sample.feeds[0], dict(zip(wanted, sample.outputs[0], strict=True)))
    except Exception as error:  # onnxruntime raises classes of its own that share no base
        return None, failed("can't be used", error)
    return run, prove(plain, run, sample, tolerance)


def _check(plain: Run, feed: Feed, way: Way) -> None:
    """What broke the device would fail the next job, for which it were no reason."""
    try:
        plain(feed)
    except Exception as error:  # as above
        if fault_of(error) != "memory":
            raise DeviceGone(f"nothing runs after {way.name} was tried: {said(error)}") from error
