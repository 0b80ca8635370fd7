"""Measures which batch sizes pay off, per workload and machine, and provides sample jobs for that."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from accel.atomic_file import write_atomic
from accel.execution.backoff import KeyedBackoff
from accel.execution.batching import SIZES
from accel.execution.executor import BatchExecutor, Job, packed_item
from accel.execution.protocol import DEVICE
from accel.text import AnyText, text
from accel.workload import Batching, Input, Workload, WorkloadError

WORTH = 1.05
"""Minimum speed-up of a larger batch, because its first job waits for the others."""
LEAST_S = 0.25
"""Minimum time for measuring each size."""
ROUNDS = 3
"""Minimum number of measurements per size. The best counts, because other work only slows one down."""

LIMIT_S = 60.0
"""Time limit for a measured batch."""

MAX_BATCHES = 8
"""Maximum number of batches of one size per round."""

log = logging.getLogger(__name__)


class BatchPolicy(Struct, frozen=True):
    """The measured batch size of one workload."""

    max_rows: int
    """Best batch size in rows; 1 for no batching."""
    rates: Mapping[int, float]
    """Rows per second on one worker, by batch size."""


class BatchTuning:
    """This machine's batch policies. A workload without one is measured in the background on first use; until
    then its jobs run one by one."""

    def __init__(
        self,
        file: Path | None,
        executor: BatchExecutor,
        device: str = DEVICE,
        retries: KeyedBackoff | None = None,
    ) -> None:
        """`file` need not exist; None stores nothing. `device` is the device's name in results."""
        self._retries = retries or KeyedBackoff()
        self._file = file
        self._executor = executor
        self._device = device
        self._known = _read(file)
        self._measuring: dict[str, asyncio.Task[None]] = {}

    def max_rows(self, workload: Workload) -> int:
        """Returns the best batch size in rows; 1 until measured."""
        if workload.inputs[0]:
            return 1
        key = self._key(workload)
        if (policy := self._known.get(key)) is not None:
            return policy.max_rows
        under_way = key in self._measuring and not self._measuring[key].done()
        if not under_way and not self._retries.left_s(key):
            self._measuring[key] = asyncio.create_task(self._quietly(workload))
        return 1

    async def measure(self, workload: Workload) -> BatchPolicy:
        """Measures a workload and stores its policy. Raises WorkloadError."""
        policy = chosen(await rates(self._executor, workload, computed=self._device == DEVICE))
        # Another device's policies may be in the same file.
        self._known |= {**_read(self._file), self._key(workload): policy}
        _write(self._file, self._known)
        return policy

    async def close(self) -> None:
        """Cancels running measurements."""
        for task in self._measuring.values():
            task.cancel()
        await asyncio.gather(*self._measuring.values(), return_exceptions=True)

    async def _quietly(self, workload: Workload) -> None:
        try:
            policy = await self.measure(workload)
        # A plugin's samples may raise anything.
        except (Exception, SystemExit) as error:
            reason = error.reason if isinstance(error, WorkloadError) else _words(error)
            again = self._retries.failed(self._key(workload), reason)
            message = "%s can't be measured for batches, and is again in %.0f s: %s"
            log.warning(message, workload.name, again, reason)
        else:
            self._retries.worked(self._key(workload))
            log.info("%s runs in batches of up to %d rows", workload.name, policy.max_rows)

    def _key(self, workload: Workload) -> str:
        return f"{workload.name} {workload.version} {self._device}"


class _Part(Struct, frozen=True):
    packed: msgspec.Raw


def _sample(workload: Workload, batching: Batching, index: int) -> _Part:
    """Returns a job to measure with. Raises WorkloadError."""
    if workload.inputs[0]:
        reason = text("batching is measured with jobs that have no inputs, but this workload requires one")
        raise WorkloadError("unsupported", reason)
    try:
        return _Part(packed_item(Job.parse(workload, batching.sample(index))))
    except WorkloadError:
        raise
    # A plugin's samples and parameters may raise anything.
    except (Exception, SystemExit) as error:
        raise WorkloadError(
            "internal", text("its sample of a job failed ({words})", words=_words(error))
        ) from error


