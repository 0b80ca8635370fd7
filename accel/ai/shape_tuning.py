"""Tunes repeated input shapes on GPUs: verifies session variants and runs each shape with the fastest."""

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
"""Runs a feed without a variant and returns the named outputs."""


class Variant(Struct, frozen=True):
    """An alternative to a plain run."""

    name: str
    """As in `ProvenVariants.way`."""
    open: Callable[[Feed, Mapping[str, Array]], Run]
    """Opens the variant for the shapes of a feed and its outputs. May raise any exception."""
    bytes: int = 0
    """Size of its copy of the weights."""


class BestVariant(Struct, frozen=True):
    """The result of a comparison."""

    variant: Variant | None = None
    """None if the plain run is fastest."""
    run: Run | None = None
    """The variant, opened for the shape."""
    against: AnyText = ""
    """Why the other variants aren't used, for people."""
    plain_ms: float = 0.0
    ms: float = 0.0
    """Milliseconds of a plain run and of the variant."""
    passing: bool = False
    """Whether no variant won but one failed only for lack of memory."""


def find_fastest(
    variants: Sequence[Variant], plain: Plain, feed: Feed, outputs: Sequence[str], tolerance: float
) -> Generator[None, None, BestVariant]:
    """Verifies each variant, yielding in between, and returns the fastest.

    Later variants take more memory, so they only win if they are faster by `WORTH`. Raises Inconclusive, what
    `plain` raises before any variant was tried, and DeviceGone if plain runs fail afterwards.
    """

    def run_plain(feed: Feed) -> Sequence[Array]:
        return plain(feed, outputs)

    sample = sample_inputs(run_plain, feed)
    best, passing = BestVariant(), False
    against: list[AnyText] = []
    for index, variant in enumerate(variants):
        if index:
            yield
        run, proof = prove_variant(variant, run_plain, sample, outputs, tolerance)
        passing |= proof.passing
        if run is None or proof.refused:
            against.append(text("{way} {refused}", way=variant.name, refused=proof.refused))
            _check_device(run_plain, feed, variant)
        elif best.variant is not None and proof.ms * WORTH > best.ms:
            against.append(
                text(
                    "{way} isn't faster than {way_2} ({ms} ms)",
                    way=variant.name,
                    way_2=best.variant.name,
                    ms=f"{proof.ms:.3g}",
                )
            )
        else:
            best = BestVariant(variant, run, "", proof.plain_ms, proof.ms)
    return BestVariant(
        best.variant, best.run, clauses(against), best.plain_ms, best.ms, passing and best.variant is None
    )


def prove_variant(
    variant: Variant, plain: Run, sample: Sample, outputs: Sequence[str], tolerance: float
) -> tuple[Run | None, Proof]:
    """Opens and verifies a variant. Returns its function, or None if it can't be opened, and the proof."""
    try:
        run = variant.open(sample.feeds[0], dict(zip(outputs, sample.outputs[0], strict=True)))
    except Exception as error:  # onnxruntime's exceptions have no common base class
        return None, proof_of_failure(text("can't be used"), error)
    return run, prove(plain, run, sample, tolerance)


def _check_device(plain: Run, feed: Feed, variant: Variant) -> None:
    """Raises DeviceGone if the variant broke the device, so that the next job isn't blamed."""
    try:
        plain(feed)
    except Exception as error:  # as above
        if fault_of(error) != "memory":
            raise DeviceGone(f"nothing runs after {variant.name} was tried: {failure_text(error)}") from error


REPEATS = 8
"""Number of runs of a shape before its variants are tried."""
MAX_SHAPES = 4
"""Maximum number of shapes of a network that have their own buffers or CUDA graph."""
STALE = 256
"""Number of the network's runs after which an unused shape may be replaced."""
_MAX_COUNTED, _MAX_RULED_OUT = 64, 256
"""Maximum number of counted shapes, and of shapes known to run best plainly."""


class TunedNetwork(Struct, frozen=True):
    """The model file being run."""

    model: str
    """As in `ProvenVariants.model`."""
    digest: str
    """SHA-256 in hexadecimal."""
    tolerance: float


