import pytest

from accel.devices.choice import Wish, choose
from accel.devices.providers import PROVIDERS, Cuda, Tensorrt, compiled_folder, values
from accel.devices.report import Devices, Report
from tests.accel.devices.fakes import H100


def devices(*usable):
    reports = tuple(
        Report(one.name, one.name in usable, "works" if one.name in usable else "is broken")
        for one in PROVIDERS
    )
    return Devices(reports, (H100,), 13010, "1.31.1")


def test_the_fastest_that_works_is_chosen_and_the_cpu_always_helps():
    choice = choose(devices("cuda", "cpu"), Wish())
    assert choice.name == "cuda"
    assert choice.passed_over == ("TensorRT: is broken",)
    assert choice.providers == (
        (
            "CUDAExecutionProvider",
            {
                "device_id": "0",
                "cudnn_conv_algo_search": "HEURISTIC",
                "arena_extend_strategy": "kSameAsRequested",
            },
        ),
        ("CPUExecutionProvider", {}),
    )


def test_tensorrt_leaves_to_cuda_what_it_hasn_t():
    choice = choose(devices("tensorrt", "cuda", "cpu"), Wish(), gpu=1)
    assert [name for name, _ in choice.providers] == [
        "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider",
    ]  # fmt: skip
    assert all(options["device_id"] == "1" for _, options in choice.providers[:2])
    alone = choose(devices("tensorrt", "cpu"), Wish())
    assert [name for name, _ in alone.providers] == ["TensorrtExecutionProvider", "CPUExecutionProvider"]


def test_a_model_of_many_shapes_is_compiled_by_nobody():
    choice = choose(devices("tensorrt", "cuda", "cpu"), Wish(fixed_shapes=False))
    assert choice.name == "cuda"
    assert choice.passed_over == ("TensorRT: compiles each of the model's many shapes",)


def test_a_model_s_own_order_counts():
    everything = devices("tensorrt", "cuda", "openvino", "cpu")
    assert choose(everything, Wish(order=("openvino", "cuda"))).name == "openvino"
    assert choose(everything, Wish(order=("cpu", "cuda"))).name == "cpu"
    assert choose(everything, Wish(order=("directml",))).name == "cpu"


def test_with_nothing_else_it_is_the_cpu_even_if_that_is_in_doubt():
    choice = choose(devices(), Wish())
    assert choice.providers == (("CPUExecutionProvider", {}),)
    assert len(choice.passed_over) == len(PROVIDERS) - 1


def test_what_is_compiled_is_kept_apart_for_each_model_gpu_and_version(tmp_path):
    wish = Wish(digest="ab" * 32)
    choice = choose(devices("tensorrt", "cuda", "cpu"), wish, tmp_path)
    (_, options), (_, cuda), _ = choice.providers
    folder = tmp_path / "compiled" / ("ab" * 16) / "tensorrt_NVIDIA-H100-9.0_1.31.1_13010"
    assert folder.is_dir()
    assert options == {
        "device_id": "0", "trt_engine_cache_enable": "1", "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1", "trt_timing_cache_path": str(folder), "trt_fp16_enable": "0",
    }  # fmt: skip
    assert "path" not in "".join(cuda)
    assert list((tmp_path / "compiled" / ("ab" * 16)).iterdir()) == [folder]


def test_without_a_digest_nothing_is_kept(tmp_path):
    choice = choose(devices("tensorrt", "cpu"), Wish(), tmp_path)
    assert choice.providers[0][1]["trt_engine_cache_enable"] == "0"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "cd" * 32},
        {"gpu": None},
        {"runtime": "1.32.0"},
        {"driver": 13020},
        {"provider": "openvino"},
    ],
)
def test_another_model_gpu_runtime_or_driver_has_another_folder(tmp_path, change):
    facts = {"digest": "ab" * 32, "provider": "tensorrt", "gpu": H100, "runtime": "1.31.1", "driver": 13010}
    assert compiled_folder(tmp_path, **facts) != compiled_folder(tmp_path, **{**facts, **change})


def test_options_become_texts_and_empty_ones_are_left_out():
    assert values(Tensorrt(trt_engine_cache_enable=False))["trt_engine_cache_enable"] == "0"
    assert "trt_engine_cache_path" not in values(Tensorrt())
    assert values(Cuda(2))["device_id"] == "2"
    assert all(isinstance(text, str) for one in PROVIDERS for text in values(one.options("x", 0)).values())