def _words(error: BaseException) -> str:
    """Returns the error as one line, even if its `__str__` fails."""
    return " ".join(traceback.format_exception_only(error)[0].split())


async def rates(
    executor: BatchExecutor, workload: Workload, *, computed: bool = True, limit_s: float = LIMIT_S
) -> dict[int, float]:
    """Returns rows per second on one worker, by batch size. Raises WorkloadError.

    `computed` measures CPU time, which other work hardly affects, instead of wall time, as for a GPU.
    `limit_s` limits each batch: larger sizes that exceed it are left out, the smallest raises.
    """
    assert workload.batching is not None
    sizes = [size for size in SIZES if size <= workload.batching.max_rows]
    parts = [_sample(workload, workload.batching, index) for index in range(sizes[-1])]

    async def timed(size: int) -> float:
        # Run each sample once: they differ, and large batches contain both short and long ones.
        groups = [parts[first : first + size] for first in range(0, len(parts), size)]
        took = [await _timed(executor, workload, group, computed, limit_s) for group in groups[:MAX_BATCHES]]
        return sum(took) / len(took)

    await _timed(executor, workload, parts[:1], computed, limit_s)  # the first job also opens the model
    best = dict.fromkeys(sizes, float("inf"))
    begin, rounds = time.perf_counter(), 0
    # Take turns, so that other work on the machine affects all sizes alike.
    while rounds < ROUNDS or time.perf_counter() - begin < LEAST_S * len(best):
        for size in tuple(best):
            try:
                best[size] = min(best[size], await timed(size))
            except WorkloadError as error:
                if error.code != "deadline_exceeded" or size == sizes[0]:
                    raise
                message = "%s isn't measured in batches of %d: %s"
                log.warning(message, workload.name, size, error.reason)
                best = {smaller: best[smaller] for smaller in sizes if smaller < size}
                break
        rounds += 1
    return {size: size / seconds for size, seconds in best.items()}


async def _timed(
    executor: BatchExecutor, workload: Workload, parts: Sequence[_Part], computed: bool, limit_s: float
) -> float:
    """Returns the seconds in the worker. Raises WorkloadError."""

    def take() -> Sequence[_Part]:
        limit.reschedule(asyncio.get_running_loop().time() + limit_s)
        return parts

    try:
        async with asyncio.timeout(None) as limit:
            done = await executor.run_batch(workload, take, priority="bulk", out_dir=None)
    except TimeoutError:
        reason = text("samples weren't done within {limit_s} s", limit_s=f"{limit_s:.0f}")
        raise WorkloadError("deadline_exceeded", reason) from None
    if failed := [one for one in done if isinstance(one, WorkloadError)]:
        raise failed[0]
    good = [one for one in done if not isinstance(one, WorkloadError)]
    return sum(one.cpu_ms if computed else one.run_ms for one in good) / 1000


def chosen(rates: Mapping[int, float]) -> BatchPolicy:
    """Returns the smallest batch size that no larger one beats by more than WORTH."""
    best = max(rates.values())
    size = min(size for size, rate in rates.items() if rate * WORTH >= best)
    return BatchPolicy(size, {size: round(rate, 1) for size, rate in rates.items()})


def _read(file: Path | None) -> dict[str, BatchPolicy]:
    if file is None:
        return {}
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, BatchPolicy])
    except (OSError, ValueError):
        # A missing or damaged file only costs a measurement.
        return {}


def _write(file: Path | None, known: Mapping[str, BatchPolicy]) -> None:
    if file is not None:
        write_atomic(file, msgspec.json.format(msgspec.json.encode(known)))


Make = Callable[[int, Path], tuple[Mapping[str, Any], Sequence[Input]]]
"""Returns the parameters and inputs of a sample of a given size; writes its files to the folder."""
MPX = 1_000_000

SIDES = (256, 1024, 2048)
"""Sides of the measured square images: two define a line, the third shows whether it is one."""
SLOW_SIDES = (64, 128, 256)
"""Sides for networks, which take seconds per megapixel on a CPU."""


