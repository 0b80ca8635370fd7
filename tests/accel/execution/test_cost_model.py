import logging

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel.execution.backoff import KeyedBackoff
from accel.execution.batch_tuning import SAMPLES, Scale
from accel.execution.cost_model import Cost, CostModel, Device, fit_cost, read
from accel.workload import WorkloadError
from tests.accel import workloads
from tests.accel.conftest import until
from tests.accel.execution.test_backoff import Clock

SAY = workloads.say.workload
CPU, CUDA = Device("cpu", "CPU"), Device("cuda", "CUDA, Some GPU")
BOTH = (CPU, CUDA)


def known(tmp_path, cpu: Cost, cuda: Cost) -> CostModel:
    """With made-up costs."""
    file = tmp_path / "routing.json"
    file.write_bytes(msgspec.json.encode({"test.say 1 CPU": cpu, "test.say 1 CUDA, Some GPU": cuda}))

    async def measure(workload, form, side):
        raise AssertionError("nothing is measured that is known")

    return CostModel(file, measure)


@pytest.fixture
def routing(tmp_path):
    """The GPU costs more for any job and less for each pixel: they are equal at half a megapixel."""
    return known(tmp_path, Cost(1.0, 20.0), Cost(6.0, 10.0))


@pytest.mark.parametrize(("pixels", "form"), [(0, CPU), (400_000, CPU), (600_000, CUDA), (4_000_000, CUDA)])
def test_small_images_stay_on_the_cpu_and_large_ones_go_to_the_gpu(routing, pixels, form):
    assert routing.choose(SAY, BOTH, pixels, {}).device == form


def test_the_reason_names_what_both_would_take(routing):
    choice = routing.choose(SAY, BOTH, 4_000_000, {"cpu": 0.0, "cuda": 12.0})
    assert choice.device == CUDA and choice.ms == 46
    assert choice.reason == (
        "about 58 ms on CUDA, Some GPU, 81 ms on CPU (4 megapixels; 12 ms of work wait for CUDA, Some GPU)"
    )


def test_a_form_that_has_much_to_do_already_is_passed_over(routing):
    assert routing.choose(SAY, BOTH, 4_000_000, {"cuda": 34.0}).device == CUDA
    assert routing.choose(SAY, BOTH, 4_000_000, {"cuda": 36.0}).device == CPU
    assert routing.choose(SAY, BOTH, 0, {"cpu": 6.0}).device == CUDA


def test_a_gpu_that_is_never_faster_is_never_chosen(tmp_path):
    routing = known(tmp_path, Cost(1.0, 5.0), Cost(2.0, 6.0))
    assert all(routing.choose(SAY, BOTH, 10**power, {}).device == CPU for power in range(10))


async def test_one_form_needs_no_measurement_and_no_reason():
    async def measure(workload, form, side):
        raise AssertionError("there is nothing to choose")

    routing = CostModel(None, measure)
    choice = routing.choose(SAY, (CPU,), 1_000_000, {})
    assert (choice.device, choice.reason) == (CPU, "")
    await routing.close()


class Recorded:
    """A measure that gives what was made up and remembers what was asked."""

    def __init__(self, **costs: Cost) -> None:
        self.costs = costs
        self.asked = []

    async def __call__(self, workload, form, side):
        self.asked.append((form.name, side))
        return self.costs[form.name].ms(side * side)


async def test_what_is_unknown_is_measured_once_and_runs_on_the_cpu_until_then(tmp_path):
    file = tmp_path / "made" / "routing.json"
    measure = Recorded(cpu=Cost(1.0, 20.0), cuda=Cost(6.0, 10.0))
    routing = CostModel(file, measure)
    for _ in range(2):
        choice = routing.choose(SAY, BOTH, 9_000_000, {}, Scale((100, 200)))
        assert choice.device == CPU and "measured" in choice.reason
    await until(file.exists, "the measurement")
    assert len(measure.asked) == 2 + 3 * 2 * 2
    # In turns: what else the machine does slows both down.
    assert measure.asked[2:6] == [("cpu", 100), ("cuda", 100), ("cpu", 200), ("cuda", 200)]
    assert routing.choose(SAY, BOTH, 9_000_000, {}).device == CUDA
    again = CostModel(file, measure)
    assert again.choose(SAY, BOTH, 9_000_000, {}).device == CUDA
    assert again.known(SAY, CUDA).mpx_ms == pytest.approx(10)
    await routing.close()


