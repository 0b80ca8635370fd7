"""ncnn's networks against what their layers mean, computed by numpy."""

import numpy as np
import onnxruntime
import pytest

from accel.models import convert_ncnn
from accel.models.convert_ncnn import UnreadableNcnn, Weights, layers, ncnn_to_onnx
from accel.models.manifest import Graph, Tensor
from tests.accel.models.records import file

GRAPH = Graph(
    (Tensor("image", "float32", ("n", 2, "h", "w")),), (Tensor("made", "float32", ("n", "c", "H", "W")),)
)
HALF = (0x01306B47).to_bytes(4, "little")
FULL = bytes(4)


def network(*lines):
    listed = ["Input in 0 1 in", *lines]
    return "\n".join([convert_ncnn.MAGIC, f"{len(listed)} {len(listed)}", *listed]).encode()


def run(lines, weights, image):
    data = ncnn_to_onnx([network(*lines), weights], file(b"", graph=GRAPH))
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image})[0]


@pytest.fixture
def image():
    return np.random.default_rng(1).normal(size=(1, 2, 6, 5)).astype(np.float32)


def convolved(image, weights, bias, pad):
    """A plain convolution, by its definition."""
    padded = np.pad(image[0], ((0, 0), (pad, pad), (pad, pad)))
    high, wide = weights.shape[2:]
    rows, columns = padded.shape[1] - high + 1, padded.shape[2] - wide + 1
    made = np.zeros((len(weights), rows, columns))
    for y in range(rows):
        for x in range(columns):
            window = padded[:, y : y + high, x : x + wide]
            made[:, y, x] = (weights * window).sum((1, 2, 3)) + bias
    return made[None]


@pytest.mark.parametrize("tag", [HALF, FULL])
def test_a_convolution_is_one_whether_weights_are_of_16_or_32_bit(image, tag):
    rng = np.random.default_rng(2)
    kernel = rng.normal(size=(3, 2, 3, 3)).astype(np.float16)
    bias = rng.normal(size=3).astype("<f4")
    stored = kernel.astype("<f2") if tag == HALF else kernel.astype("<f4")
    line = "Convolution c 1 1 in out 0=3 1=3 4=1 5=1 6=54"
    made = run([line], tag + stored.tobytes() + bias.tobytes(), image)
    assert made == pytest.approx(convolved(image, kernel.astype(np.float64), bias, 1), abs=1e-5)


def test_halves_of_odd_number_are_padded(image):
    kernel = np.array([0.5], "<f2").repeat(2)
    line = "Convolution c 1 1 in out 0=1 1=1 5=1 6=2"
    expected = image[:, :1] * 0.5 + image[:, 1:] * 0.5 + 1
    bias = np.array([1], "<f4").tobytes()
    assert run([line], HALF + kernel.tobytes() + bias, image) == pytest.approx(expected, abs=1e-6)
    three = Weights(HALF + np.array([1, 2, 3, 9], "<f2").tobytes() + bias)
    assert three.tagged(3).tolist() == [1, 2, 3]
    assert three.plain(1).tolist() == [1]


def test_a_folded_activation_counts(image):
    kernel = FULL + np.eye(2, dtype="<f4").tobytes()
    line = "Convolution c 1 1 in out 0=2 1=1 6=4 9={}"
    leaky = run([line.format("2 -23310=1,0.1")], kernel, image)
    assert leaky == pytest.approx(np.where(image > 0, image, image * 0.1), abs=1e-6)
    assert run([line.format(1)], kernel, image) == pytest.approx(np.maximum(image, 0))
    assert run([line.format(4)], kernel, image) == pytest.approx(1 / (1 + np.exp(-image)), abs=1e-6)


def test_a_deconvolution_spreads_each_pixel_over_its_window():
    kernel = np.arange(2 * 3 * 16, dtype="<f4").reshape(3, 2, 4, 4)
    image = np.zeros((1, 2, 3, 3), np.float32)
    image[0, 1, 1, 1] = 1
    line = "Deconvolution d 1 1 in out 0=3 1=4 3=2 4=3 6=96"
    made = run([line], FULL + kernel.tobytes(), image)
    # The whole is 8 x 8, the pixel's window begins at 2; three of each side are cut away.
    whole = np.zeros((3, 8, 8))
    whole[:, 2:6, 2:6] = kernel[:, 1]
    assert np.array_equal(made[0], whole[:, 3:-3, 3:-3])


def test_slopes_are_by_channel(image):
    made = run(["PReLU p 1 1 in out 0=2"], np.array([0.5, 2], "<f4").tobytes(), image)
    slopes = np.array([0.5, 2]).reshape(1, 2, 1, 1)
    assert made == pytest.approx(np.where(image > 0, image, image * slopes), abs=1e-6)


