import pytest

from accel.execution.batch_tuning import SAMPLES, image_sample, sample_pixels
from accel.execution.executor import Job
from accel.image.open_raster import open_raster
from accel.workload import Input, Limits


def test_the_pixels_of_png_are_read_from_their_headers(tmp_path):
    _, inputs = image_sample(3, 2).make(40, tmp_path)
    assert sample_pixels(inputs) == 2 * 40 * 40


def test_other_files_count_by_their_size_and_missing_ones_for_nothing(tmp_path):
    other = tmp_path / "a.tga"
    other.write_bytes(bytes(3000))
    short = tmp_path / "b.png"
    short.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert sample_pixels([Input("a", str(other))]) == 2000
    assert sample_pixels([Input("b", str(short))]) == 5
    assert sample_pixels([Input("c", str(tmp_path / "c.png"))]) == sample_pixels([]) == 0


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_a_job_of_its_workload(name, tmp_path):
    from accel.ai.workloads import embed_text
    from accel.image.operations.pipeline import OPERATIONS

    sample = SAMPLES[name]
    params, inputs = sample.make(32, tmp_path)
    workload = embed_text.workload if name == "text.embed" else OPERATIONS[name].workload
    assert sample.size(Job.parse(workload, params, inputs)) == sample.scale.size(32)
    assert all(open_raster(one, Limits()).width == 32 for one in inputs)


def test_samples_are_hard_enough_to_be_typical(tmp_path):
    _, (source,) = image_sample(4).make(256, tmp_path)
    # Flat images would be decoded in no time.
    assert source.size() > 256 * 256
