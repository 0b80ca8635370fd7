"""Every workload, as a worker runs it: what it gives can be sent; for grey and colour at every depth."""

import msgspec
import numpy as np
import pytest

from accel.execution.protocol import HEADER, Done, JobFrame, JobInput, Setup, replies
from accel.execution.worker import run
from accel.workload import Input, Limits
from bridge.builtin import popbridge_workloads
from tests.accel.conftest import image

WORKLOADS = {workload.name: workload for workload in popbridge_workloads()}
PARAMS = {
    "bridge.echo": {"value": [1, "x"]},
    "image.compress": {"format": "auto", "target_db": 20, "alpha": "drop"},
    "image.pack_channels": {"layout": "orm", "holds": ["occlusion"]},
    "texture.preview_lit": {"kind": "albedo"},
    "image.pipeline": {"steps": [{"workload": "image.resize", "params": {"factor": 0.5}}]},
    "image.resize": {"width": 8},
    "image.unpack_channels": {"layout": "rgba"},
}
MODELS = {"image.embed", "image.ocr", "image.remove_background", "image.upscale", "text.embed"}
"""They need a model that is pulled: tests/accel/ai runs them."""
SHAPES = {"grey": 1, "color": 3, "cutout": 4}
DEPTHS = {"8": np.uint8, "16": np.uint16, "float": np.float32}
MAY_REFUSE = {
    "image.compress": "float",  # BC6H holds three colours and no alpha
    "image.normal_convention": "grey",
    "image.normal_flip": "grey",
    "image.unpack_channels": "grey",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Inputs by shape and depth: two of each."""
    folder = tmp_path_factory.mktemp("files")
    random = np.random.default_rng(5)
    made = {}
    for shape, channels in SHAPES.items():
        for depth, dtype in DEPTHS.items():
            paths = []
            for number in range(2):
                values = random.random((24, 20, channels))
                top = 1 if depth == "float" else np.iinfo(dtype).max
                path = folder / f"{shape}-{depth}-{number}.tif"
                pixels = (values * top).astype(dtype)
                path.write_bytes(image(pixels, "srgb" if channels > 2 else "b-w").write_to_buffer(".tif"))
                paths.append(Input(path.name, str(path)))
            made[shape, depth] = paths
    return made


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", sorted(WORKLOADS.keys() - MODELS))
def test_what_a_workload_gives_crosses_the_pipe(files, name, shape, depth):
    workload = WORKLOADS[name]
    low, high = workload.inputs
    inputs = [JobInput.of(one) for one in files[shape, depth][: min(2, high) if low != 1 else 1]]
    frame = JobFrame(workload.target, PARAMS.get(name, {}), inputs if high else [], None)
    reply = replies.decode(run(frame, Setup(Limits(), 0, ()))[HEADER:])
    if isinstance(reply, Done):
        assert msgspec.json.encode(reply.value)
        assert all(file.size == len(file.data) for file in reply.files)
    else:
        assert reply.code == "unsupported" and MAY_REFUSE.get(name) in (shape, depth), reply