class ShapeTuning:
    """Runs an open network, using the best variant for each repeated shape.

    Not thread-safe: a CUDA graph must be replayed by the thread that captured it.
    """

    def __init__(
        self,
        subject: TunedNetwork,
        plain: Plain,
        variants: Sequence[Variant],
        proofs: ProofCache,
        later: Callable[[Iterator[None]], None],
        most: int = MAX_SHAPES,
    ) -> None:
        """`later` runs the steps of an iterator in idle time. At most `most` shapes are tuned."""
        self._subject, self._plain, self._variants, self._proofs = subject, plain, variants, proofs
        self._later, self._most = later, most
        self._tuned: OrderedDict[str, _TunedShape] = OrderedDict()
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._ruled_out: OrderedDict[str, None] = OrderedDict()
        self._runs = 0
        self._trying = False

    @property
    def bytes(self) -> int:
        """Total size of the copied weights."""
        return sum(each.variant.bytes for each in self._tuned.values())

    @property
    def tuned(self) -> Mapping[str, str]:
        """Variant names by shape, least recently used first."""
        return {shape: each.variant.name for shape, each in self._tuned.items()}

    def may_tune(self, feed: Feed, outputs: Sequence[str]) -> bool:
        """Whether a shape has or may get a variant, which makes padding to it worthwhile."""
        return shape_key(feed, outputs) not in self._ruled_out

    def run(self, feed: Feed, outputs: Sequence[str]) -> list[Array]:
        """Returns the named outputs, using the best variant. Raises the same exceptions as a plain run."""
        self._runs += 1
        shape = shape_key(feed, outputs)
        tuned = self._tuned.get(shape)
        if tuned is None:
            values = self._run_plain(feed, outputs)
            self._count(shape, feed, outputs)
            return values
        self._tuned.move_to_end(shape)
        tuned.used = self._runs
        try:
            return list(tuned.run(feed))
        except ShapeError:
            # The type differs, which the plain run reports.
            pass
        except Exception as error:  # onnxruntime's exceptions have no common base class
            self._fall_back(shape, tuned.variant, feed, error)
            # Release its device memory before the plain run.
            tuned = None
        return self._run_plain(feed, outputs)

    def _run_plain(self, feed: Feed, outputs: Sequence[str]) -> list[Array]:
        """Runs without a variant. If memory is full, releases all tuned shapes and tries once more."""
        try:
            return self._plain(feed, outputs)
        except Exception as error:  # as in `run`
            if fault_of(error) != "memory" or not self._tuned:
                raise
        for shape in self._tuned:
            # Otherwise it would be tried again and fill the memory again.
            self._rule_out(shape)
        self._tuned.clear()
        return self._plain(feed, outputs)

    def _count(self, shape: str, feed: Feed, outputs: Sequence[str]) -> None:
        if shape in self._ruled_out:
            return
        seen = self._seen.pop(shape, 0) + 1
        self._seen[shape] = 0 if seen >= REPEATS else seen
        while len(self._seen) > _MAX_COUNTED:
            self._seen.popitem(last=False)
        if seen < REPEATS or self._trying or not self._has_room():
            return
        if (known := self._proofs.known(self._subject.digest, shape)) and known.settled:
            self._rule_out(shape)
            return
        # The caller may overwrite its arrays.
        copied = {name: np.array(array) for name, array in feed.items()}
        self._trying = True
        self._later(self._try(shape, copied, tuple(outputs)))

    def _has_room(self) -> bool:
        """Whether a shape can be added without evicting a recent one. Alternating shapes would otherwise
        evict each other and be tried again every time."""
        if len(self._tuned) < self._most:
            return True
        return self._runs - next(iter(self._tuned.values())).used >= STALE

    def _try(self, shape: str, feed: Feed, outputs: Sequence[str]) -> Iterator[None]:
        """Verifies all variants for a shape and uses the fastest. Raises DeviceGone if the device failed."""
        subject, proofs = self._subject, self._proofs
        proofs.begin(subject.digest, subject.model, shape)
        try:
            best = yield from find_fastest(self._variants, self._plain, feed, outputs, subject.tolerance)
        except Inconclusive:
            # Try again later with other values.
            proofs.forget(subject.digest, shape)
            return
        except DeviceGone:
            # Keep the record that the trial began, so that it isn't repeated forever.
            raise
        except Exception:  # plain runs fail, which jobs report
            proofs.forget(subject.digest, shape)
            self._rule_out(shape)
            return
        finally:
            self._trying = False
        if best.passing:
            proofs.forget(subject.digest, shape)
        else:
            self._settle(shape, best, feed)
        if best.variant is None or best.run is None:
            self._rule_out(shape)
            return
        while len(self._tuned) >= self._most:
            self._tuned.popitem(last=False)
        self._tuned[shape] = _TunedShape(best.variant, best.run, self._runs)

    def _settle(self, shape: str, best: BestVariant, feed: Feed) -> None:
        name = PLAINLY if best.variant is None else best.variant.name
        known = ProvenVariants(
            self._subject.model, shape, self._proofs.machine, name, best.against,
            round(best.plain_ms, 3), round(best.ms, 3),
            sizes={name: array.shape for name, array in feed.items()},
        )  # fmt: skip
        self._proofs.settle(self._subject.digest, known)

    def _fall_back(self, shape: str, variant: Variant, feed: Feed, error: Exception) -> None:
        del self._tuned[shape]
        self._rule_out(shape)
        # A full memory or a lost device is temporary.
        if not fault_of(error):
            reason = text("{way} failed later ({reason})", way=variant.name, reason=failure_text(error))
            self._settle(shape, BestVariant(against=reason), feed)

    def _rule_out(self, shape: str) -> None:
        self._ruled_out[shape] = None
        while len(self._ruled_out) > _MAX_RULED_OUT:
            self._ruled_out.popitem(last=False)


class _TunedShape(Struct):
    variant: Variant
    run: Run
    used: int
    """Number of the network's run that used it last."""


def shape_key(feed: Feed, outputs: Sequence[str]) -> str:
    """Returns a readable key of input shapes and outputs, for example `x 1x3x48x320 to y`."""
    inputs = (f"{name} {'x'.join(map(str, array.shape))}" for name, array in feed.items())
    return f"{', '.join(inputs)} to {', '.join(outputs)}"
