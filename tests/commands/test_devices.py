"""`popbridge devices`, as a person at a shell meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from accel.devices import provider_probe
from accel.devices.driver import Gpu
from accel.devices.proof_cache import ProofCache, ProvenVariants
from accel.devices.report import FULL, Devices, Report
from accel.execution.device_router import DeviceFailure, DeviceHealth
from accel.text import text
from bridge.commands import terminal
from bridge.commands.devices import MAX_SHAPES

MISSING = text("TensorRT's libraries are missing{which}", which="")
FOUND = text("{names}, by {runtime}", names=["NVIDIA H100"], runtime="onnxruntime 1.31.1")
BROKEN = Devices(
    (
        Report("tensorrt", False, MISSING, "pip install tensorrt-cu13"),
        Report("cuda", True, FOUND),
        Report("cpu", True, "onnxruntime 1.31.1"),
    ),
    (Gpu("NVIDIA H100", 81559, "9.0"), Gpu("")),
    13010,
    "1.31.1",
    ("2 packages have the module onnxruntime",),
)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_probe, "try_providers", lambda: BROKEN)


@pytest.mark.usefixtures("broken")
def test_each_provider_is_shown_with_why_and_what_to_do(popbridge: Any) -> None:
    code, out, err = popbridge("devices")
    lines = out.splitlines()
    assert code == 0 and err == ""
    assert lines[1].split()[:2] == ["TensorRT", "no"] and lines[1].endswith("pip install tensorrt-cu13")
    assert lines[2].split()[:3] == ["CUDA", "yes", "NVIDIA"]
    assert "NVIDIA H100: 81559 MiB, compute capability 9.0." in out
    assert "An unnamed GPU: memory unknown, compute capability unknown." in out
    assert "2 packages have the module onnxruntime" in out
    assert lines[-1] == "Fastest usable device: CUDA."


@pytest.mark.usefixtures("broken")
def test_a_narrow_screen_tears_no_command_apart(popbridge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "screen_width", lambda: 40)
    lines = popbridge("devices")[1].splitlines()
    assert lines[:4] == [
        "TensorRT: no, TensorRT's libraries are",
        "  missing",
        "  pip install tensorrt-cu13",
        "CUDA: yes, NVIDIA H100, by onnxruntime",
    ]
    assert max(map(len, lines)) <= 40


def test_where_nothing_is_usable_nothing_is_called_the_fastest(
    popbridge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = Devices(tuple(Report(one.name, False, "it failed") for one in BROKEN.reports))
    monkeypatch.setattr(provider_probe, "try_providers", lambda: none)
    assert popbridge("devices")[1].splitlines()[-1] == "No device can run models."


@pytest.mark.usefixtures("broken")
def test_devices_as_json_are_a_line_for_each_provider(popbridge: Any) -> None:
    _, out, err = popbridge("devices", "--json")
    assert err == "2 packages have the module onnxruntime\n"
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["name"] for row in rows] == ["tensorrt", "cuda", "cpu"]
    assert rows[0] == {
        "name": "tensorrt", "usable": False, "reason": "TensorRT's libraries are missing",
        "remedy": "pip install tensorrt-cu13",
    }  # fmt: skip


@pytest.mark.usefixtures("broken")
def test_a_device_that_failed_the_daemon_is_told_with_when_it_is_tried_again(
    popbridge: Any, home: Path
) -> None:
    full = DeviceFailure("CUDA, NVIDIA H100", "image.upscale", FULL, 1_800_000_000.0)
    gone = DeviceFailure("CUDA, NVIDIA H100", "", "the GPU is gone", 1_800_000_000.0)
    troubles = DeviceHealth(home / "cache" / "device-troubles.json")
    for trouble in (full, gone):
        troubles.add(trouble)
    said = " ".join(popbridge("devices")[1].split())
    assert "image.upscale failed on CUDA, NVIDIA H100: the GPU's memory is full. The CPU runs it" in said
    assert "everything failed on CUDA, NVIDIA H100: the GPU is gone" in said
    rows = [json.loads(line) for line in popbridge("devices", "--json")[1].splitlines()]
    assert rows[-1] == {
        "device": "CUDA, NVIDIA H100", "workload": "", "reason": "the GPU is gone", "again": 1_800_000_000.0,
    }  # fmt: skip


@pytest.mark.usefixtures("broken")
def test_it_says_how_shapes_that_came_again_are_run_and_why_not_otherwise(popbridge: Any, home: Path) -> None:
    kept = ProofCache(home / "cache" / "shapes.json", BROKEN.machine)
    kept.settle("ab", ProvenVariants("u2netp model.onnx", "x 1x3", kept.machine, "CUDA graph", "", 2.4, 1.2))
    why = "CUDA graph returns different results"
    kept.settle("ab", ProvenVariants("pp-ocrv6 rec.onnx", "x 1x5", kept.machine, "plainly", why))
    ProofCache(home / "cache" / "shapes.json", "another GPU").settle(
        "ab", ProvenVariants("minilm-l6 model.onnx", "x 1x7", "another GPU", "plainly", "")
    )
    said = " ".join(popbridge("devices")[1].split())
    assert "u2netp model.onnx with x 1x3 runs by CUDA graph (1.2 ms, unoptimised 2.4 ms)." in said
    assert f"pp-ocrv6 rec.onnx with x 1x5 runs unoptimised. {why}." in said
    assert "minilm-l6" not in said
    row = json.loads(popbridge("devices", "--json")[1].splitlines()[-1])
    assert (row["shape"], row["way"], row["why"]) == ("x 1x5", "plainly", why)


@pytest.mark.usefixtures("broken")
def test_of_many_shapes_the_last_ones_are_told(popbridge: Any, home: Path) -> None:
    kept = ProofCache(home / "cache" / "shapes.json", BROKEN.machine)
    for width in range(MAX_SHAPES + 3):
        kept.settle("ab", ProvenVariants("pp-ocrv6 rec.onnx", f"x 1x{width}.", kept.machine, "plainly", ""))
    said = popbridge("devices")[1]
    assert "x 1x2." not in said and "x 1x3." in said and "3 earlier shapes" in said
    assert len(popbridge("devices", "--json")[1].splitlines()) == 3 + MAX_SHAPES + 3


def test_this_machine_is_tried_and_what_was_found_is_kept(popbridge: Any, home: Path) -> None:
    code, out, _ = popbridge("devices")
    assert code == 0
    assert next(line for line in out.splitlines() if line.startswith("CPU")).split()[1] == "yes"
    assert (home / "cache" / "devices.json").exists()


@pytest.mark.usefixtures("broken")
def test_who_reads_chinese_is_told_in_chinese(
    popbridge: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    DeviceHealth(home / "cache" / "device-troubles.json").add(
        DeviceFailure("CUDA, NVIDIA H100", "image.upscale", FULL, 1_800_000_000.0)
    )
    ProofCache(home / "cache" / "shapes.json", BROKEN.machine).settle(
        "ab",
        ProvenVariants(
            "u2netp model.onnx",
            "x 1x3",
            BROKEN.machine,
            "plainly",
            text("{way} {refused}", way="TensorRT", refused=text("returns different results")),
        ),
    )
    out = popbridge("devices")[1]
    assert "image.upscale 在 CUDA, NVIDIA H100 上失败：" in out
    assert "u2netp model.onnx（形状 x 1x3）以未优化的方式运行。" in out
    assert "未命名的 GPU：显存未知" in out and out.endswith("最快的可用设备：CUDA。\n")


@pytest.mark.usefixtures("broken")
def test_what_is_below_the_providers_begins_at_the_edge(popbridge: Any) -> None:
    assert "\n\nNVIDIA H100: 81559 MiB" in popbridge("devices")[1]
