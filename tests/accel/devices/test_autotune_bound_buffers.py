"""Buffers that stay, on the CPU's provider, by which graphs of a GPU are fed the same way."""

import numpy as np
import pytest

from accel.devices.autotune import BoundBuffers, ShapeError
from accel.texture.model import FILE, model
from tests.accel.devices.sessions import session, weighted


def textures(seed, rows=1):
    random = np.random.default_rng(seed)
    views = {
        name: random.integers(0, 256, (rows, 4, side, side), np.uint8)
        for name, side in (("picture", 128), ("patch", 96))
    }
    return {"features": random.random((rows, 454), np.float32), **views}


def test_the_shipped_model_gives_what_it_gives_without_buffers_of_its_own():
    assert model()
    plain = session(FILE.read_bytes())
    like = {"probabilities": plain.run(["probabilities"], textures(0))[0]}
    bound = BoundBuffers(plain, textures(0), like)
    for seed in (1, 2, 1):
        (found,) = bound.run(textures(seed))
        assert np.array_equal(found, plain.run(["probabilities"], textures(seed))[0])


def test_every_run_uses_the_same_addresses():
    data, feed = weighted(4)
    plain = session(data)
    bound = BoundBuffers(plain, feed, {"y": plain.run(["y"], feed)[0]})
    before = bound.addresses
    for factor in (2, 3):
        bound.run({"x": feed["x"] * np.float32(factor)})
    assert bound.addresses == before and len(set(before)) == 2


def test_what_was_given_and_what_was_found_is_never_written_to():
    data, feed = weighted(4)
    plain = session(data)
    mine = feed["x"].copy()
    bound = BoundBuffers(plain, {"x": mine}, {"y": plain.run(["y"], feed)[0]})
    first = bound.run({"x": mine})[0]
    kept = first.copy()
    bound.run({"x": mine * np.float32(5)})
    assert np.array_equal(mine, feed["x"]) and np.array_equal(first, kept)


def test_views_that_are_not_contiguous_are_taken():
    data, feed = weighted(4)
    plain = session(data)
    bound = BoundBuffers(plain, feed, {"y": plain.run(["y"], feed)[0]})
    turned = np.ascontiguousarray(feed["x"][:, ::-1])[:, ::-1]
    assert not turned.flags.c_contiguous
    assert np.array_equal(bound.run({"x": turned})[0], plain.run(["y"], feed)[0])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda x: {"x": x[:1]}, "x is float32 2x4, got float32 1x4"),
        (lambda x: {"x": np.zeros((4, 2), np.float32)}, "got float32 4x2"),
        # Of as many bytes, which onnxruntime would copy.
        (lambda x: {"x": np.zeros((2, 4), np.int32)}, "got int32 2x4"),
        (lambda x: {"x": np.zeros((1, 4), np.float64)}, "got float64 1x4"),
        (lambda x: {"x": x, "y": x}, "takes x, got x, y"),
        (lambda x: {}, "takes x, got "),
    ],
)
def test_another_shape_type_or_input_is_refused_and_nothing_is_run(wrong, says):
    data, feed = weighted(4)
    plain = session(data)
    like = {"y": plain.run(["y"], feed)[0]}
    bound = BoundBuffers(plain, feed, like)
    with pytest.raises(ShapeError, match=says):
        bound.run(wrong(feed["x"]))
    assert np.array_equal(bound.run(feed)[0], like["y"])


def test_what_is_empty_has_no_buffer():
    data, feed = weighted(4)
    with pytest.raises(ShapeError, match="y is empty"):
        BoundBuffers(session(data), feed, {"y": np.zeros((0, 3), np.float32)})


def test_what_was_bound_serves_until_it_is_closed_even_when_nothing_else_holds_its_session():
    data, feed = weighted(4)
    like = {"y": session(data).run(["y"], feed)[0]}
    bound = BoundBuffers(session(data), feed, like)
    assert np.array_equal(bound.run(feed)[0], like["y"])
