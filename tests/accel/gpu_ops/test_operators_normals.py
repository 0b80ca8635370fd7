import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel.gpu_ops.graph import Runner
from accel.gpu_ops.operators import normal_map_graph, scale
from accel.image.height_map import HeightField, height_to_normal
from tests.accel.gpu_ops.comparison import check_agree
from tests.accel.image.operation_helpers import noise, raster

RUNNER = Runner()


def by_graph(heights, relief, made="uint8"):
    graph = normal_map_graph(heights.dtype.name, made, relief.kernel, relief.wrap, relief.green_down)
    feed = {"heights": heights[None, ..., 0], "scale": scale(relief, heights.dtype)}
    return RUNNER.run(graph, feed)["normals"].fetch()[0]


@pytest.mark.parametrize("kernel", ["sobel", "scharr", "central"])
@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("green_down", [False, True])
def test_normals_are_those_of_the_cpu_within_a_step(kernel, wrap, green_down):
    heights = noise(37, 50, 1)
    relief = HeightField(6.0, kernel, wrap, green_down, "luminance")
    check_agree(by_graph(heights, relief), height_to_normal(raster(heights), relief, "uint8"))


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_deep_heights_give_normals_of_16_bit_as_exact_as_those_of_the_cpu(kind):
    heights = noise(33, 21, 1, kind)
    relief = HeightField(-40.0, "sobel", False, False, "r")
    check_agree(
        by_graph(heights, relief, "uint16"),
        height_to_normal(raster(heights), relief, "uint16"),
        codes=2 / 257,
    )


@settings(deadline=None, max_examples=20)
@given(height=st.integers(1, 9), width=st.integers(1, 9), wrap=st.booleans())
def test_the_smallest_images_have_normals_too(height, width, wrap):
    heights = noise(height, width, 1)
    relief = HeightField(8.0, "sobel", wrap, False, "r")
    check_agree(by_graph(heights, relief), height_to_normal(raster(heights), relief, "uint8"))


def test_a_slope_that_rises_to_the_right_leans_left_as_its_formula_says():
    heights = np.tile(np.arange(0, 250, 10, dtype=np.uint8), (5, 1))[..., None]
    found = by_graph(heights, HeightField(25.5, "sobel", False, False, "r"))[2, 10]
    # A step of 10 / 255 * 25.5 = 1 texel each texel: (-1, 0, 1) / sqrt(2).
    assert found.tolist() == [round(127.5 - 127.5 / 2**0.5), 128, round(127.5 + 127.5 / 2**0.5)]


def test_several_images_go_in_one_run():
    relief = HeightField(5.0, "sobel", False, False, "r")
    images = [noise(8, 12, 1, seed=seed) for seed in range(3)]
    graph = normal_map_graph("uint8", "uint8", "sobel", False, False)
    feed = {"heights": np.stack(images)[..., 0], "scale": scale(relief, images[0].dtype)}
    found = RUNNER.run(graph, feed)["normals"].fetch()
    for made, heights in zip(found, images, strict=True):
        check_agree(made, height_to_normal(raster(heights), relief, "uint8"))
