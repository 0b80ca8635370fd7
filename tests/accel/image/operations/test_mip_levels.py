"""Operations on a file that holds mip levels: those that keep them, alone and as the first of a chain."""

import numpy as np
import pytest

from accel.image.operations.geometry import Mipmaps, mipmaps
from accel.image.operations.pipeline import OPERATIONS, pipeline
from accel.workload import Input, Limits
from tests.accel.image.rasters import reopened

KEEPING = {
    "image.bleed_alpha": {}, "image.compress": {"format": "bc7"}, "image.convert": {},
    "image.normal_flip": {}, "image.premultiply": {}, "image.resize": {"factor": 1},
    "image.unpack_channels": {},
}  # fmt: skip


@pytest.fixture
def texture(save, tmp_path) -> Input:
    """32 x 32 with all of its six levels."""
    y, x = np.mgrid[:32, :32] / 32
    picture = (np.stack([x, y, x * y, (x + 1) / 2], -1) * 255).astype(np.uint8)
    path = tmp_path / "a.dds"
    path.write_bytes(mipmaps([save("a.png", picture)], Mipmaps(format="dds"), Limits()).files[0].data)
    return Input("a.dds", str(path))


def params(name: str) -> dict:
    return KEEPING[name] if name == "image.compress" else {**KEEPING[name], "format": "dds"}


def test_no_other_operation_reads_levels():
    assert {name for name, one in OPERATIONS.items() if one.levels} == set(KEEPING)


@pytest.mark.parametrize("name", KEEPING)
def test_levels_of_a_file_are_used(texture, tmp_path, name):
    operation = OPERATIONS[name]
    made = operation([texture], operation.workload.parse(params(name)), Limits())
    assert all(len(reopened(file.data, tmp_path).mips) == 5 for file in made.files)


@pytest.mark.parametrize("name", sorted(KEEPING.keys() - {"image.compress"}))
def test_levels_of_a_file_go_through_a_chain_that_begins_so(texture, tmp_path, name):
    last = {"workload": "image.compress", "params": params("image.compress")}
    steps = [{"workload": name, "params": params(name)}, last]
    made = pipeline([texture], pipeline.workload.parse({"steps": steps}), Limits())
    assert all(len(reopened(file.data, tmp_path).mips) == 5 for file in made.files)
