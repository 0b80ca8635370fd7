"""What is told of one image of a file that holds several says so."""

import numpy as np
import pytest

from accel.image.operation import FirstLayer
from accel.image.operations.pipeline import OPERATIONS
from accel.workload import Input, Limits
from tests.accel.image.files import dds
from tests.pulled import FOLDER, require

TOLD = [
    ("image.atlas", {}), ("image.compare", {}), ("image.histogram", {}), ("image.make_tileable", {}),
    ("image.normal_convention", {}), ("image.palette", {}), ("texture.estimate_pbr", {"method": "luminance"}),
]  # fmt: skip
BY_MODELS = {"image.embed": "efficientnet-lite0", "image.ocr": "pp-ocrv6"}


def told(folder, name, count, **params):
    """The value of what is made of cubes, or of single images."""
    pixels = np.random.default_rng(1).integers(0, 256, (count, 32, 32, 4), np.uint8)
    path = folder / "sky.dds"
    path.write_bytes(dds(32, 32, pixels.tobytes(), dxgi=28, misc=4 if count == 6 else 0))
    operation = OPERATIONS[name]
    given = [Input(path.name, str(path))] * (2 if name == "image.compare" else 1)
    return operation(given, operation.workload.parse(params), Limits(models=str(FOLDER))).value


@pytest.mark.parametrize(("count", "said"), [(6, 6), (1, None)])
@pytest.mark.parametrize(("name", "params"), TOLD)
def test_what_is_told_of_the_first_face_alone_says_of_how_many(tmp_path, name, params, count, said):
    value = told(tmp_path, name, count, **params)
    assert isinstance(value, FirstLayer) and value.first_of == said


@pytest.mark.parametrize(("name", "model"), BY_MODELS.items())
def test_so_does_what_a_model_tells(tmp_path, name, model):
    require(model)
    assert told(tmp_path, name, 6).first_of == 6
