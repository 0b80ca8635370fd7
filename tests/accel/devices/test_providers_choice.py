import msgspec

from accel.devices.providers import PROVIDERS, Cuda, Opening, Tensorrt, Wish, choose, profile, values
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
    assert choice.skipped == ("TensorRT: is broken",)
    assert choice.providers == (
        (
            "CUDAExecutionProvider",
            {
                "device_id": "0",
                "cudnn_conv_algo_search": "HEURISTIC",
                "arena_extend_strategy": "kSameAsRequested",
                "enable_cuda_graph": "0",
                "use_tf32": "1",
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
    assert choice.skipped == ("TensorRT: compiles each of the model's many shapes",)


def test_a_model_s_own_order_counts():
    everything = devices("tensorrt", "cuda", "openvino", "cpu")
    assert choose(everything, Wish(order=("openvino", "cuda"))).name == "openvino"
    assert choose(everything, Wish(order=("cpu", "cuda"))).name == "cpu"
    assert choose(everything, Wish(order=("directml",))).name == "cpu"


def test_with_nothing_else_it_is_the_cpu_even_if_that_is_in_doubt():
    choice = choose(devices(), Wish())
    assert choice.providers == (("CPUExecutionProvider", {}),)
    assert len(choice.skipped) == len(PROVIDERS) - 1


def test_what_is_compiled_is_kept_in_the_folder_of_its_model(tmp_path):
    wish = Wish(digest="ab" * 32)
    choice = choose(devices("tensorrt", "cuda", "cpu"), wish, tmp_path)
    (_, options), (_, cuda), _ = choice.providers
    (folder,) = (tmp_path / "compiled" / ("ab" * 8)).iterdir()
    assert folder.name.startswith("tensorrt_NVIDIA-H100-9.0_")
    assert options == {
        "device_id": "0", "trt_engine_cache_enable": "1", "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1", "trt_timing_cache_path": str(folder), "trt_fp16_enable": "0",
        "trt_cuda_graph_enable": "0", "trt_auxiliary_streams": "-1",
    }  # fmt: skip
    assert "path" not in "".join(cuda)


def test_a_model_opened_for_one_shape_has_an_engine_for_just_that_shape(tmp_path):
    wish = Wish(digest="ab" * 32, shapes=(("ids", (8, 32)), ("mask", (8, 32))), fixed_shapes=False)
    tensorrt = choose(devices("tensorrt", "cuda", "cpu"), wish, tmp_path).providers[0][1]
    for which in ("min", "opt", "max"):
        assert tensorrt[f"trt_profile_{which}_shapes"] == "ids:8x32,mask:8x32"
    other = msgspec.structs.replace(wish, shapes=(("ids", (16, 32)), ("mask", (16, 32))))
    again = choose(devices("tensorrt", "cuda", "cpu"), other, tmp_path).providers[0][1]
    assert again["trt_engine_cache_path"] != tensorrt["trt_engine_cache_path"]
    assert profile(()) == ""


def test_only_the_provider_that_runs_a_model_captures_a_graph_of_it():
    wish = Wish(shapes=(("x", (1, 3)),), graph=True)
    (_, tensorrt), (_, cuda), _ = choose(devices("tensorrt", "cuda", "cpu"), wish).providers
    assert (tensorrt["trt_cuda_graph_enable"], tensorrt["trt_auxiliary_streams"]) == ("1", "0")
    assert cuda["enable_cuda_graph"] == "0"
    (_, alone), _ = choose(devices("cuda", "cpu"), wish).providers
    assert alone["enable_cuda_graph"] == "1"


def test_products_are_less_precise_only_where_the_model_bears_it():
    everything = devices("tensorrt", "cuda", "cpu")
    halves = choose(everything, Wish(precision="float16"))
    assert halves.providers[0][1]["trt_fp16_enable"] == "1"
    usual = choose(everything, Wish())
    assert usual.providers[0][1]["trt_fp16_enable"] == "0" and usual.providers[1][1]["use_tf32"] == "1"
    exact = choose(everything, Wish(precision="float32"))
    assert exact.name == "cuda" and exact.providers[0][1]["use_tf32"] == "0"
    assert exact.skipped == ("TensorRT: multiplies less precisely than the model tolerates",)


def test_without_a_digest_nothing_is_kept(tmp_path):
    choice = choose(devices("tensorrt", "cpu"), Wish(), tmp_path)
    assert choice.providers[0][1]["trt_engine_cache_enable"] == "0"
    assert list(tmp_path.iterdir()) == []


def test_options_become_texts_and_empty_ones_are_left_out():
    assert values(Tensorrt(trt_engine_cache_enable=False))["trt_engine_cache_enable"] == "0"
    assert "trt_engine_cache_path" not in values(Tensorrt())
    assert values(Cuda(2))["device_id"] == "2"
    assert all(
        isinstance(text, str) for one in PROVIDERS for text in values(one.options(Opening("x"))).values()
    )
