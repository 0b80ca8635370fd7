"""Every workload opens the models that say it uses them, and no other: results are kept by their digests."""

from pathlib import Path

import pytest

from accel.ai import embeddings, sessions, text_recognition
from accel.models.catalog import MODELS, models_of
from accel.texture import model as kinds
from accel.workload import Input, Limits, WorkloadError
from bridge.builtin import popbridge_workloads
from tests import pulled
from tests.accel.ai.letters import page
from tests.accel.conftest import image

WORKLOADS = {workload.name: workload for workload in popbridge_workloads()}
PARAMS = {
    "bridge.echo": [{"value": 1}],
    "image.compress": [{"format": "auto", "target_db": 20, "alpha": "drop"}],
    "image.pack_channels": [{"layout": "orm", "holds": ["occlusion"]}],
    "image.pipeline": [{"steps": [{"workload": "image.resize", "params": {"factor": 0.5}}]}],
    "image.resize": [{"width": 8}],
    "image.unpack_channels": [{"layout": "rgba"}],
    "image.upscale": [{"style": "faithful"}, {"style": "sharp"}],
    "text.embed": [{"texts": ["a stone wall"]}],
}


@pytest.fixture
def opened(monkeypatch):
    """The files that are read whole, as models are, in a process that has none open yet."""
    read = []
    real = Path.read_bytes

    def spied(path):
        read.append(path)
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", spied)
    cached = (sessions._networks, embeddings._tokenizer, text_recognition._characters, kinds.model)
    for each in cached:
        each.cache_clear()
    yield read
    for each in cached:
        each.cache_clear()


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """One with letters, so that all of a reader's models have something to do."""
    path = tmp_path_factory.mktemp("picture") / "a.png"
    path.write_bytes(image(page([("STONEWALL", 20, 40)], 320, 96)).write_to_buffer(".png"))
    return Input(path.name, str(path))


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_a_workload_opens_the_models_that_are_declared_for_it(opened, picture, name):
    workload = WORKLOADS[name]
    declared = models_of(name)
    for model in declared:
        if not model.shipped:
            pulled.require(model.name)
    low, high = workload.inputs
    for params in PARAMS.get(name, [{}]):
        inputs = [] if "texts" in params or not high else [picture] * max(1, low)
        try:
            workload.load()(inputs, workload.parse(params), Limits(models=str(pulled.FOLDER)))
        except WorkloadError as error:
            assert not declared, error
    of = {pulled.STORE.path(model, file): model for model in MODELS.values() for file in model.files}
    assert {of[path].name for path in opened if path in of} == {model.name for model in declared}


def test_each_model_is_used_by_workloads_that_there_are():
    assert all(model.used_by and set(model.used_by) <= WORKLOADS.keys() for model in MODELS.values())


def test_a_model_s_digest_is_another_with_any_other_file():
    digests = {model.digest for model in MODELS.values()}
    assert len(digests) == len(MODELS)
