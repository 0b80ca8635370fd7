"""Building for shapes that came again, on providers that build nothing: what is asked of TensorRT."""

import pytest

from accel.ai import sessions as module
from accel.ai.sessions import build_all, build_engines, proofs
from accel.devices import current
from accel.devices.proof_cache import FILE, PLAINLY, ProvenVariants
from accel.models.catalog import TEXTURE_KIND
from accel.models.store import ModelStore
from accel.workload import Limits, Params

KINDS = TEXTURE_KIND.files[0]
SIZES = {"features": (2, 454), "picture": (2, 4, 128, 128), "patch": (2, 4, 96, 96)}


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """What was tried on this machine: nothing yet."""
    monkeypatch.setenv(current.CACHE, str(tmp_path))
    return proofs()


def note(kept, digest=KINDS.sha256, model="texture-kind kinds.onnx", sizes=SIZES):
    kept.settle(digest, ProvenVariants(model, "2 rows", kept.machine, PLAINLY, "", sizes=sizes))


def test_an_engine_is_built_for_each_shape_and_its_proof_discarded(kept, tmp_path):
    note(kept)
    (made,) = build_all(ModelStore(tmp_path / "models"), "cpu")
    assert (made.model, made.shape, made.failed) == ("texture-kind kinds.onnx", "2 rows", "")
    assert kept.all == [] and (tmp_path / FILE).exists()


def test_a_shape_that_cannot_be_built_says_why(kept, tmp_path):
    note(kept, sizes={**SIZES, "features": (2, 453)})
    (made,) = build_all(ModelStore(tmp_path / "models"), "cpu")
    assert "features" in made.failed and made.seconds == 0


def test_unknown_or_removed_models_are_skipped(kept, tmp_path):
    note(kept, model="no-such model.onnx", digest="ab" * 32)
    note(kept, model="u2netp other.onnx", digest="cd" * 32)
    note(kept, model="u2netp model.onnx", digest="ef" * 32)
    assert list(build_all(ModelStore(tmp_path / "models"), "cpu")) == []


def test_without_tensorrt_proofs_are_discarded_and_no_engine_is_built(kept, tmp_path):
    note(kept)
    if current.current_devices().report("tensorrt").usable:
        pytest.skip("TensorRT works here")
    assert build_engines([], Params(), Limits(models=str(tmp_path / "models"))).value == []
    assert kept.all == []


def test_only_the_latest_shapes_that_fit_the_cache_are_built(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_FOLDERS", 2)
    for shape in "abcd":
        kept.settle(
            KINDS.sha256,
            ProvenVariants("texture-kind kinds.onnx", shape, kept.machine, PLAINLY, "", sizes=SIZES),
        )
    made = list(build_all(ModelStore(tmp_path / "models"), "cpu"))
    assert [(one.shape, one.failed) for one in made] == [("d", ""), ("c", "")]
    assert kept.all == []
