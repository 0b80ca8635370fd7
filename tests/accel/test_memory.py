"""What a job may decode, by the header of its image."""

import pytest

from accel.memory import LIBRARY_BYTES, Claims, claim, claimed_from
from accel.workload import WorkloadError

MIB = 1 << 20


def test_without_a_worker_any_image_is_decoded():
    claim("a.png", 1 << 20, 1 << 20, 8)


def test_a_job_that_was_granted_as_much_goes_on():
    with claimed_from(claims := Claims(64 * MIB, 2.0)):
        claim("a.png", 4096, 2048, 4)
        assert claims.needed == 0


def test_one_that_needs_more_says_how_much():
    with claimed_from(claims := Claims(64 * MIB, 2.0)), pytest.raises(WorkloadError) as caught:
        claim("a.png", 4096, 4096, 4)
    assert caught.value.code == "too_large"
    assert caught.value.reason.values == {"width": 4096, "height": 4096, "memory": 128}
    assert claims.needed == 128 * MIB


def test_one_that_needs_more_than_its_process_has_names_that_setting_and_asks_for_nothing():
    limit = LIBRARY_BYTES + 100 * MIB
    with claimed_from(claims := Claims(MIB, 2.0, limit)), pytest.raises(WorkloadError) as caught:
        claim("a.png", 4096, 4096, 4)
    assert "worker.memory_mib" in caught.value.reason
    assert caught.value.reason.values["limit"] == limit >> 20
    assert claims.needed == 0
