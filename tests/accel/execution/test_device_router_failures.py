import pytest

from accel.execution.device_router import DeviceFailure, DeviceHealth, read

FULL = DeviceFailure("CUDA, Some GPU", "image.upscale", "the GPU's memory is full", 1_800_000_000.5)
GONE = DeviceFailure("CUDA, Some GPU", "", "the GPU is gone", 1_800_000_030.0)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "troubles.json"


def test_another_process_sees_what_failed_until_it_works_again(file):
    troubles = DeviceHealth(file)
    assert read(file) == []
    troubles.add(FULL)
    troubles.add(GONE)
    assert read(file) == [FULL, GONE]
    troubles.resolve(FULL.device, "image.resize")
    assert read(file) == [FULL]
    troubles.resolve(FULL.device, FULL.workload)
    assert read(file) == [] and not file.exists()


def test_what_an_ended_process_has_left_is_forgotten(file):
    DeviceHealth(file).add(FULL)
    DeviceHealth(file)
    assert read(file) == []
    again = DeviceHealth(file)
    again.add(FULL)
    again.close()
    assert read(file) == []


def test_without_a_file_nothing_is_kept_and_a_broken_one_says_nothing(file):
    DeviceHealth(None).add(FULL)
    for content in (b"no JSON", b'[{"device": "\xff"}]'):
        file.write_bytes(content)
        assert read(file) == []