class Scale(Struct, frozen=True):
    """The size on which a workload's cost depends."""

    sides: Sequence[int] = SIDES
    """Sides of the measured samples."""
    size: Callable[[int], int] = lambda side: side * side
    """Returns the size of a sample with this side."""
    unit: AnyText = text("megapixels")
    per: int = MPX
    """Amount that counts as one unit."""


PIXELS = Scale()


class Sample(Struct, frozen=True):
    """Sample jobs of a workload."""

    make: Make
    scale: Scale = PIXELS
    size: Callable[[Job], int] = lambda job: sample_pixels(job.inputs)
    """Returns the size of any job."""


BYTES = 1.5
"""Assumed bytes per pixel of files whose header isn't parsed here; game textures have 0.5 to 4."""


def sample_pixels(inputs: Sequence[Input]) -> int:
    """Returns the total pixels of the inputs: exact for PNG, estimated from the file size for others, 0 for
    unreadable files."""
    return sum(map(_pixels, inputs))


def _pixels(source: Input) -> int:
    try:
        with open(source.path, "rb") as file:
            head = file.read(24)
            size = os.fstat(file.fileno()).st_size
    except OSError:
        return 0
    # PNG (ISO/IEC 15948), clause 11.2.1: IHDR comes first, starting with width and height.
    if head[:8] == b"\x89PNG\r\n\x1a\n" and head[12:16] == b"IHDR":
        return int.from_bytes(head[16:20], "big") * int.from_bytes(head[20:24], "big")
    return int(size / BYTES)


def image_sample(channels: int, count: int = 1, sides: Sequence[int] = SIDES, **params: Any) -> Sample:
    """Returns sample jobs with `count` PNG images of waves and noise."""

    def make(side: int, folder: Path) -> tuple[Mapping[str, Any], Sequence[Input]]:
        return params, [_written(side, channels, folder / f"{at}.png") for at in range(count)]

    return Sample(make, Scale(sides, lambda side: count * side * side))


TEXTS = Scale((1, 8, 64), lambda side: side, text("texts"), 1)


def text_sample() -> Sample:
    """Returns sample jobs with texts of a few words each."""

    def make(side: int, folder: Path) -> tuple[Mapping[str, Any], Sequence[Input]]:
        words = ("rusty", "metal", "plate", "brick", "wall", "mossy", "rock", "oak", "planks", "sky")
        return {
            "texts": [
                " ".join(words[(n * 3 + at) % len(words)] for at in range(2 + n % 5)) for n in range(side)
            ]
        }, []

    return Sample(make, TEXTS, lambda job: len(job.inputs) + len(getattr(job.params, "texts", None) or ()))


def _written(side: int, channels: int, file: Path) -> Input:
    import numpy as np
    import pyvips

    y, x = np.mgrid[:side, :side].astype(np.float32)
    waves = 110 + 60 * np.sin(x / 37) * np.cos(y / 23)
    noise = np.random.default_rng(1).integers(0, 16, (side, side, channels), np.uint8)
    pixels = np.ascontiguousarray(waves.astype(np.uint8)[..., None] + noise)
    image: Any = pyvips.Image.new_from_memory(pixels.data, side, side, channels, "uchar")
    kind = "srgb" if channels > 2 else "b-w"
    image.copy(interpretation=kind).pngsave(str(file), compression=1)
    return Input(file.name, str(file))


SAMPLES: dict[str, Sample] = {
    # Workloads with a GPU implementation (accel.gpu_ops.implementations).
    "image.normal_from_height": image_sample(1),
    "image.resize": image_sample(4, factor=0.5),
    "image.mipmaps": image_sample(4, format="ktx2"),
    "image.pack_channels": image_sample(1, 3),
    # Workloads that run networks: the same function with another provider.
    "image.upscale": image_sample(3, sides=SLOW_SIDES),
    "image.remove_background": image_sample(3, sides=SLOW_SIDES),
    "image.ocr": image_sample(3, sides=SLOW_SIDES),
    "image.embed": image_sample(3, sides=SLOW_SIDES),
    "text.embed": text_sample(),
}
"""Sample jobs by workload name."""
