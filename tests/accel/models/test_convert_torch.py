"""The conversion against the network as its paper has it, computed by numpy with nothing folded."""

from collections import OrderedDict

import numpy as np
import onnxruntime
import pytest

from accel.models.catalog import EFFICIENTNET
from accel.models.convert_torch import EPSILON, STAGES, UnreadableCheckpoint, efficientnet_to_onnx
from tests.accel.models.test_convert_torch_checkpoint import Storage, one, saved, tensor

WIDTHS = (16, 24, 40, 80, 112, 192, 320)
"""Channels after each stage; before the first there are 32."""


def made_up(rng):
    """Random weights by the names that PyTorch's file has."""
    made = {}

    def layer(name, norm, outputs, inputs, kernel):
        fan = inputs * kernel**2
        made[f"{name}.weight"] = rng.normal(0, fan**-0.5, (outputs, inputs, kernel, kernel))
        made[f"{norm}.weight"], made[f"{norm}.running_var"] = rng.uniform(0.8, 1.6, (2, outputs))
        made[f"{norm}.bias"], made[f"{norm}.running_mean"] = rng.normal(0, 0.2, (2, outputs))

    layer("_conv_stem", "_bn0", 32, 3, 3)
    number, inputs = 0, 32
    for stage, width in zip(STAGES, WIDTHS, strict=True):
        for _ in range(stage.blocks):
            name, wide = f"_blocks.{number}.", inputs * stage.expansion
            if stage.expansion != 1:
                layer(f"{name}_expand_conv", f"{name}_bn0", wide, inputs, 1)
            layer(f"{name}_depthwise_conv", f"{name}_bn1", wide, 1, stage.kernel)
            layer(f"{name}_project_conv", f"{name}_bn2", width, wide, 1)
            number, inputs = number + 1, width
    layer("_conv_head", "_bn1", 1280, 320, 1)
    return {name: np.ascontiguousarray(values, "<f4") for name, values in made.items()}


def as_file(weights):
    state = OrderedDict()
    for key, (name, values) in enumerate(weights.items()):
        strides = tuple(stride // 4 for stride in values.strides)
        state[name] = tensor(Storage("FloatStorage", str(key), values.size), 0, values.shape, strides)
    return saved(state, {str(key): values.reshape(-1) for key, values in enumerate(weights.values())})


def convolved(image, kernel, stride):
    """By the definition, padded as TensorFlow does it; kernels of one channel go channel by channel."""
    size = kernel.shape[2]
    pads = [max((-(-side // stride) - 1) * stride + size - side, 0) for side in image.shape[1:]]
    padded = np.pad(image, [(0, 0), *((pad // 2, pad - pad // 2) for pad in pads)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))[:, ::stride, ::stride]
    if kernel.shape[1] == 1 and len(kernel) == len(image):
        return np.einsum("chwij,cij->chw", windows, kernel[:, 0])
    return np.einsum("chwij,ocij->ohw", windows, kernel, optimize=True)


def features(weights, image):
    w = {name: values.astype(np.float64) for name, values in weights.items()}

    def layer(value, name, norm, stride=1, relu=True):
        value = convolved(value, w[f"{name}.weight"], stride)
        scale, shift, mean, variance = (
            w[f"{norm}.{part}"][:, None, None] for part in ("weight", "bias", "running_mean", "running_var")
        )
        value = (value - mean) / np.sqrt(variance + EPSILON) * scale + shift
        return np.clip(value, 0, 6) if relu else value

    value, number = layer(image, "_conv_stem", "_bn0", 2), 0
    for stage in STAGES:
        for index in range(stage.blocks):
            name, stride, inside = f"_blocks.{number}.", stage.stride if index == 0 else 1, value
            if stage.expansion != 1:
                inside = layer(inside, f"{name}_expand_conv", f"{name}_bn0")
            inside = layer(inside, f"{name}_depthwise_conv", f"{name}_bn1", stride)
            inside = layer(inside, f"{name}_project_conv", f"{name}_bn2", relu=False)
            value = inside + value if index else inside
            number += 1
    pooled = layer(value, "_conv_head", "_bn1").mean((1, 2))
    return pooled / np.linalg.norm(pooled)


def test_the_converted_network_computes_what_the_paper_says():
    rng = np.random.default_rng(1)
    weights = made_up(rng)
    data = efficientnet_to_onnx([as_file(weights)], EFFICIENTNET.files[0])
    image = rng.normal(size=(3, 45, 38)).astype(np.float32)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"image": image[None]})
    wanted = features(weights, image)
    assert wanted.std() > 0.005
    assert found[0] == pytest.approx(wanted, abs=1e-5)


def test_weights_of_another_network_are_refused():
    with pytest.raises(UnreadableCheckpoint, match=r"has no _conv_stem\.weight"):
        efficientnet_to_onnx([one()], EFFICIENTNET.files[0])
