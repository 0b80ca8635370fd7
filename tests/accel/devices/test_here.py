from accel.devices import here


def test_a_process_computes_on_the_cpu_unless_it_was_started_for_a_gpu():
    assert here.of({}) is here.CPU and here.of({here.WANTED: "cpu"}) is here.CPU
    assert here.CPU.name == "cpu" and here.CPU.providers == (("CPUExecutionProvider", {}),)


def test_a_process_for_a_provider_that_does_not_work_computes_on_the_cpu_and_knows_why():
    found = here.of({here.WANTED: "openvino"})
    assert found.name in ("openvino", "cpu")
    if found.name == "cpu":
        assert found.passed_over and found.passed_over[0].startswith("OpenVINO: ")