async def test_what_another_process_has_measured_meanwhile_is_kept(tmp_path):
    file = tmp_path / "routing.json"
    daemon, tune = (
        CostModel(file, Recorded(cpu=cpu, cuda=Cost(6, 10))) for cpu in (Cost(1, 20), Cost(3, 40))
    )
    await tune.measure(SAY, BOTH)
    await daemon.measure(workloads.files.workload, BOTH)
    assert read(file).keys() == {
        f"{name} 1 {form.label}" for name in ("test.say", "test.files") for form in BOTH
    }
    assert daemon.known(SAY, CPU) == tune.known(SAY, CPU)


async def test_another_gpu_is_measured_for_itself(routing):
    other = Device("cuda", "CUDA, Another GPU")
    assert routing.known(SAY, other) is None
    assert routing.choose(SAY, (CPU, other), 9_000_000, {}).device == CPU
    await routing.close()


async def test_a_form_that_fails_leaves_the_cpu_says_so_and_is_measured_again_later(caplog):
    works = Recorded(cpu=Cost(1.0, 20.0), cuda=Cost(6.0, 10.0))
    tries = []

    async def measure(workload, form, side):
        tries.append(form)
        if len(tries) == 1:
            raise WorkloadError("not_found", "no model")
        return await works(workload, form, side)

    clock = Clock()
    routing = CostModel(None, measure, KeyedBackoff(clock))
    with caplog.at_level(logging.WARNING):
        assert routing.choose(SAY, BOTH, 1, {}).device == CPU
        await until(lambda: "can't be measured" in caplog.text, "the failure")
    choice = routing.choose(SAY, BOTH, 1, {})
    assert choice.device == CPU and choice.reason == "the other device couldn't be measured (no model)"
    clock.now += 30
    assert "is being measured" in routing.choose(SAY, BOTH, 1, {}).reason
    await until(lambda: routing.known(SAY, CUDA), "the measurement")
    assert routing.choose(SAY, BOTH, 9_000_000, {}).device == CUDA
    await routing.close()


async def test_texts_are_counted_by_their_number(tmp_path):
    scale = SAMPLES["text.embed"].scale
    routing = known(tmp_path, Cost(1.0, 4e6), Cost(6.0, 1e6))
    choice = routing.choose(SAY, BOTH, 3, {}, scale)
    assert choice.device == CUDA and str(choice.reason).endswith("(3 texts)")
    assert routing.choose(SAY, BOTH, 1, {}, scale).device == CPU


@pytest.mark.parametrize("content", [b"not JSON", b'{"\xff": null}'])
def test_a_file_that_nobody_can_read_is_as_none(tmp_path, content):
    (tmp_path / "routing.json").write_bytes(content)
    assert read(tmp_path / "routing.json") == read(tmp_path / "missing.json") == read(None) == {}


@given(fixed=st.floats(0.01, 1e3), each=st.floats(0, 1e3))
def test_times_on_a_line_give_that_line(fixed, each):
    cost = Cost(fixed, each)
    found = fit_cost({side * side: cost.ms(side * side) for side in (256, 1024, 2048)})
    assert found.fixed_ms == pytest.approx(fixed, rel=1e-6, abs=1e-6)
    assert found.mpx_ms == pytest.approx(each, rel=1e-6, abs=1e-6)


@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=4))
def test_no_cost_is_below_nothing_whatever_was_measured(times):
    found = fit_cost({(at + 1) * 100_000: ms for at, ms in enumerate(times)})
    assert found.fixed_ms >= 0 and found.mpx_ms >= 0
    assert found.ms(500_000) > 0
