import numpy as np
import pytest

from accel.execution.executor import Job
from accel.texture.workloads import Surroundings, classify
from accel.workload import Input, Limits, WorkloadError
from tests.accel.texture.pictures import bricks, button, normal_map


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_a_normal_map_is_one_in_every_format(save, suffix):
    source = save(f"a.{suffix}", normal_map(), **({"lossless": True} if suffix == "webp" else {}))
    found = classify([source], Surroundings(use_name=False), Limits()).value
    assert (found.kind, found.advise) == ("normal", True)


def test_jpeg_leaves_a_normal_map_recognisable(save):
    source = save("a.jpg", normal_map(), Q=80)
    assert classify([source], Surroundings(use_name=False), Limits()).value.kind == "normal"


def test_the_smallest_image_gets_a_judgement(save):
    found = classify([save("a.png", np.zeros((1, 1, 3), np.uint8))], Surroundings(), Limits()).value
    assert sum(found.probabilities.values()) == pytest.approx(1)


def test_a_truncated_file_is_refused_by_name(save, tmp_path):
    whole = save("a.png", bricks())
    half = tmp_path / "half.png"
    half.write_bytes((tmp_path / "a.png").read_bytes()[:2000])
    with pytest.raises(WorkloadError) as error:
        classify([Input("half.png", str(half))], Surroundings(), Limits())
    assert (error.value.code, error.value.name) == ("bad_input", "half.png")
    assert classify([whole], Surroundings(), Limits()).value


async def test_it_runs_in_a_worker_process(save, executor):
    source = save("button.png", button())
    result = await executor.run(Job.parse(classify.workload, {}, [source], deadline_s=60.0))
    assert result.value["kind"] in ("ui", "sprite")