def test_simple_layers_do_what_they_are_called(image):
    assert run(["ReLU r 1 1 in out"], b"", image) == pytest.approx(np.maximum(image, 0))
    leaky = run(["ReLU r 1 1 in out 0=0.2"], b"", image)
    assert leaky == pytest.approx(np.where(image > 0, image, image * 0.2), abs=1e-6)
    assert run(["Sigmoid s 1 1 in out"], b"", image) == pytest.approx(1 / (1 + np.exp(-image)), abs=1e-6)
    both = ["Split s 1 2 in a b", "BinaryOp o 2 1 a b out 0=2"]
    assert run(both, b"", image) == pytest.approx(image * image)


def test_resizing_repeats_pixels_or_runs_between_them(image):
    nearest = run(["Interp i 1 1 in out 0=1 1=2.0 2=3.000000e+00"], b"", image)
    assert np.array_equal(nearest, image.repeat(2, 2).repeat(3, 3))
    linear = run(["Interp i 1 1 in out 0=2 1=2.0 2=1.0"], b"", image)
    assert linear[0, 0, 1] == pytest.approx(image[0, 0, 0] * 0.75 + image[0, 0, 1] * 0.25, abs=1e-6)


def test_channels_become_pixels():
    graph = Graph((Tensor("image", "float32", ("n", 4, "h", "w")),), GRAPH.outputs)
    data = ncnn_to_onnx([network("PixelShuffle p 1 1 in out 0=2"), b""], file(b"", graph=graph))
    image = np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert session.run(None, {"image": image})[0].tolist() == [[[[0, 1], [2, 3]]]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "begin with 7767517"),
        (b"7767517\n2 2\nInput in 0 1 in", "1 layers instead of 2"),
        (b"7767517\n1 1\nInput in 0", "can't be read"),
        (b"7767517\n1 1\nInput in 0 x in", "can't be read"),
        (b"7767517\n1 1\nInput in 0 2 in", "lacks inputs or outputs"),
        (b"7767517\n1 1\nInput in 0 1 in -23300=2,1", "an array of 2 has 1"),
        (b"\xff\xfe", "text"),
    ],
)
def test_an_invalid_list_of_layers_is_refused(text, says):
    with pytest.raises(UnreadableNcnn, match=says):
        ncnn_to_onnx([text, b""], file(b"", graph=GRAPH))


@pytest.mark.parametrize(
    ("line", "weights", "says"),
    [
        ("LSTM l 1 1 in out", b"", r"\(LSTM\)"),
        ("ReLU r 1 1 elsewhere out", b"", "needs elsewhere"),
        ("ReLU r 1 1 in out", b"1234", "4 bytes of weights belong to no layer"),
        ("PReLU p 1 1 in out 0=2", b"1234", "truncated"),
        ("PReLU p 1 1 in out 0=2.0", b"", "integer"),
        ("ReLU r 1 1 in out -23300=1,0.1", b"", "array"),
        ("Convolution c 1 1 in out 0=2 1=1 6=4", b"\x01\x02\x03\x04", "tag 0x04030201"),
        ("Convolution c 1 1 in out 0=2 1=1 6=5", b"", "5 weights instead of 4"),
        ("Convolution c 1 1 in out 0=2 1=1 4=-233 6=4", FULL + bytes(16), "padding"),
        ("Convolution c 1 1 in out 0=2 1=1 6=4 9=3", FULL + bytes(16), "activation 3"),
        ("Deconvolution c 1 1 in out 0=2 1=1 6=4 18=1", FULL + bytes(16), "output of fixed size"),
        ("PixelShuffle p 1 1 in out 0=2 1=1", b"", "pixel shuffle"),
        ("Interp i 1 1 in out 0=3 1=2.0 2=2.0", b"", "interpolation"),
        ("BinaryOp b 1 1 in out 0=0 1=1 2=0.5", b"", "binary operation"),
    ],
)
def test_unsupported_layers_are_refused_by_name(line, weights, says):
    with pytest.raises(UnreadableNcnn, match=says):
        ncnn_to_onnx([network(line), weights], file(b"", graph=GRAPH))


def test_settings_are_numbers_or_arrays():
    (layer,) = layers(network().decode() + " 1=2 3=1.5 -23305=2,1,2.5")
    assert layer.settings == {1: 2, 3: 1.5, 5: (1.0, 2.5)}
    assert layer.array(1) == (2.0,) and layer.array(9) == ()
