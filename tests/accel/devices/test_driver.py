import ctypes
import os
import subprocess
import sys
import time

import pytest

from accel.devices import Device, probe
from accel.devices.driver import Driver, Gpu, ask_driver


class Library:
    """Stands in for a CUDA driver: this machine need not have one."""

    def __init__(self, gpus=1, init=0, named=0):
        self.gpus, self.init, self.named = gpus, init, named

    def cuInit(self, flags):
        return self.init

    def cuDeviceGetCount(self, count):
        count._obj.value = self.gpus
        return 0

    def cuDeviceGet(self, device, index):
        return 0

    def cuDriverGetVersion(self, version):
        version._obj.value = 13010
        return 0

    def cuDeviceTotalMem_v2(self, size, device):
        size._obj.value = 24 << 30
        return 0

    def cuDeviceGetAttribute(self, value, attribute, device):
        value._obj.value = {75: 8, 76: 9}[attribute]
        return 0

    def cuDeviceGetName(self, buffer, size, device):
        ctypes.memmove(buffer, b"Some GPU\0", 9)
        return self.named


def missing(name):
    raise OSError(name)


def test_without_a_driver_it_is_the_cpu_and_says_why():
    assert probe("linux", missing) == Device("CPU", "no CUDA driver found")
    assert probe("win32", missing) == Device("CPU", "no CUDA driver found")


@pytest.mark.parametrize(("platform", "library"), [("linux", "libcuda.so.1"), ("win32", "nvcuda.dll")])
def test_with_a_driver_it_is_cuda_with_the_gpu_s_name(platform, library):
    asked = []
    assert probe(platform, lambda name: asked.append(name) or Library()) == Device("CUDA", "Some GPU")
    assert asked == [library]


def test_several_gpus_are_counted():
    assert probe("linux", lambda name: Library(gpus=3)).reason == "Some GPU and 2 more"


def test_a_driver_that_is_of_no_use_says_why():
    assert probe("linux", lambda name: Library(init=999)) == Device(
        "CPU", "the CUDA driver doesn't start (error 999)"
    )
    assert probe("linux", lambda name: Library(gpus=0)) == Device("CPU", "the CUDA driver sees no GPU")
    assert probe("linux", lambda name: Library(named=1)) == Device("CUDA", "an unnamed GPU")


def test_the_driver_tells_its_version_and_its_gpus():
    driver = ask_driver("linux", lambda name: Library(gpus=2))
    assert driver == Driver("libcuda.so.1", True, 13010, (Gpu("Some GPU", 24576, "8.9"),) * 2)
    assert ask_driver("win32", missing) == Driver("nvcuda.dll")


def test_a_driver_that_lacks_a_function_or_refuses_one_is_still_read():
    class Old:
        cuInit = Library.cuInit
        init = 0

        def cuDeviceGetCount(self, count):
            count._obj.value = 1
            return 0

        def cuDeviceGet(self, device, index):
            return 0

    assert ask_driver("linux", lambda name: Old()) == Driver("libcuda.so.1", True, 0, (Gpu(""),))

    class Refusing(Library):
        def cuDeviceGet(self, device, index):
            return 101

    assert ask_driver("linux", lambda name: Refusing()).gpus == (Gpu(""),)

    class Uncounted(Library):
        def cuDeviceGetCount(self, count):
            return 3

    assert ask_driver("linux", lambda name: Uncounted()).gpus == ()


def test_a_mac_computes_by_coreml():
    assert probe("darwin", missing) == Device("CoreML", "macOS")


def test_the_probe_of_this_machine_loads_no_runtime():
    code = "import sys, accel.devices as d; d.probe(); print({'onnxruntime', 'numpy'} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == "set()"


def test_without_a_driver_the_probe_is_quick():
    begin = time.perf_counter()
    if probe().name == "CPU":
        assert time.perf_counter() - begin < 0.1
