import sys

import pytest

from accel.ai.sessions import Networks, open_session
from accel.devices.current import CPU
from accel.devices.providers import runtime
from accel.texture.model import FILE, Model
from accel.workload import WorkloadError


def test_onnxruntime_is_imported():
    assert runtime().InferenceSession


@pytest.mark.parametrize(
    "wants",
    [
        runtime,
        lambda: open_session(FILE.read_bytes(), CPU),
        lambda: Networks(FILE.parent).get("texture-kind", "kinds.onnx"),
        lambda: Model(FILE),
    ],
)
def test_an_onnxruntime_that_cannot_be_loaded_is_told_with_what_helps(monkeypatch, wants):
    # As Python itself marks what can't be imported.
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(WorkloadError) as caught:
        wants()
    assert str(caught.value.reason).startswith("onnxruntime can't be loaded (")
    assert str(caught.value.reason).endswith("): `popbridge devices` says what to do")
