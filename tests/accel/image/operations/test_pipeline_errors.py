"""What fails is told by the step in which it did, and what is no step's fault is left as it is."""

import pytest

from accel.image.pipeline import blame_step
from accel.workload import WorkloadError


def test_whatever_is_raised_is_told_by_the_step():
    cause = KeyError("depth")
    says = r"^step 2, a\.b: the workload failed \(KeyError\)$"
    with pytest.raises(WorkloadError, match=says) as caught, blame_step(2, "a.b"):
        raise cause
    assert (caught.value.code, caught.value.step) == ("internal", "step 2, a.b")
    assert caught.value.__cause__ is cause


def test_an_error_for_people_keeps_its_code_and_file():
    says = r"^step 1, a\.b: is too beautiful$"
    with pytest.raises(WorkloadError, match=says) as caught, blame_step(1, "a.b"):
        raise WorkloadError("unsupported", "is too beautiful", "a.png")
    assert (caught.value.code, caught.value.name, caught.value.__cause__) == ("unsupported", "a.png", None)


@pytest.mark.parametrize("error", [MemoryError("no room"), KeyboardInterrupt()])
def test_what_others_know_what_to_do_about_is_left_to_them(error):
    with pytest.raises(type(error)) as caught, blame_step(1, "a.b"):
        raise error
    assert caught.value is error
