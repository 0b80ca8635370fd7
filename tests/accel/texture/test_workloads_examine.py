import numpy as np
import pytest

from accel.image.operations.analysis import Inspect, NoParams, fingerprint, inspect
from accel.texture.workloads import Examine, Surroundings, classify, examine, examine_several
from accel.workload import Input, Item, Limits, WorkloadError
from tests.accel.conftest import image


def test_one_decode_gives_what_three_workloads_give(tmp_path):
    y, x = np.mgrid[:48, :64]
    pixels = np.stack([x * 4, y * 5, (x * y) % 256], -1).astype(np.uint8)
    path = tmp_path / "rock_albedo.png"
    path.write_bytes(image(pixels).pngsave_buffer())
    source = Input(path.name, str(path))
    output = examine([source], Examine(preview=16, siblings=["rock_n.png"]), Limits())
    alone = inspect([source], Inspect(preview=16), Limits())
    assert output.value.inspection == alone.value and output.files == alone.files
    assert output.value.fingerprint == fingerprint([source], NoParams(), Limits()).value
    around = Surroundings(siblings=["rock_n.png"])
    assert output.value.classification == classify([source], around, Limits()).value


def test_a_broken_file_is_refused_by_name(tmp_path):
    path = tmp_path / "half.png"
    path.write_bytes(image(np.zeros((64, 64, 3), np.uint8)).pngsave_buffer()[:-40])
    with pytest.raises(WorkloadError, match="truncated or corrupt PNG") as caught:
        examine([Input("half.png", str(path))], Examine(), Limits())
    assert caught.value.name == "half.png"


def test_several_at_once_get_what_each_gets_alone_and_a_broken_one_costs_no_other(tmp_path):
    y, x = np.mgrid[:40, :40]
    items = []
    for number, name in enumerate(("a_albedo.png", "half.png", "b_n.png")):
        pixels = np.stack([x * 4, y * (2 + number), (x * y) % 256], -1).astype(np.uint8)
        data = image(pixels).pngsave_buffer()
        (tmp_path / name).write_bytes(data[:-40] if name == "half.png" else data)
        items.append(Item([Input(name, str(tmp_path / name))], Examine(preview=16 * number)))
    first, broken, last = examine_several(items, Limits())
    assert [first, last] == [examine(item.inputs, item.params, Limits()) for item in items[::2]]
    assert isinstance(broken, WorkloadError) and broken.name == "half.png" and broken.code == "bad_input"
    assert [one.code for one in examine_several(items[1:2], Limits())] == ["bad_input"]
