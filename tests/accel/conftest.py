import asyncio
import time

import numpy as np
import psutil
import pytest
import pyvips

from accel.execution.executor import LocalExecutor
from accel.workload import Input, Limits


async def until(condition, what: str, seconds: float = 20.0):
    """Waits for `condition()` to be true and gives its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        await asyncio.sleep(0.005)
    return value


def runs(pid: int) -> bool:
    """Whether a process still runs (a zombie doesn't)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
async def make_executor():
    """Makes executors that are closed in the end, if a test hasn't done it."""
    made = []

    async def make(workers: int = 1, memory_mib: int = 0, **options) -> LocalExecutor:
        executor = LocalExecutor(workers, Limits(options.pop("max_pixels", 1 << 28)), memory_mib, **options)
        made.append(executor)
        await executor.start()
        return executor

    yield make
    for executor in made:
        await executor.close()


@pytest.fixture
async def executor():
    """One cold worker."""
    local = LocalExecutor(1, Limits(), 0, warm=())
    await local.start()
    yield local
    await local.close()


def image(pixels, model: str = "srgb") -> pyvips.Image:
    """A pyvips image of an array, height x width x channels."""
    pixels = np.ascontiguousarray(pixels)
    kind = {"uint8": "uchar", "uint16": "ushort", "float32": "float"}[pixels.dtype.name]
    height, width, bands = pixels.shape
    made = pyvips.Image.new_from_memory(pixels.tobytes(), width, height, bands, kind)
    return made.copy(interpretation=model)


@pytest.fixture
def save(tmp_path):
    """Writes pixels to a file; gives it as an input."""

    def write(name: str, pixels, model: str = "srgb", **options) -> Input:
        path = tmp_path / name
        path.write_bytes(image(pixels, model).write_to_buffer(path.suffix, **options))
        return Input(name, str(path))

    return write


@pytest.fixture
def photo():
    """Pixels with some structure: 48 high, 64 wide, RGB."""
    y, x = np.mgrid[:48, :64]
    return np.stack([x * 4, y * 5, (x * y) % 256], -1).astype(np.uint8)
