"""Which session variant runs which input shape."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct

from accel.devices.autotune import (
    WORTH,
    Array,
    Feed,
    Inconclusive,
    Proof,
    Run,
    Sample,
    ShapeError,
    failure_text,
    proof_of_failure,
    prove,
    sample_inputs,
)
from accel.devices.proof_cache import PLAINLY, ProofCache, ProvenVariants
from accel.devices.report import DeviceGone, fault_of
from accel.text import AnyText, clauses, text

Plain = Callable[[Feed, Sequence[str]], list[Array]]
"""The outputs of those names."""


class Variant(Struct, frozen=True):
    """Another way than plainly."""

    name: str
    """As `Known.way`."""
    open: Callable[[Feed, Mapping[str, Array]], Run]
    """For the shapes of a feed and of what comes of it. Raises whatever it likes, with the reason."""
    bytes: int = 0
    """Of the model's weights, where it holds them once more."""


class BestVariants(Struct, frozen=True):
    """What came of a contest."""

    way: Variant | None = None
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


def fastest(
    ways: Sequence[Variant], plain: Plain, feed: Feed, wanted: Sequence[str], tolerance: float
) -> Generator[None, None, BestVariants]:
    """Proves each way; a later one wins only if it is faster by what a way must be, as it takes more memory.
    It yields between the ways, and returns what came of it.

    Raises Inconclusive, whatever `plain` raises before anything else was tried, and DeviceGone where what ran
    plainly before runs no more.
    """

    def simply(given: Feed) -> Sequence[Array]:
        return plain(given, wanted)

    sample = sample_inputs(simply, feed)
    found, passing = BestVariants(), False
    against: list[AnyText] = []
    for at, way in enumerate(ways):
        if at:
            yield
        run, proof = is_proven(way, simply, sample, wanted, tolerance)
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
            found = BestVariants(way, run, "", proof.plain_ms, proof.ms)
    return BestVariants(
        found.way, found.run, clauses(against), found.plain_ms, found.ms, passing and found.way is None
    )


def is_proven(
    way: Variant, plain: Run, sample: Sample, wanted: Sequence[str], tolerance: float
) -> tuple[Run | None, Proof]:
    """A way, opened if it can be, and what came of it."""
    try:
        run = way.open(sample.feeds[0], dict(zip(wanted, sample.outputs[0], strict=True)))
    except Exception as error:  # onnxruntime raises classes of its own that share no base
        return None, proof_of_failure(text("can't be used"), error)
    return run, prove(plain, run, sample, tolerance)


def _check(plain: Run, feed: Feed, way: Variant) -> None:
    """What broke the device would fail the next job, for which it were no reason."""
    try:
        plain(feed)
    except Exception as error:  # as above
        if fault_of(error) != "memory":
            raise DeviceGone(f"nothing runs after {way.name} was tried: {failure_text(error)}") from error


REPEATS = 8
"""How often a shape comes until other ways are tried for it."""
SHAPES = 4
"""Shapes of one network that have buffers, or a graph, of their own at once."""
STALE = 256
"""Runs of the network after which a shape that didn't come makes room for another one."""
_COUNTED, _RULED_OUT = 64, 256
"""Shapes that are counted, and that are known to run best plainly."""


class TunedNetwork(Struct, frozen=True):
    """The file that is run."""

    model: str
    """For people, as `Known.model`."""
    digest: str
    """SHA-256, hexadecimal."""
    tolerance: float


