import numpy as np
import pytest

from accel.devices.current import CPU
from accel.devices.providers import Choice
from accel.gpu_ops import graph as graph_module
from accel.gpu_ops.graph import Runner, Value
from accel.gpu_ops.operators import normal_map_graph
from accel.gpu_ops.resample import PixelCoding, mip_feed, mips_graph, steps
from accel.image.mip_levels import level_sizes
from accel.models.manifest import Tensor
from accel.models.onnx_builder import GraphBuilder
from tests.accel.image.operation_helpers import noise

SCALE = np.ones(1, np.float32) / 64


def test_what_one_graph_made_feeds_the_next_without_coming_back():
    heights = noise(16, 16, 1)[None, ..., 0]
    one = Runner()
    held = one.run(
        normal_map_graph("uint8", "uint8", "sobel", True, False), {"heights": heights, "scale": SCALE}
    )
    assert isinstance(held["normals"], Value) and held["normals"].shape == (1, 16, 16, 3)
    coded, wanted = PixelCoding("uint8", 3, 3, vectors=True), level_sizes(16, 16)
    plan = steps((16, 16), wanted, "box", "clamp")
    feed = dict(mip_feed(coded, (16, 16), wanted, "box", "clamp"), pixels=held["normals"])
    chained = one.run(mips_graph(coded, plan), feed)
    apart = Runner().run(mips_graph(coded, plan), {**feed, "pixels": held["normals"].fetch()})
    for name, value in chained.items():
        assert np.array_equal(value.fetch(), apart[name].fetch())


def test_what_was_put_there_once_serves_several_runs():
    one = Runner()
    heights = one.put(noise(8, 8, 1)[None, ..., 0])
    graphs = [normal_map_graph("uint8", "uint8", "sobel", False, down) for down in (False, True)]
    up, down = (one.run(graph, {"heights": heights, "scale": SCALE})["normals"].fetch() for graph in graphs)
    assert np.abs(up[..., 1].astype(int) + down[..., 1] - 255).max() <= 1 and (up != down).any()


def test_only_so_many_graphs_stay_open(monkeypatch):
    monkeypatch.setattr(graph_module, "MAX_OPEN", 2)
    one = Runner()
    for width in (1, 2, 3, 1):
        graph = GraphBuilder("twice")
        graph.add("Add", ["x", "x"], "y")
        sides = [Tensor(name, "float32", (width,)) for name in "xy"]
        data = graph.file(sides[:1], sides[1:])
        assert one.run(data, {"x": np.ones(width, np.float32)})["y"].fetch().tolist() == [2.0] * width
        assert len(one._open) <= 2
    assert one.provider == CPU.name == "cpu"


def test_a_wrong_shape_is_refused_by_the_runtime():
    graph = normal_map_graph("uint8", "uint8", "sobel", False, False)
    with pytest.raises(Exception, match="heights"):
        Runner().run(graph, {"heights": np.zeros((4, 4), np.uint8), "scale": SCALE})


def test_cuda_multiplies_whole_floats():
    assert graph_module._exact("CUDAExecutionProvider", {"device_id": "0"}) == {
        "device_id": "0",
        "use_tf32": "0",
    }
    assert graph_module._exact("CPUExecutionProvider", {}) == {}


def test_a_provider_that_falls_back_to_the_cpu_is_an_error():
    # There is no such GPU on any machine.
    gone = Runner(Choice("cuda", (("CUDAExecutionProvider", {"device_id": "999"}), CPU.providers[0]), ()))
    gone._place = "cpu"
    with pytest.raises(Exception, match="CUDA"):
        gone.run(normal_map_graph("uint8", "uint8", "sobel", False, False), {})


def test_networks_may_multiply_less_exactly():
    graph = normal_map_graph("uint8", "uint8", "sobel", False, False)
    feed = {"heights": np.zeros((1, 2, 2), np.uint8), "scale": SCALE}
    assert Runner(exact=False).run(graph, feed)["normals"].fetch()[0, 0, 0].tolist() == [128, 128, 255]
