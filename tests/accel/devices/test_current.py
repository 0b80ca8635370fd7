from pathlib import Path

import pytest

from accel.devices import current
from accel.devices.providers import Wish
from accel.devices.report import DeviceGone, Devices, Report


def test_a_process_computes_on_the_cpu_unless_it_was_started_for_a_gpu():
    assert (
        current.device_choice({}) is current.CPU
        and current.device_choice({current.WANTED: "cpu"}) is current.CPU
    )
    assert current.CPU.name == "cpu" and current.CPU.providers == (("CPUExecutionProvider", {}),)


def test_a_process_for_a_gpu_never_passes_the_cpu_off_as_one_and_says_why():
    # No onnxruntime has both CUDA and DirectML, so that one of them is missing anywhere.
    with pytest.raises(DeviceGone, match=r"DirectML: |CUDA: "):
        for name in ("cuda", "directml"):
            assert current.device_choice({current.WANTED: name}).name == name


def test_models_of_a_process_on_the_cpu_want_nothing_more():
    assert current.for_model(Wish(digest="ab" * 32, precision="float32")) is current.CPU


def test_a_certain_provider_is_used_or_says_why_it_is_not():
    assert current.for_provider("cpu", Wish(("cuda",), graph=True)) == current.CPU
    with pytest.raises(DeviceGone, match=r"DirectML: |CUDA: "):
        for name in ("cuda", "directml"):
            current.for_provider(name, Wish())


def test_a_process_keeps_what_is_compiled_where_it_is_told_to():
    assert current.cache_folder({}) is None and current.cache_folder({current.CACHE: ""}) is None
    assert current.cache_folder({current.CACHE: "somewhere"}) == Path("somewhere")


def test_where_nothing_can_be_kept_models_run_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    reports = (Report("openvino", True, "works"), Report("cpu", True, "works"))
    monkeypatch.setattr(current, "current_devices", lambda: Devices(reports))
    wish = Wish(digest="ab" * 32)
    monkeypatch.setenv(current.CACHE, str(tmp_path / "file"))
    assert "cache_dir" not in current.for_provider("openvino", wish).providers[0][1]
    monkeypatch.setenv(current.CACHE, str(tmp_path))
    assert "compiled" in current.for_provider("openvino", wish).providers[0][1]["cache_dir"]
