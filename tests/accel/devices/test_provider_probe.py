import msgspec
import pytest

from accel.devices.driver import Driver
from accel.devices.provider_probe import Failure, Runtime, Session, try_providers
from tests.accel.devices import fakes
from tests.accel.devices.fakes import CPU_SESSION, DRIVER, GPU_PACKAGE, machine, session

CUDA, TENSORRT = session("CUDAExecutionProvider"), session("TensorrtExecutionProvider")


def report(name, ask, platform="linux"):
    return try_providers(ask, platform).report(name)


def test_a_gpu_on_which_everything_runs_is_named_with_its_runtime():
    ask = machine(cuda=CUDA, tensorrt=TENSORRT)
    found = try_providers(ask, "linux")
    assert [one.name for one in found.reports if one.usable] == ["tensorrt", "cuda", "cpu"]
    assert found.report("cuda").reason == "NVIDIA H100, by onnxruntime 1.31.1"
    assert (found.gpus, found.driver, found.runtime, found.warnings) == ((fakes.H100,), 13010, "1.31.1", ())


def test_without_a_driver_nothing_of_nvidia_is_even_tried():
    ask = machine(driver=Driver("nvcuda.dll"))
    cuda = report("cuda", ask, "win32")
    assert (cuda.usable, cuda.reason) == (False, "no NVIDIA driver found (nvcuda.dll)")
    assert "install its driver" in cuda.remedy
    assert sorted(ask.asked) == ["cpu", "driver", "runtime"]


def test_what_another_system_has_is_said_to_be_there_only():
    found = try_providers(machine(cuda=CUDA, tensorrt=TENSORRT), "linux")
    assert found.report("directml").reason == "only on Windows"
    assert found.report("coreml").reason == "only on macOS"
    mac = Runtime(
        "1.31.1",
        "onnxruntime",
        {"onnxruntime": "1.31.1"},
        ("CoreMLExecutionProvider", "CPUExecutionProvider"),
        "",
    )
    ask = machine(runtime=mac, coreml=session("CoreMLExecutionProvider"))
    found = try_providers(ask, "darwin")
    assert [one.name for one in found.reports if one.usable] == ["coreml", "cpu"]
    assert found.report("cuda").reason == "only on Windows and Linux"
    # No driver is looked for where there can't be one.
    assert "driver" not in ask.asked


def test_a_session_that_silently_fell_back_to_the_cpu_is_not_usable():
    ask = machine(cuda=CPU_SESSION, tensorrt=CPU_SESSION, log=fakes.NO_CUBLAS)
    cuda = report("cuda", ask)
    assert not cuda.usable
    assert cuda.reason == "CUDA's libraries are missing (libcublasLt.so.13)"
    assert cuda.remedy == "pip install popbridge[gpu]"


def test_a_driver_that_is_older_than_the_runtime_s_cuda_is_named_with_what_it_takes():
    cuda = report("cuda", machine(driver=msgspec.structs.replace(DRIVER, version=12040)))
    assert cuda.reason == "NVIDIA's driver is for CUDA 12.4, onnxruntime for CUDA 13.0"
    assert cuda.remedy == "Update NVIDIA's driver to 580 or newer."


@pytest.mark.parametrize("version", [13000, 13020, 14000, 0])
def test_any_driver_of_the_same_cuda_or_a_newer_one_is_tried(version):
    ask = machine(driver=msgspec.structs.replace(DRIVER, version=version), cuda=CUDA, tensorrt=TENSORRT)
    assert report("cuda", ask).usable


def test_a_driver_that_hangs_or_crashes_costs_only_its_child():
    for reason in ("gave no answer within 60 s", "crashed (SIGSEGV)"):
        found = try_providers(machine(driver=Failure(reason)), "linux")
        assert found.report("cuda").reason == f"NVIDIA's driver {reason}"
        assert found.report("cpu").usable and found.gpus == ()


