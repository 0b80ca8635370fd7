import pytest

from accel.devices.report import DeviceGone, fault_of, uses_device

RAN = "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Conv node. "


@pytest.mark.parametrize(
    "said",
    [
        RAN + "bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) Failed to "
        "allocate memory for requested buffer of size 939524096",
        "bfc_arena.cc:360 Available memory of 25165056 is smaller than requested bytes of 29360128",
        "CUDA failure 2: out of memory ; GPU=0 ; hostname=h ; expr=cudaMalloc((void**)&p, size);",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0",
        "CUDNN failure 1001: CUDNN_STATUS_NOT_INITIALIZED ; GPU=0",
        "DmlCommittedResourceAllocator.cpp(22) 8007000E Not enough memory resources are available",
        "bad allocation",
    ],
)
def test_a_full_memory_is_told_from_other_failures(said):
    assert fault_of(RuntimeError(said)) == "memory"


@pytest.mark.parametrize(
    "said",
    [
        "CUDA failure 100: no CUDA-capable device is detected ; GPU=32635 ; hostname=h",
        "CUDA failure 700: an illegal memory access was encountered ; GPU=0",
        "CUDA failure 719: unspecified launch failure ; GPU=0",
        "ExecutionProvider.cpp(962) 887A0005 The GPU device instance has been suspended. Use "
        "GetDeviceRemovedReason to determine the appropriate action.",
        "all CUDA-capable devices are busy or unavailable",
    ],
)
def test_a_device_that_is_lost_is_told_from_one_that_is_full(said):
    assert fault_of(RuntimeError(said)) == "gone"


def test_other_errors_blame_no_device():
    assert fault_of(ValueError("shapes (2, 3) and (4,) not aligned")) == ""
    assert fault_of(RuntimeError("CUDA failure 1: invalid argument ; GPU=1")) == ""
    assert fault_of(MemoryError()) == "memory" and fault_of(DeviceGone("unplugged")) == "gone"


class BadAllocation(RuntimeError):
    def __str__(self):
        raise self


def test_the_words_of_the_error_alone_count():
    noted = ValueError("shapes (2, 3) and (4,) not aligned")
    noted.add_note("it isn't out of memory")
    assert fault_of(noted) == "" and fault_of(BadAllocation("bad allocation")) == ""
    assert fault_of(type("out of memory", (Exception,), {})()) == ""


def test_only_processes_for_a_gpu_have_one():
    assert not uses_device({}) and not uses_device({"POPBRIDGE_PROVIDER": "cpu"})
    assert uses_device({"POPBRIDGE_PROVIDER": "cuda"})
