"""Textures that wait are examined together, each as if it were alone."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accel.execution.executor import LocalExecutor
from accel.texture.workloads import AT_ONCE, Examination, Examine, examine
from accel.workload import Input, Limits
from bridge.audit import examine as module
from bridge.audit.examine import Answer, Cache, Examiner, Question, Trouble, Workers
from tests.accel.conftest import image
from tests.audit import doubles
from tests.messages import in_chinese


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many textures each batch had."""
    sizes: list[int] = []
    real = LocalExecutor.run_batch

    async def run_batch(self: LocalExecutor, workload: Any, take: Any, **how: Any) -> Any:
        def counted() -> Any:
            parts = take()
            sizes.append(len(parts))
            return parts

        return await real(self, workload, counted, **how)

    monkeypatch.setattr(LocalExecutor, "run_batch", run_batch)
    return sizes


def textures(folder: Path, count: int) -> list[Question]:
    rng = np.random.default_rng(7)
    for number in range(count):
        pixels = rng.integers(0, 256, (40 + number, 40, 3), dtype=np.uint8)
        (folder / f"{number}.png").write_bytes(image(pixels).pngsave_buffer())
    return [Question(f"{number}.png", {}) for number in range(count)]


async def answers(
    folder: Path,
    questions: Sequence[Question],
    workload: Any = examine,
    count: int = 1,
    cache: Cache | None = None,
) -> dict[str, Answer]:
    workers = Workers(count, Limits(), 0, 60.0)
    used = cache or Cache(None)
    try:
        examiner = Examiner(folder, workload.workload, b"", workers, used)
        return {answer.question.file: answer async for answer in examiner.answers(questions)}
    finally:
        await workers.close()
        if cache is None:
            used.close()


@contextlib.contextmanager
def closed(file: Path) -> Iterator[None]:
    """Nobody else may open the file meanwhile."""
    if sys.platform == "win32":
        import _winapi

        held = _winapi.CreateFile(str(file), _winapi.GENERIC_READ, 0, 0, _winapi.OPEN_EXISTING, 0, 0)
        try:
            yield
        finally:
            _winapi.CloseHandle(held)
    elif os.geteuid() == 0:
        pytest.skip("root may open everything")
    else:
        file.chmod(0)
        yield
        file.chmod(0o644)


@pytest.fixture
def cache() -> Iterator[Cache]:
    made = Cache(None)
    yield made
    made.close()


async def test_what_couldnt_be_opened_is_looked_at_again_by_the_next_run(
    tmp_path: Path, cache: Cache
) -> None:
    questions = textures(tmp_path, 1)
    os.utime(tmp_path / "0.png", (1e9, 1e9))
    with closed(tmp_path / "0.png"):
        refused = (await answers(tmp_path, questions, cache=cache))["0.png"].outcome
    told = "another program has it open" if sys.platform == "win32" else "Permission denied"
    assert isinstance(refused, Trouble) and str(refused.reason).startswith(f"can't be read ({told}")
    assert in_chinese("can't be read (another program has it open, or you don't have permission)") == (
        "无法读取（文件正被其他程序占用，或没有访问权限）"
    )
    assert isinstance((await answers(tmp_path, questions, cache=cache))["0.png"].outcome, Examination)


async def test_what_waits_is_examined_together_and_told_as_if_alone(
    tmp_path: Path, batches: list[int]
) -> None:
    questions = textures(tmp_path, 9)
    (tmp_path / "4.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more, for longer than it may be half saved")
    found = await answers(tmp_path, questions)
    assert max(batches) == AT_ONCE and len(found) == 9
    broken = found.pop("4.png").outcome
    assert isinstance(broken, Trouble) and broken.code == "bad_input"
    for name, answer in found.items():
        alone = examine([Input(name, str(tmp_path / name))], Examine(), Limits())
        assert answer.outcome == alone.value


@pytest.mark.parametrize(("small", "most"), [(1 << 20, 8), (100, 4)])
async def test_no_more_wait_than_are_done_before_their_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: int, most: int
) -> None:
    monkeypatch.setattr(module, "SMALL", small)
    waiting = [0, 0]
    real = Workers.run

    async def run(self: Workers, *job: Any) -> Any:
        waiting[0] += 1
        waiting[1] = max(waiting)
        try:
            return await real(self, *job)
        finally:
            waiting[0] -= 1

    monkeypatch.setattr(Workers, "run", run)
    assert len(await answers(tmp_path, textures(tmp_path, 12))) == 12
    assert waiting == [0, most]


async def test_no_worker_waits_while_another_has_several(tmp_path: Path, batches: list[int]) -> None:
    assert len(await answers(tmp_path, textures(tmp_path, 3), count=2)) == 3
    assert batches == []


async def test_what_is_large_or_examined_by_a_plugin_is_examined_alone(
    tmp_path: Path, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_text("albedo", encoding="utf-8")
    assert len(await answers(tmp_path, [Question("a.png", {})], doubles.examine)) == 1
    monkeypatch.setattr(module, "SMALL", 100)
    assert len(await answers(tmp_path, textures(tmp_path, 3))) == 3
    assert batches == []
