"""Files that are small and claim, or unpack to, far more than a machine has: refused in time and memory."""

import asyncio
import contextlib
import struct
import time
import zlib
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
import pyvips

from accel.execution.executor import Job, LocalExecutor
from accel.execution.memory_budget import MemoryBudget
from accel.image.codecs.png import chunk
from accel.image.operations.analysis import inspect
from accel.image.operations.geometry import thumbnail
from accel.texture.workloads import examine
from accel.workload import Input, Limits, WorkloadError
from tests.accel.conftest import until
from tests.security import hostile

MIB = 1 << 20
HUGE = 60_000
"""A side whose square is far above the limit of pixels."""
SECONDS = 10.0
ROOM = 700 * MIB
"""What a worker may hold after a bomb: libraries, and an image that is within the limits."""
REFUSED = {"too_large", "bad_input", "unsupported"}

pytestmark = pytest.mark.own_workers


def png(width: int, height: int, rows: int, *, depth: int = 8, interlaced: int = 0) -> bytes:
    """A PNG whose header names a size, with `rows` rows of zeros."""
    packer = zlib.compressobj(9)
    row = bytes(1 + width * depth // 8 * 4)
    data = b"".join([packer.compress(row) for _ in range(rows)]) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, 6, 0, 0, interlaced)
    parts = [*chunk(b"IHDR", [header]), *chunk(b"IDAT", [data]), *chunk(b"IEND", [])]
    return b"".join([b"\x89PNG\r\n\x1a\n", *map(bytes, parts)])


def png_text(name: bytes) -> bytes:
    """A PNG of one pixel with a text or profile of 256 MiB of zeros."""
    packer = zlib.compressobj(9)
    block = bytes(16 * MIB)
    data = b"".join([packer.compress(block) for _ in range(16)]) + packer.flush()
    whole = png(1, 1, 1)
    at = 8 + 25
    return whole[:at] + b"".join(map(bytes, chunk(name, [b"x\0\0", data]))) + whole[at:]


def gif(width: int, height: int, frames: int = 1) -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\x00"
    return screen + frame * frames + b"\x3b"


def bmp(width: int, height: int) -> bytes:
    head = struct.pack("<2sIHHI", b"BM", 58, 0, 0, 54)
    return head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(4)


def tga(width: int, height: int, *, packed: bool) -> bytes:
    head = struct.pack("<BBBHHBHHHHBB", 0, 0, 10 if packed else 2, 0, 0, 0, 0, 0, width, height, 32, 8)
    return head + b"\xff\0\0\0\0" * 64


def psd(width: int, height: int, channels: int = 4) -> bytes:
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, channels, height, width, 8, 3)
    return head + struct.pack(">III", 0, 0, 0) + struct.pack(">H", 1) + bytes(2 * height * channels)


def dds(width: int, height: int, *, array: int = 1) -> bytes:
    head = struct.pack("<4sIIIIIII44x", b"DDS ", 124, 0x1007, height, width, 0, 0, 0)
    form = struct.pack("<II4sIIIII", 32, 4, b"DX10", 0, 0, 0, 0, 0)
    more = struct.pack("<5I", 0x1000, 0, 0, 0, 0) + struct.pack("<5I", 28, 3, 0, array, 0)
    return head + form + more + bytes(64)


def ktx2(width: int, height: int, layers: int = 0, *, unpacked: int = 0) -> bytes:
    """A KTX2 with zstd whose level claims `unpacked` bytes and holds a frame that is invalid."""
    size = unpacked or width * height * 4
    head = b"\xabKTX 20\xbb\r\n\x1a\n" + struct.pack("<9I", 37, 1, width, height, 0, layers, 1, 1, 2)
    index = struct.pack("<4I2Q", 104, 0, 0, 0, 0, 0) + struct.pack("<3Q", 200, 64, size)
    return (head + index).ljust(200, b"\0") + b"\x28\xb5\x2f\xfd" + bytes(60)


