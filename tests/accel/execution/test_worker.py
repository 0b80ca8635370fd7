import sys

import pytest

from accel.execution import worker


def test_warming_up_survives_whatever_a_module_does():
    worker.warm("no.such.module")
    worker.warm("accel.workload")
    worker.warm("accel.image.inspect")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits address space")
def test_no_limit_leaves_the_address_space_alone():
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    worker.limit_memory(0)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
