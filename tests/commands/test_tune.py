"""`popbridge tune`, as a person at a shell meets it."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accel.ai.sessions import Engine
from accel.devices.current import CACHE, CPU, current_devices
from accel.devices.proof_cache import ProofCache, ProvenVariants
from accel.devices.report import Devices
from accel.execution import device_router
from accel.execution.batch_tuning import SAMPLES, image_sample
from accel.execution.cost_model import Device
from accel.execution.device_router import DeviceQueue
from accel.execution.executor import LocalExecutor
from accel.image.operations.pipeline import OPERATIONS
from accel.models.catalog import MODELS
from accel.workload import Limits
from bridge.commands import tune
from tests.commands.shell import one_line
from tests.messages import is_chinese
from tests.server.test_uploads import tmpfs

DEVICE = "CUDA, Stand-in"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU's workers once more, as a GPU would join them."""

    def lane(
        choice: object, devices: object, limits: Limits, batching: Path, cache: Path, sandbox: object
    ) -> DeviceQueue:
        worker = LocalExecutor(1, limits, 0, env={CACHE: str(cache)})
        return DeviceQueue(
            Device("cuda", DEVICE),
            device_router.GpuExecutor(worker, batching, DEVICE),
            1,
            device_router._target,
        )

    monkeypatch.setattr(device_router, "find_gpu", lambda file: (CPU, Devices(())))
    monkeypatch.setattr(device_router, "gpu_queue", lane)
    monkeypatch.setitem(SAMPLES, "image.normal_from_height", image_sample(1, sides=(16, 64)))


@pytest.fixture
def full(home: Path) -> Iterator[None]:
    """The data folder is a disk of its own, without room."""
    if not tmpfs(home, "64k"):
        pytest.skip("only root may mount a small disk")
    with contextlib.suppress(OSError), (home / "full").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    yield
    subprocess.run(["umount", "-l", str(home)], check=False)


@pytest.mark.usefixtures("acme")
class TestTune:
    def test_what_is_worth_a_batch_is_measured_shown_and_kept(self, popbridge: Any, home: Path) -> None:
        code, out, _ = popbridge("tune", "acme.length")
        assert code == 0 and "acme.length" in out and "times" in out
        assert "acme.length 1 CPU" in json.loads((home / "cache" / "batching.json").read_bytes())

    def test_it_tells_programs_every_rate(self, popbridge: Any) -> None:
        _, out, _ = popbridge("tune", "acme.length", "--json")
        (line,) = out.splitlines()
        said = json.loads(line)
        assert said["workload"] == "acme.length" and set(said["rates"]) == {"1", "2", "4"}
        assert str(said["max_rows"]) in said["rates"]

    def test_whoever_sits_at_a_terminal_sees_what_is_measured(
        self, popbridge: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert popbridge("tune", "acme.length")[2] == ""
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)
        assert popbridge("tune", "acme.length")[2] == "Measuring acme.length...\n"

    def test_where_nothing_can_be_kept_nothing_is_measured(self, popbridge: Any, home: Path) -> None:
        home.mkdir()
        (home / "cache").write_bytes(b"")
        code, out, err = popbridge("tune", "acme.length")
        assert code == 2 and not out and one_line(err)
        assert f"{home / 'cache'} (" in err and "would be lost" in err

    @pytest.mark.usefixtures("full")
    def test_where_the_disk_is_full_nothing_is_measured(self, popbridge: Any) -> None:
        code, out, err = popbridge("tune", "acme.length")
        assert code == 2 and not out and one_line(err)
        assert "No space left on device" in err and "would be lost" in err

    def test_a_daemon_that_runs_is_said_to_have_to_start_anew(self, popbridge: Any, home: Path) -> None:
        home.mkdir()
        (home / "connection.json").write_bytes(b"{}")
        assert "Restart the daemon" in popbridge("tune", "acme.length")[2]

    def test_what_is_named_and_has_nothing_to_measure_is_told_so(self, popbridge: Any) -> None:
        code, out, _ = popbridge("tune", "image.upscale")
        assert code == 0 and out.startswith("image.upscale: no batches and no working GPU")

    def test_a_slip_in_a_name_is_told_with_what_was_meant(self, popbridge: Any) -> None:
        for name in ("resize", "image.resiz"):
            code, _, err = popbridge("tune", name)
            assert code == 2 and err.endswith("in batches or on a GPU. Did you mean image.resize?\n")

    def test_a_workload_that_has_no_batches_is_named(self, popbridge: Any) -> None:
        code, _, err = popbridge("tune", "acme.size")
        assert code == 2 and "'acme.size'" in err and "acme.length" in err

    @pytest.mark.usefixtures("stand_in")
    def test_batches_are_measured_on_each_device(self, popbridge: Any, home: Path) -> None:
        code, out, _ = popbridge("tune", "acme.length")
        assert code == 0 and DEVICE in out
        kept = json.loads((home / "cache" / "batching.json").read_bytes())
        assert set(kept) == {"acme.length 1 CPU", f"acme.length 1 {DEVICE}"}


