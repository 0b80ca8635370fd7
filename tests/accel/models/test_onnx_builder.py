import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.models.manifest import Tensor
from accel.models.onnx_builder import GraphBuilder, block, integer, packed, real


def run(data, **feed):
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(None, feed)[0]


# Known answers from the specification's own examples (protobuf.dev, "Encoding").
def test_integers_and_texts_are_written_as_the_specification_shows():
    assert integer(1, 150) == bytes.fromhex("089601")
    assert block(2, "testing") == bytes.fromhex("120774657374696e67")
    assert packed(6, (3, 270, 86942)) == bytes.fromhex("3206038e029ea705")


def test_negative_integers_take_ten_bytes():
    assert integer(1, -2) == bytes.fromhex("08feffffffffffffffff01")


def test_floats_are_little_endian():
    assert real(2, 0.5) == bytes.fromhex("150000003f")


@given(st.integers(0, 2**63 - 1))
def test_every_integer_is_read_back(value):
    read, shift = 0, 0
    for byte in integer(1, value)[1:]:
        read |= (byte & 0x7F) << shift
        shift += 7
    assert read == value


def test_a_graph_computes_what_its_nodes_say():
    graph = GraphBuilder("test")
    shifted = graph.add("Add", ["x", graph.constant(np.array([1, 2], np.float32))])
    graph.add("LeakyRelu", [shifted], "y", alpha=0.5)
    data = graph.file([Tensor("x", "float32", ("n", 2))], [Tensor("y", "float32", ("n", 2))])
    made = run(data, x=np.array([[-5, 1]], np.float32))
    assert made.tolist() == [[-2.0, 3.0]]


def test_names_of_dimensions_are_written():
    graph = GraphBuilder("test")
    graph.add("Identity", ["x"], "y")
    data = graph.file([Tensor("x", "int64", ("rows", 3))], [Tensor("y", "int64", ("rows", 3))])
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (found,) = session.get_inputs()
    assert (found.name, found.shape, found.type) == ("x", ["rows", 3], "tensor(int64)")


@pytest.mark.parametrize("values", [np.arange(6, dtype=np.int64).reshape(2, 3), np.ones((2, 2), np.uint8)])
def test_constants_of_each_type_come_out_as_they_went_in(values):
    graph = GraphBuilder("test")
    graph.add("Identity", [graph.constant(values)], "y")
    data = graph.file([], [Tensor("y", values.dtype.name, values.shape)])
    assert np.array_equal(run(data), values)


def test_the_same_graph_gives_the_same_bytes():
    def build():
        graph = GraphBuilder("test")
        graph.add("Resize", ["x", "", "s"], "y", nearest_mode="floor", mode="nearest")
        return graph.file([Tensor("x", "float32", (1,))], [Tensor("y", "float32", (1,))])

    assert build() == build()
