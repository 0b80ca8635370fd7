import pytest

from accel.models import efficientnet
from accel.models.catalogue import EFFICIENTNET
from accel.models.efficientnet import to_onnx
from accel.models.torch_file import Unreadable
from tests.accel.models.test_torch_file import one


def test_weights_of_another_network_are_refused():
    with pytest.raises(Unreadable, match=r"has no _conv_stem\.weight"):
        to_onnx([one()], EFFICIENTNET.files[0])


def test_the_stages_are_those_of_the_paper():
    assert sum(stage.blocks for stage in efficientnet.STAGES) == 16
    assert [stage.stride for stage in efficientnet.STAGES] == [1, 2, 2, 2, 1, 2, 1]
