"""What the long workloads report: from none to nearly all, and never less than before."""

import numpy as np
import pytest

from accel.progress import reported_to
from accel.workload import Limits, load
from tests.accel.image.textures import smooth

STEPS = [{"workload": "image.mipmaps"}, {"workload": "image.compress", "params": {"format": "bc1"}}]


@pytest.mark.parametrize(
    ("name", "count", "params"),
    [
        ("accel.image.operations.textures:compress", 1, {"format": "bc1"}),
        ("accel.image.operations.textures:compress", 1, {"format": "auto", "target_db": 90}),
        ("accel.image.operations.pipeline:pipeline", 1, {"steps": STEPS}),
        ("accel.image.operations.analysis:find_duplicates", 5, {}),
    ],
    ids=["compress", "trials", "pipeline", "duplicates"],
)
def test_a_long_workload_reports_its_steps(save, name, count, params):
    inputs = [save(f"{index}.png", smooth(512, 512, 3) ^ np.uint8(index)) for index in range(count)]
    workload = load(name)
    told = []
    with reported_to(lambda fraction, stage: told.append(fraction)):
        workload(inputs, workload.workload.parse(params), Limits())
    assert told == sorted(told) and len(told) > 3
    assert told[0] == 0 and 0.5 < told[-1] <= 1