def test_a_session_that_crashes_leaves_the_others():
    ask = machine(tensorrt=Failure("crashed (SIGSEGV)", "\n  something broke \n more"), cuda=CUDA)
    found = try_providers(ask, "linux")
    assert found.report("tensorrt").reason == "it crashed (SIGSEGV): something broke"
    assert found.report("cuda").usable


def test_a_provider_that_computes_wrongly_is_not_usable():
    cuda = report("cuda", machine(cuda=Session(CUDA.providers, False), tensorrt=TENSORRT))
    assert (cuda.usable, cuda.reason) == (False, "computes wrongly")


def test_a_runtime_that_cant_be_loaded_leaves_nothing_and_says_what_to_do():
    found = try_providers(machine(runtime=Failure("failed (ImportError: DLL load failed)")), "win32")
    assert not any(one.usable for one in found.reports)
    assert found.report("cpu").reason == "onnxruntime failed (ImportError: DLL load failed)"
    assert "Visual C++" in found.report("cpu").remedy
    assert found.runtime == "" and found.driver == 13010
    broken = try_providers(machine(runtime=Failure("failed (ModuleNotFoundError: x)")), "linux")
    assert broken.report("cpu").remedy == "pip install --force-reinstall popbridge"


class TestPackages:
    BOTH = Runtime(
        "1.31.1",
        "onnxruntime",
        {"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.31.1"},
        ("CPUExecutionProvider",),
        "",
    )

    def test_a_cpu_package_that_overwrote_the_gpu_s_is_found_with_the_repair(self):
        found = try_providers(machine(runtime=self.BOTH), "linux")
        cuda = found.report("cuda")
        assert cuda.reason == "onnxruntime has overwritten onnxruntime-gpu"
        assert cuda.remedy == "pip install --force-reinstall --no-deps onnxruntime-gpu"
        (warning,) = found.warnings
        assert "(onnxruntime, onnxruntime-gpu)" in str(warning) and "; onnxruntime's copy is" in str(warning)
        assert str(warning).endswith(
            "pip uninstall onnxruntime, then pip install --force-reinstall --no-deps onnxruntime-gpu"
        )
        assert found.report("cpu").usable

    def test_two_special_packages_are_told_to_keep_the_one_that_is_there(self):
        both = msgspec.structs.replace(
            self.BOTH, package="onnxruntime-gpu", providers=GPU_PACKAGE.providers,
            distributions={"onnxruntime-directml": "1.24", "onnxruntime-gpu": "1.31.1"},
        )  # fmt: skip
        found = try_providers(machine(runtime=both, cuda=CUDA, tensorrt=TENSORRT), "win32")
        assert "pip uninstall onnxruntime-directml" in found.warnings[0]
        assert found.report("directml").reason == "onnxruntime-gpu has overwritten onnxruntime-directml"

    def test_what_another_package_has_is_said_with_the_exchange(self):
        found = try_providers(machine(cuda=CUDA, tensorrt=TENSORRT), "win32")
        directml, openvino = found.report("directml"), found.report("openvino")
        assert directml.reason == "not in onnxruntime-gpu 1.31.1, which is installed"
        assert directml.remedy == (
            "With an AMD or Intel GPU: pip uninstall onnxruntime-gpu, then pip install onnxruntime-directml"
        )
        assert str(openvino.remedy).startswith("To use OpenVINO instead of CUDA")
        plain = Runtime("1.31.1", "onnxruntime", {"onnxruntime": "1.31.1"}, ("CPUExecutionProvider",), "")
        cuda = report("cuda", machine(runtime=plain))
        assert cuda.remedy == "For CUDA: pip uninstall onnxruntime, then pip install onnxruntime-gpu"


def test_this_machine_runs_models_on_its_cpu_and_nothing_else_claims_more_than_it_can():
    found = try_providers()
    assert found.report("cpu").usable and found.runtime
    for one in found.reports:
        assert one.reason
        if one.name in ("cuda", "tensorrt") and not found.gpus:
            assert not one.usable
