"""The records against the files themselves."""

import numpy as np
import onnxruntime
import pytest

from accel.models.catalog import MODELS
from accel.models.manifest import Shipped
from accel.models.pull import CONVERSIONS
from tests import pulled

GRAPHS = [(model.name, each.name) for model in MODELS.values() for each in model.files if each.graph]


@pytest.fixture(scope="module")
def open_graph():
    """The session of a file of a model, as it was pulled."""

    def make(name, file):
        model = pulled.require(name)
        contents = pulled.STORE.read(model, model.file(file))
        return onnxruntime.InferenceSession(contents, providers=["CPUExecutionProvider"])

    return make


@pytest.mark.parametrize(("name", "file"), GRAPHS)
def test_each_graph_has_the_inputs_and_outputs_that_its_record_says(open_graph, name, file):
    session = open_graph(name, file)
    graph = MODELS[name].file(file).graph
    for declared, found in ((graph.inputs, session.get_inputs()), (graph.outputs, session.get_outputs())):
        assert [one.name for one in declared] == [one.name for one in found]
        for tensor, real in zip(declared, found, strict=True):
            assert real.type == f"tensor({tensor.dtype.replace('float32', 'float')})"
            assert len(real.shape) == len(tensor.shape)
            # Where the record names a varying size the file may say nothing, but never a fixed one.
            fixed = [(one, size) for one, size in zip(tensor.shape, real.shape, strict=True)
                     if isinstance(size, int)]  # fmt: skip
            assert all(one == size for one, size in fixed)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_each_record_is_complete(model):
    assert model.task and model.licence and model.licence_source and model.files
    for each in model.files:
        assert len(each.sha256) == 64 and each.size > 0 and each.sources
        assert bool(each.parts) == bool(each.conversion)
        for source in each.sources:
            assert len(source.paths) == len(each.source_parts)
    assert model.shipped == any(isinstance(one, Shipped) for each in model.files for one in each.sources)


def enlarged(session, image, pad, factor):
    """RGB of 0..1 enlarged; what the network loses or distorts at its border is cut away."""
    given = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="edge").transpose(2, 0, 1)[None]
    made = session.run(None, {"image": given.astype(np.float32)})[0][0].transpose(1, 2, 0)
    over = (made.shape[0] - image.shape[0] * factor) // 2
    return np.clip(made[over : made.shape[0] - over, over : made.shape[1] - over], 0, 1)


def picture(side):
    """Soft and hard edges, lines and a little texture, 0..1."""
    y, x = np.mgrid[:side, :side] / side
    shade = 0.5 + 0.3 * np.sin(9 * x + 4 * y) + 0.1 * np.sin(60 * x) * np.sin(40 * y)
    disc = (np.hypot(x - 0.4, y - 0.5) < 0.25) * 0.4
    lines = ((x * 12 + y * 7) % 1 < 0.12) * -0.3
    return np.clip(np.stack([shade + disc, shade + lines, 0.8 - shade * 0.5 + disc], -1), 0, 1)


def psnr(made, wanted):
    return -10 * np.log10(np.mean((made - wanted) ** 2))


def halved(image, factor):
    high, wide, _ = image.shape
    return image.reshape(high // factor, factor, wide // factor, factor, 3).mean((1, 3))


def cubic(image, factor):
    """Catmull-Rom's bicubic, as image programs enlarge."""

    def weights(side):
        at = (np.arange(side * factor) + 0.5) / factor - 0.5
        made = np.zeros((side * factor, side))
        for tap in range(-1, 3):
            place = np.floor(at).astype(int) + tap
            d = np.abs(at - place)
            near = 1.5 * d**3 - 2.5 * d**2 + 1
            far = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
            np.add.at(made, (np.arange(side * factor), place.clip(0, side - 1)), np.where(d <= 1, near, far))
        return made

    return np.einsum("yh,xw,hwc->yxc", weights(image.shape[0]), weights(image.shape[1]), image)


def test_waifu2x_is_more_faithful_than_bicubic(open_graph):
    wanted = picture(128)
    small = halved(wanted, 2)
    made = enlarged(open_graph("waifu2x-upconv7-2x", "model.onnx"), small, 7, 2)
    assert made.shape == wanted.shape
    assert psnr(made, wanted) > psnr(cubic(small, 2), wanted) + 0.5


def test_the_fourfold_network_gives_the_same_picture_with_sharper_edges(open_graph):
    wanted = picture(128)
    small = halved(wanted, 4)
    made = enlarged(open_graph("realesr-animevideo-4x", "model.onnx"), small, 18, 4)
    assert made.shape == wanted.shape
    # The same picture in the same place: averaged again it is what came in, and not its neighbours.
    again = halved(made, 4)
    assert psnr(again, small) > 23
    assert all(psnr(np.roll(again, 1, axis), small) < psnr(again, small) - 3 for axis in (0, 1))
    soft = cubic(small, 4)
    assert np.abs(np.diff(made, axis=1)).max() > np.abs(np.diff(soft, axis=1)).max()


def test_each_conversion_of_the_catalogue_exists():
    declared = {each.conversion for model in MODELS.values() for each in model.files}
    assert declared - {""} == CONVERSIONS.keys()