class ShapeTuning:
    """The ways of one open network. One thread's, as what is captured is replayed by that thread alone."""

    def __init__(
        self,
        subject: TunedNetwork,
        plain: Plain,
        ways: Sequence[Variant],
        proofs: ProofCache,
        later: Callable[[Iterator[None]], None],
        most: int = SHAPES,
    ) -> None:
        """`later` does the pieces of what is given to it when nobody waits; `most` shapes are kept."""
        self._subject, self._plain, self._ways, self._proofs = subject, plain, ways, proofs
        self._later, self._most = later, most
        self._fixed: OrderedDict[str, _Fixed] = OrderedDict()
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._ruled_out: OrderedDict[str, None] = OrderedDict()
        self._runs = 0
        self._trying = False

    @property
    def bytes(self) -> int:
        """Of the weights that are held besides the network's own."""
        return sum(one.way.bytes for one in self._fixed.values())

    @property
    def kept(self) -> Mapping[str, str]:
        """The ways by the shapes that run in them, the least recently used first."""
        return {shape: one.way.name for shape, one in self._fixed.items()}

    def may_fix(self, feed: Feed, wanted: Sequence[str]) -> bool:
        """Whether a shape is run, or may yet be, in another way: so that it pays to round up to it."""
        return shape_of(feed, wanted) not in self._ruled_out

    def run(self, feed: Feed, wanted: Sequence[str]) -> list[Array]:
        """The outputs of those names, in whichever way is best. Raises what running plainly raises."""
        self._runs += 1
        shape = shape_of(feed, wanted)
        fixed = self._fixed.get(shape)
        if fixed is None:
            found = self._plainly(feed, wanted)
            self._count(shape, feed, wanted)
            return found
        self._fixed.move_to_end(shape)
        fixed.used = self._runs
        try:
            return list(fixed.run(feed))
        except ShapeError:
            # Of another type: what runs plainly says so.
            pass
        except Exception as error:  # onnxruntime raises classes of its own that share no base
            self._fall_back(shape, fixed.way, feed, error)
            # With it what it kept of the device goes.
            fixed = None
        return self._plainly(feed, wanted)

    def _plainly(self, feed: Feed, wanted: Sequence[str]) -> list[Array]:
        """What other shapes keep may be all the memory that is missing."""
        try:
            return self._plain(feed, wanted)
        except Exception as error:  # as in `run`
            if fault_of(error) != "memory" or not self._fixed:
                raise
        for shape in self._fixed:
            # They would be tried again, and fill it again.
            self._rule_out(shape)
        self._fixed.clear()
        return self._plain(feed, wanted)

    def _count(self, shape: str, feed: Feed, wanted: Sequence[str]) -> None:
        if shape in self._ruled_out:
            return
        seen = self._seen.pop(shape, 0) + 1
        self._seen[shape] = 0 if seen >= REPEATS else seen
        while len(self._seen) > _COUNTED:
            self._seen.popitem(last=False)
        if seen < REPEATS or self._trying or not self._has_room():
            return
        if (known := self._proofs.known(self._subject.digest, shape)) and known.settled:
            self._rule_out(shape)
            return
        # Who called may write into its arrays again.
        copied = {name: np.array(array) for name, array in feed.items()}
        self._trying = True
        self._later(self._try(shape, copied, tuple(wanted)))

    def _has_room(self) -> bool:
        """Shapes in turn would else throw each other out, and be tried again each time."""
        if len(self._fixed) < self._most:
            return True
        return self._runs - next(iter(self._fixed.values())).used >= STALE

    def _try(self, shape: str, feed: Feed, wanted: Sequence[str]) -> Iterator[None]:
        """Proves all ways for a shape, and keeps the fastest. Raises DeviceGone where the device didn't
        survive it."""
        subject, proofs = self._subject, self._proofs
        proofs.begin(subject.digest, subject.model, shape)
        try:
            found = yield from fastest(self._ways, self._plain, feed, wanted, subject.tolerance)
        except Inconclusive:
            # Another time, with other values.
            proofs.forget(subject.digest, shape)
            return
        except DeviceGone:
            # That it began stays noted, so that it isn't tried for ever.
            raise
        except Exception:  # running plainly fails, which is for the jobs to tell
            proofs.forget(subject.digest, shape)
            self._rule_out(shape)
            return
        finally:
            self._trying = False
        if found.passing:
            proofs.forget(subject.digest, shape)
        else:
            self._settle(shape, found, feed)
        if found.way is None or found.run is None:
            self._rule_out(shape)
            return
        while len(self._fixed) >= self._most:
            self._fixed.popitem(last=False)
        self._fixed[shape] = _Fixed(found.way, found.run, self._runs)

    def _settle(self, shape: str, found: BestVariants, feed: Feed) -> None:
        name = PLAINLY if found.way is None else found.way.name
        known = ProvenVariants(
            self._subject.model, shape, self._proofs.machine, name, found.against,
            round(found.plain_ms, 3), round(found.ms, 3),
            sizes={name: array.shape for name, array in feed.items()},
        )  # fmt: skip
        self._proofs.settle(self._subject.digest, known)

    def _fall_back(self, shape: str, way: Variant, feed: Feed, error: Exception) -> None:
        del self._fixed[shape]
        self._rule_out(shape)
        # Memory that is full, and a device that is gone, pass.
        if not fault_of(error):
            self._settle(
                shape,
                BestVariants(
                    against=text("{way} failed at last ({said})", way=way.name, said=failure_text(error))
                ),
                feed,
            )

    def _rule_out(self, shape: str) -> None:
        self._ruled_out[shape] = None
        while len(self._ruled_out) > _RULED_OUT:
            self._ruled_out.popitem(last=False)


class _Fixed(Struct):
    way: Variant
    run: Run
    used: int
    """In which of the network's runs, last."""


def shape_of(feed: Feed, wanted: Sequence[str]) -> str:
    """The shapes and what is wanted as a key for people, for example `x 1x3x48x320`."""
    given = (f"{name} {'x'.join(map(str, array.shape))}" for name, array in feed.items())
    return f"{', '.join(given)} to {', '.join(wanted)}"
