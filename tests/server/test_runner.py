"""What workloads say, in the wire's words; and where their inputs may lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from accel import workload
from accel.execution.batch_tuning import image_sample
from accel.execution.cost_model import Cost, Device, write
from accel.execution.device_router import DeviceQueue, DeviceRouter
from accel.execution.executor import CancelToken, Executor, LocalExecutor
from accel.workload import Limits, WorkloadError
from bridge.core.errors import RequestError
from bridge.core.messages import InputRef, ResultMeta
from bridge.core.metrics import Counts
from bridge.core.router import Load
from bridge.server.blobs import BlobCollector
from bridge.server.executors import BlobExecutor
from bridge.server.runner import Runner, as_request_error
from bridge.store.blobs import BlobStore

ECHO = workload.echo.workload


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (WorkloadError("bad_input", "is empty", "a.png"), "bad_input", "a.png: is empty."),
        (WorkloadError("unsupported", "isn't there yet"), "unsupported", "w: isn't there yet."),
        (WorkloadError("bad_params", "`size` is too small"), "bad_params", "w: `size` is too small."),
        (
            WorkloadError("worker_crashed", "SIGKILL"),
            "worker_crashed",
            "w crashed its worker process on no input (SIGKILL).",
        ),
        (WorkloadError("deadline_exceeded", "x"), "deadline_exceeded", "w did not finish within 7 ms."),
        (WorkloadError("too_large", "needs more memory", "a.png"), "too_large", "a.png: needs more memory"),
        (WorkloadError("too_large", "a.png is huge", "a.png"), "too_large", "a.png is huge"),
        (WorkloadError("shutting_down", "is stopping"), "shutting_down", "is stopping"),
        (WorkloadError("internal", "secret"), "internal", "w failed; see the daemon's log."),
        (
            WorkloadError("internal", "secret", step="step 2, acme.fade"),
            "internal",
            "w (step 2, acme.fade) failed; see the daemon's log.",
        ),
        (WorkloadError("my own code", "secret"), "internal", "w failed; see the daemon's log."),
    ],
)
def test_what_a_workload_says_is_said_in_the_wires_words(
    error: WorkloadError, code: str, message: str
) -> None:
    told = as_request_error(error, "w", 7)
    assert (told.code.name, told.message) == (code, message)


@pytest.mark.parametrize(("begun", "outcome"), [(False, "not_started"), (True, "unknown")])
def test_what_is_too_late_says_whether_a_worker_had_begun(begun: bool, outcome: str) -> None:
    token = CancelToken()
    token.started = begun
    assert as_request_error(WorkloadError("deadline_exceeded", "x"), "w", 7, token).outcome == outcome


async def test_a_workload_that_isnt_there_is_named(tmp_path: Path) -> None:
    runner = Runner({}, None, BlobStore(tmp_path, 1), Limits())  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=r"Unknown workload .gone"):
        await runner.run("gone", {}, [])


def test_an_input_says_once_where_its_bytes_are(tmp_path: Path) -> None:
    runner = Runner({}, None, BlobStore(tmp_path, 1), Limits())  # type: ignore[arg-type]
    for ref in (InputRef(name="x"), InputRef(name="x", data=b"1", path="x.png")):
        with pytest.raises(RequestError, match="exactly one of"):
            runner.resolve([ref], tmp_path)


async def no_blobs() -> set[str]:
    return set()


async def test_a_result_says_where_it_ran_and_why(tmp_path: Path) -> None:
    forms = [Device("cpu", "CPU"), Device("other", "Another")]
    lanes = [DeviceQueue(form, LocalExecutor(1, Limits(), 0)) for form in forms]
    routed = DeviceRouter(lanes[0], tmp_path / "routing.json", {ECHO.name: image_sample(1)})
    costs = {"bridge.echo 1 CPU": Cost(9, 0), "bridge.echo 1 Another": Cost(1, 0)}
    write(tmp_path / "both.json", costs)
    both = DeviceRouter(lanes[0], tmp_path / "both.json", {ECHO.name: image_sample(1)})
    # What is inline runs without workers, so that none are started.
    both._queues.append(lanes[1])
    blobs = BlobStore(tmp_path, 1)
    collector = BlobCollector(blobs, no_blobs, no_blobs, keep_s=60, sweep_s=60)

    async def meta(executor: Executor) -> ResultMeta:
        into_blobs = BlobExecutor(executor, blobs, collector, Counts(), Load(1))
        return (await Runner({ECHO.name: ECHO}, into_blobs, blobs, Limits()).run(ECHO.name, {}, [])).meta

    alone, chosen = await meta(routed), await meta(both)
    assert (alone.device, alone.reason) == ("CPU", "")
    assert chosen.device == "Another"
    assert chosen.reason == "about 1 ms on Another, 9 ms on CPU (0 megapixels)"
