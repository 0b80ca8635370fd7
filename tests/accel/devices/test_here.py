from pathlib import Path

import pytest

from accel.devices import here
from accel.devices.choice import Wish
from accel.devices.faults import DeviceGone
from accel.devices.report import Devices, Report


def test_a_process_computes_on_the_cpu_unless_it_was_started_for_a_gpu():
    assert here.of({}) is here.CPU and here.of({here.WANTED: "cpu"}) is here.CPU
    assert here.CPU.name == "cpu" and here.CPU.providers == (("CPUExecutionProvider", {}),)


def test_a_process_for_a_gpu_never_passes_the_cpu_off_as_one_and_says_why():
    # No onnxruntime has both CUDA and DirectML, so that one of them is missing anywhere.
    with pytest.raises(DeviceGone, match=r"DirectML: |CUDA: "):
        for name in ("cuda", "directml"):
            assert here.of({here.WANTED: name}).name == name


def test_models_of_a_process_on_the_cpu_want_nothing_more():
    assert here.for_model(Wish(digest="ab" * 32, precision="float32")) is here.CPU


def test_a_certain_provider_is_used_or_says_why_it_is_not():
    assert here.for_provider("cpu", Wish(("cuda",), graph=True)) == here.CPU
    with pytest.raises(DeviceGone, match=r"DirectML: |CUDA: "):
        for name in ("cuda", "directml"):
            here.for_provider(name, Wish())


def test_a_process_keeps_what_is_compiled_where_it_is_told_to():
    assert here.cache({}) is None and here.cache({here.CACHE: ""}) is None
    assert here.cache({here.CACHE: "somewhere"}) == Path("somewhere")


def test_where_nothing_can_be_kept_models_run_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    reports = (Report("openvino", True, "works"), Report("cpu", True, "works"))
    monkeypatch.setattr(here, "devices", lambda: Devices(reports))
    wish = Wish(digest="ab" * 32)
    monkeypatch.setenv(here.CACHE, str(tmp_path / "file"))
    assert "cache_dir" not in here.for_provider("openvino", wish).providers[0][1]
    monkeypatch.setenv(here.CACHE, str(tmp_path))
    assert "compiled" in here.for_provider("openvino", wish).providers[0][1]["cache_dir"]