def exr(width: int, height: int) -> bytes:
    def attribute(name: bytes, kind: bytes, value: bytes) -> bytes:
        return name + b"\0" + kind + b"\0" + struct.pack("<I", len(value)) + value

    box = struct.pack("<4i", 0, 0, width - 1, height - 1)
    channel = b"R\0" + struct.pack("<iiii", 2, 0, 1, 1) + b"\0"
    return b"".join(
        [
            b"\x76\x2f\x31\x01\x02\0\0\0",
            attribute(b"channels", b"chlist", channel),
            attribute(b"compression", b"compression", b"\x03"),
            attribute(b"dataWindow", b"box2i", box),
            attribute(b"displayWindow", b"box2i", box),
            attribute(b"lineOrder", b"lineOrder", b"\0"),
            attribute(b"pixelAspectRatio", b"float", struct.pack("<f", 1)),
            attribute(b"screenWindowCenter", b"v2f", struct.pack("<2f", 0, 0)),
            attribute(b"screenWindowWidth", b"float", struct.pack("<f", 1)),
            b"\0",
            bytes(64),
        ]
    )


def hdr(width: int, height: int) -> bytes:
    head = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (height, width)
    return head + b"\x02\x02\xff\xff" * 9


def jpeg(width: int, height: int) -> bytes:
    whole = bytearray(pyvips.Image.black(16, 16).write_to_buffer(".jpg"))
    # Start of frame: marker, length, depth, height, width.
    at = whole.index(b"\xff\xc0") + 5
    whole[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(whole)


def webp(width: int, height: int) -> bytes:
    size = (width - 1) | (height - 1) << 14
    body = b"VP8L" + struct.pack("<IBI", 16, 0x2F, size) + bytes(11)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def tiff(width: int, height: int, *, packed: bytes, strip_rows: int) -> bytes:
    """A TIFF with deflate of one strip."""
    tags = [
        (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 8),
        (277, 3, 1), (278, 4, strip_rows), (279, 4, len(packed)),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed
    return head + struct.pack("<H", len(tags)) + entries + bytes(4)


def zeros(count: int) -> bytes:
    packer = zlib.compressobj(9)
    block = bytes(MIB)
    return b"".join([packer.compress(block) for _ in range(count // MIB)]) + packer.flush()


BOMBS = {
    "size.png": lambda: png(HUGE, HUGE, 1),
    "interlaced.png": lambda: png(HUGE, HUGE, 1, interlaced=1),
    "deep.png": lambda: png(HUGE, HUGE, 1, depth=16),
    "size.gif": lambda: gif(65535, 65535),
    "frames.gif": lambda: gif(65535, 65535, 1000),
    "size.bmp": lambda: bmp(HUGE, HUGE),
    "top.bmp": lambda: bmp(2**31 - 1, 2**31 - 1),
    "size.tga": lambda: tga(65535, 65535, packed=True),
    "plain.tga": lambda: tga(65535, 65535, packed=False),
    "size.psd": lambda: psd(HUGE, 30_000),
    "channels.psd": lambda: psd(16_384, 16_384, 56),
    "size.dds": lambda: dds(HUGE, HUGE),
    "array.dds": lambda: dds(16_384, 16_384, array=2**31),
    "size.ktx2": lambda: ktx2(HUGE, HUGE),
    "layers.ktx2": lambda: ktx2(4096, 4096, 2**31),
    "level.ktx2": lambda: ktx2(256, 256, unpacked=2**40),
    "size.exr": lambda: exr(HUGE, HUGE),
    "top.exr": lambda: exr(2**31 - 1, 2**31 - 1),
    "size.hdr": lambda: hdr(HUGE, HUGE),
    "size.jpg": lambda: jpeg(65535, 65535),
    "size.webp": lambda: webp(16_383, 16_383),
    "size.tif": lambda: tiff(HUGE, HUGE, packed=zeros(4 * MIB), strip_rows=HUGE),
    "strip.tif": lambda: tiff(64, 64, packed=zeros(256 * MIB), strip_rows=64),
    "text.png": lambda: png_text(b"zTXt"),
    "profile.png": lambda: png_text(b"iCCP"),
}


WITHIN_LIMITS = {
    "deep.png": lambda: png(16_384, 16_384, 1, depth=16),
    "interlaced.png": lambda: png(16_384, 16_384, 1, interlaced=1),
    "whole.webp": lambda: webp(16_383, 16_383),
    "whole.gif": lambda: gif(16_384, 16_384),
    "whole.bmp": lambda: bmp(16_384, 16_384),
    "run.tga": lambda: tga(16_384, 16_384, packed=True),
    "whole.psd": lambda: psd(16_384, 16_384),
    "whole.dds": lambda: dds(16_384, 16_384),
    "whole.ktx2": lambda: ktx2(16_384, 16_384),
    "whole.exr": lambda: exr(16_384, 16_384),
    "whole.hdr": lambda: hdr(16_384, 16_384),
    "whole.jpg": lambda: jpeg(16_384, 16_384),
}
"""Images that may be opened where there is the memory."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker():
    """One worker with the limits of a daemon."""
    local = LocalExecutor(1, Limits(), 4096, budget=MemoryBudget(2048))
    await local.start()
    await local.ready()
    yield local
    await local.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_is_refused_or_opened_within_limits(worker, tmp_path, name):
    file = tmp_path / name
    file.write_bytes(BOMBS[name]())
    for workload in (inspect.workload, thumbnail.workload):
        begin = time.monotonic()
        outcome = "done"
        try:
            await worker.run(Job.parse(workload, {}, [Input(name, str(file))], deadline_s=2 * SECONDS))
        except WorkloadError as error:
            outcome = error.code
        assert outcome in REFUSED | {"done"}, outcome
        assert time.monotonic() - begin < SECONDS
        (pid,) = worker.pool.pids
        assert peak(pid) < ROOM
    if not name.startswith(("strip", "text", "profile", "size.webp")):
        assert outcome != "done"
    assert worker.pool.ended["crashed"] == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def poor_worker():
    """One worker of a small machine."""
    local = LocalExecutor(1, Limits(), 0, budget=MemoryBudget(192))
    await local.start()
    await local.ready()
    yield local
    await local.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", WITHIN_LIMITS)
async def test_what_its_header_says_is_refused_before_it_is_decoded(poor_worker, tmp_path, name):
    file = tmp_path / name
    file.write_bytes(WITHIN_LIMITS[name]())
    with pytest.raises(WorkloadError) as caught:
        await poor_worker.run(Job.parse(examine.workload, {}, [Input(name, str(file))], deadline_s=SECONDS))
    assert caught.value.code == "too_large"
    assert caught.value.name == name
    assert "worker.total_mib" in caught.value.reason
    assert caught.value.reason.values["limit"] == 192
    (pid,) = poor_worker.pool.pids
    assert peak(pid) < ROOM


async def test_large_jobs_that_fit_only_one_after_the_other_wait(tmp_path):
    file = tmp_path / "large.png"
    pyvips.Image.black(8192, 4096, bands=4).copy(interpretation="srgb").write_to_file(file, compression=1)
    picture = Input(file.name, str(file))
    local = LocalExecutor(4, Limits(), 0, budget=MemoryBudget(1024))
    await local.start()
    try:
        jobs = [Job.parse(examine.workload, {}, [picture], deadline_s=60) for _ in range(4)]
        running = asyncio.gather(*map(local.run, jobs))
        assert await until(lambda: local.pool.budget.waiting, "a job to wait")
        found = await running
        assert {one.value["inspection"]["width"] for one in found} == {8192}
        assert local.pool.ended["memory"] == 0
    finally:
        await local.close()


async def test_a_workload_that_takes_all_memory_is_ended_before_the_machine_is_full():
    local = LocalExecutor(2, Limits(), 0, warm=(), budget=MemoryBudget(400))
    await local.start()
    try:
        greedy = local.run(Job.parse(hostile.hoards.workload, {"target": "4000"}, deadline_s=30))
        modest = local.run(Job.parse(hostile.files.workload, {}, deadline_s=30))
        found = await asyncio.gather(greedy, modest, return_exceptions=True)
        assert found[0].code == "too_large"
        assert "worker.total_mib" in found[0].reason
        assert found[1].value == "made"
        assert local.pool.ended == {"crashed": 0, "cancelled": 0, "memory": 1}
    finally:
        await local.close()


def peak(pid: int) -> int:
    """The most memory that a process has held, in bytes; what it holds now where no record is kept."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) << 10
    return psutil.Process(pid).memory_info().rss
