import os
import sys

import pytest

from accel import worker
from accel.frames import HEADER, Job, JobInput, Setup, replies
from accel.workload import Input, Limits

SETUP = Setup(Limits(max_pixels=7), 100, ())


def ask(name: str, text: str = "", inputs=(), setup=SETUP):
    given = [JobInput.of(one) for one in inputs]
    reply = worker.run(Job(f"tests.accel.workloads:{name}", {"text": text}, given, None), setup)
    return replies.decode(reply[HEADER:])


def test_a_job_gets_its_parameters_and_the_limits():
    done = ask("say", "x")
    assert done.value["text"] == "x" and done.value["limits"] == 7 and done.device == "CPU"


def test_an_unknown_target_is_a_bug_of_the_bridge_and_not_of_the_worker():
    assert ask("no_such_function").code == "internal"


@pytest.mark.parametrize(("mib", "says"), [(100, "(100 MiB)"), (0, "a worker may take")])
def test_running_out_of_memory_names_the_input_and_the_limit(monkeypatch, mib, says):
    for raised in (MemoryError(), RuntimeError("vips: out of memory")):

        def fail(*_, raised=raised):
            raise raised

        monkeypatch.setattr(worker, "_done", fail)
        failed = ask("say", inputs=[Input("big.png", "x")], setup=Setup(Limits(), mib, ()))
        assert failed.code == "too_large" and failed.name == "big.png" and failed.reason.endswith(says)


def test_a_name_on_disk_that_is_no_unicode_reaches_the_workload_and_an_error_can_name_it():
    stray = Input("b\udcff.png", "b\udcff.png")
    assert ask("path", inputs=[stray]).value == os.fsencode("b\udcff.png")
    failed = ask("refuse", inputs=[stray])
    assert failed.name == r"b\udcff.png"


def test_what_a_workload_gave_instead_of_an_output_is_said():
    assert ask("number").reason == "the workload gave int, not Output"


def test_warming_up_survives_whatever_a_module_does():
    worker.warm("no.such.module")
    worker.warm("accel.noop")
    worker.warm("accel.image.examine")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits address space")
def test_no_limit_leaves_the_address_space_alone():
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    worker.limit_memory(0)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
