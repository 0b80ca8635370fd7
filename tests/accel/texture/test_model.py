import shutil
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from accel.texture import model as module
from accel.texture.kinds import CLASS_OF, KINDS
from accel.texture.model import FILE, NEVER, Model, extract, model, warm
from accel.texture.verdict import WORD
from accel.workload import WorkloadError
from tests.accel.texture.pictures import bricks, button, decoded, normal_map


def test_the_shipped_model_is_small():
    assert FILE.stat().st_size <= 2_000_000


UNDOUBTED = {"normal": normal_map(), "albedo": bricks(), "ui": button()}


@pytest.mark.parametrize("kind", UNDOUBTED)
def test_obvious_textures_are_recognised(kind):
    probabilities = model().predict(extract(decoded(UNDOUBTED[kind])))
    assert probabilities.sum() == pytest.approx(1, abs=1e-3)
    assert CLASS_OF[KINDS[int(probabilities.argmax())]] == CLASS_OF[kind]


def test_several_at_once_are_judged_as_each_alone():
    images = [extract(decoded(pixels)) for pixels in UNDOUBTED.values()]
    together = model().predict_all(images)
    assert together == pytest.approx(np.stack([model().predict(one) for one in images]), abs=1e-5)


@pytest.mark.parametrize("image", ["picture", "patch"])
def test_it_judges_by_each_image_beside_the_features(image):
    wall = extract(decoded(bricks()))
    other = structs.replace(wall, **{image: getattr(extract(decoded(button())), image)})
    assert np.abs(model().predict(wall) - model().predict(other)).max() > 0.01


def test_it_declares_how_sure_each_class_must_be():
    judgement = model().judgement
    for sureness in (judgement.pixels, judgement.names):
        assert {CLASS_OF[kind] for kind in model().kinds} <= set(sureness.thresholds)
        assert all(WORD < one <= NEVER for one in sureness.thresholds.values())


def test_it_is_opened_once():
    warm()
    assert model() is model()


def test_a_missing_model_says_what_to_do(tmp_path):
    with pytest.raises(WorkloadError, match=r"can't be read .*; install popbridge again"):
        Model(tmp_path / "kinds.onnx")


def test_a_damaged_model_says_what_to_do(tmp_path):
    broken = tmp_path / "kinds.onnx"
    broken.write_bytes(FILE.read_bytes()[:5000])
    with pytest.raises(WorkloadError, match=r"is damaged .*; install popbridge again"):
        Model(broken)


def test_a_model_of_another_version_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "VERSION", 10_000)
    copy = Path(shutil.copy(FILE, tmp_path))
    with pytest.raises(WorkloadError, match="another version"):
        Model(copy)