@pytest.mark.usefixtures("stand_in")
def test_where_there_is_a_gpu_it_is_measured_what_jobs_cost_on_it_and_on_the_cpu(
    popbridge: Any, home: Path
) -> None:
    code, out, _ = popbridge("tune", "image.normal_from_height")
    assert code == 0 and DEVICE in out and " ms" in out
    kept = json.loads((home / "cache" / "routing.json").read_bytes())
    version = OPERATIONS["image.normal_from_height"].workload.version
    assert set(kept) == {f"image.normal_from_height {version} {where}" for where in ("CPU", DEVICE)}
    _, out, _ = popbridge("tune", "image.normal_from_height", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["device"] for row in rows] == ["CPU", DEVICE] and rows[0]["fixed_ms"] >= 0


@pytest.mark.usefixtures("stand_in")
def test_a_workload_whose_model_is_missing_is_told_and_fails_only_where_it_was_named(
    popbridge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = popbridge("tune", "image.ocr")
    assert code == 2 and "Can't measure image.ocr: " in err
    kept = {"image.ocr": SAMPLES["image.ocr"], "image.normal_from_height": image_sample(1, sides=(16, 64))}
    monkeypatch.setattr("accel.execution.batch_tuning.SAMPLES", kept)
    code, out, err = popbridge("tune")
    assert code == 0 and "Can't measure image.ocr: " in err and "image.normal_from_height" in out


@pytest.mark.usefixtures("stand_in")
def test_shapes_that_came_again_are_tried_anew_unless_something_else_was_named(
    popbridge: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "accel.execution.batch_tuning.SAMPLES", {"image.normal_from_height": image_sample(1, sides=(16, 64))}
    )
    kept = ProofCache(home / "cache" / "shapes.json", current_devices().machine)
    file = MODELS["u2netp"].files[0]
    kept.settle(file.sha256, ProvenVariants("u2netp model.onnx", "x 1x3", kept.machine, "plainly", "slow"))
    popbridge("tune", "image.normal_from_height")
    assert len(kept.all) == 1
    code, out, _ = popbridge("tune")
    assert code == 0 and "image.normal_from_height" in out
    assert kept.all == []


def test_engines_are_shown_with_how_long_they_took_or_why_there_are_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = [
        Engine("u2netp model.onnx", "x 1x3", 41.5),
        Engine("pp-ocrv6 det.onnx", "x 1x5", 0.0, "no memory"),
    ]
    tune._show([], [], made)
    said = capsys.readouterr().out
    assert "built in 41.5 s" in said and "no memory" in said


def test_without_batches_and_without_a_gpu_there_is_nothing_to_measure(popbridge: Any) -> None:
    code, out, _ = popbridge("tune", "image.resize")
    assert code == 0 and "no working GPU" in out


def test_who_reads_chinese_is_told_in_chinese(
    popbridge: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert "image.resize：不能批处理" in popbridge("tune", "image.resize")[1]
    assert is_chinese(popbridge("tune", "acme.none")[2])
    costs = [tune.Costs("image.upscale", "CPU", 1.25, 300.0)]
    tune._show([tune.Batches("a.b", "CPU", 2, {1: 10.0, 2: 15.0})], costs, [Engine("m", "x", 41.5)])
    said = capsys.readouterr().out
    assert "1.50 倍" in said and "300.0 毫秒" in said and "构建用时 41.5 秒" in said
