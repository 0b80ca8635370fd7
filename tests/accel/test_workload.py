import os
import subprocess
import sys

import pytest

from accel.image.operations.pipeline import OPERATIONS
from accel.workload import Input, Params, Workload, WorkloadError, batched, load, names, workload
from bridge.builtin import popbridge_workloads
from tests.accel import workloads


def test_a_record_is_derived_from_its_function():
    record = workloads.crash.workload
    assert (
        record.name == "test.crash" and record.version == 1 and record.inputs == (0, 9) and not record.inline
    )
    assert record.summary.startswith("Dies as `text` says")
    assert record.load() is workloads.crash is load("tests.accel.workloads:crash")


def test_what_no_worker_could_run_is_refused_where_it_is_declared():
    def inside(inputs, params, limits):
        return None

    with pytest.raises(TypeError, match=r"workload test\.inside: inside is inside another function"):
        workloads.declare("test.inside")(inside)
    # As one at the top of a module: it is inside nothing.
    with pytest.raises(TypeError, match=r"workload test\.short: a lambda has no name, so workers"):
        workloads.declare("test.short")(eval("lambda inputs, params, limits: None"))
    with pytest.raises(
        TypeError, match=r"workload test\.odd: params is <class 'dict'>; it must be a subclass"
    ):
        workload("test.odd", version=1, params=dict)(workloads.say)


def test_what_no_worker_could_run_is_no_batch_either():
    before = workloads.many.workload

    def inside(items, limits):
        return []

    declare = batched(workloads.many, sample=lambda n: {})
    with pytest.raises(TypeError, match=r"^batches of workload test\.many: inside is inside another func"):
        declare(inside)
    for short in (lambda items, limits: [], eval("lambda items, limits: []")):
        with pytest.raises(TypeError, match=r"many: a lambda has no name, so workers can't import it"):
            declare(short)
    assert workloads.many.workload is before


def test_a_function_of_a_class_is_refused_as_no_module_holds_it_by_its_name():
    class Outer:
        def run(inputs, params, limits):
            return None

    Outer.run.__qualname__ = "Outer.run"
    with pytest.raises(TypeError, match=r"workload test\.method: run is inside a class, so workers"):
        workloads.declare("test.method")(Outer.run)


def test_a_wrong_parameter_is_named():
    with pytest.raises(WorkloadError, match=r'size is "x"; it must be a whole number$') as caught:
        workloads.say.workload.parse({"size": "x"})
    assert caught.value.code == "bad_params"
    with pytest.raises(WorkloadError, match=r"no parameter 'colour'; it takes text, size$"):
        workloads.say.workload.parse({"colour": 1})


def test_the_number_of_inputs_is_checked():
    thumbnail = next(w for w in popbridge_workloads() if w.name == "image.thumbnail")
    thumbnail.check_inputs(1)
    with pytest.raises(WorkloadError, match="takes 1 input, got 2"):
        thumbnail.check_inputs(2)
    with pytest.raises(WorkloadError, match="takes 0 to 9 inputs, got 10"):
        workloads.say.workload.check_inputs(10)


def test_inputs_are_named_in_short(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"123")
    assert Input("a", str(file)).size() == 3
    assert names([]) == "" and names([Input("a", "")]) == "a"


def test_the_plugin_offers_documented_workloads():
    records = popbridge_workloads()
    known = {"image.inspect", "image.pipeline", "texture.classify", "texture.examine", "bridge.echo"}
    assert known | OPERATIONS.keys() <= {record.name for record in records}
    assert all(record.summary.endswith(".") or record.summary.endswith(":") for record in records)
    assert [record.name for record in records if record.inline] == ["bridge.echo"]


def test_declaring_the_workloads_loads_no_image_library():
    code = (
        "import bridge.builtin, sys; print({'numpy', 'pyvips', 'onnxruntime', 'asyncio'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == "set()"


class Span(Params, frozen=True):
    first: int = 0
    last: int = 0

    def contradiction(self) -> str:
        if self.last == 13:
            return None
        if self.last == 14:
            raise WorkloadError("unsupported", "14 is nothing")
        if self.last == 15:
            raise SystemExit(4)
        assert 60 // (self.last - 7)
        return "" if self.first <= self.last else "first is beyond last"


def test_values_that_dont_go_together_are_refused_before_any_input_is_opened():
    record = Workload("a.b", 1, Span, "a:b", (1, 1), False, "", "")
    assert record.parse({"last": 2}) == Span(last=2)
    with pytest.raises(WorkloadError, match="first is beyond last") as refused:
        record.parse({"first": 3})
    assert refused.value.code == "bad_params"


@pytest.mark.parametrize(
    ("last", "code", "says"),
    [
        (7, "internal", r"the workload's check of its parameters failed \(ZeroDivisionError: .*\)"),
        (13, "internal", "the workload's check of its parameters gave NoneType, not text"),
        (14, "unsupported", "14 is nothing"),
        (15, "internal", r"the workload's check of its parameters failed \(SystemExit: 4\)"),
    ],
)
def test_a_check_of_parameters_that_fails_is_an_error_as_any_other(last, code, says):
    record = Workload("a.b", 1, Span, "a:b", (1, 1), False, "", "")
    with pytest.raises(WorkloadError, match=f"^{says}$") as refused:
        record.parse({"last": last})
    assert refused.value.code == code
