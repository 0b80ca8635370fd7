import pytest

from accel.devices import here
from accel.devices.faults import DeviceGone


def test_a_process_computes_on_the_cpu_unless_it_was_started_for_a_gpu():
    assert here.of({}) is here.CPU and here.of({here.WANTED: "cpu"}) is here.CPU
    assert here.CPU.name == "cpu" and here.CPU.providers == (("CPUExecutionProvider", {}),)


def test_a_process_for_a_gpu_never_passes_the_cpu_off_as_one_and_says_why():
    # No onnxruntime has both CUDA and DirectML, so that one of them is missing anywhere.
    with pytest.raises(DeviceGone, match=r"DirectML: |CUDA: "):
        for name in ("cuda", "directml"):
            assert here.of({here.WANTED: name}).name == name
