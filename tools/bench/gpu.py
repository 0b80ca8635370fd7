"""The CPU beside an NVIDIA GPU, by batch size: `python -m tools.bench.gpu [--pull] [--ways]`.

Run it on a machine with a GPU; without one, its columns are "not measured". `--pull` first downloads missing
models to `.models` beside the sources, as the tests do. `--ways` only compares plain runs on the GPU with
bound buffers and CUDA graphs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from msgspec import Struct

from accel.devices.current import CPU
from accel.devices.provider_probe import try_providers
from accel.devices.providers import Choice, Wish, choose
from accel.devices.report import Devices
from accel.execution.executor import cores
from accel.gpu_ops.graph import Runner
from accel.models.catalog import MODELS
from accel.models.pull import pull
from accel.models.store import ModelError, ModelStore
from tools.bench.gpu_workloads import INFERENCE, MEDIA, NETS, On, Run, Work, section, works

STORE = ModelStore(Path(__file__).resolve().parents[2] / ".models")
BATCHES = (1, 2, 4, 8, 16, 32, 64)
CAP_S = 5.0
"""Batches that would take longer aren't tried."""
LEAST_S = 0.3
"""Minimum seconds of measuring each cell."""
NOT_MEASURED = "not measured"
YES, LESS, NO = "yes", "less than demanded", "no: leave it to the CPU"
"""Verdicts on whether a GPU is worth it."""

TEMPLATE = """## CPU and GPU

Runs per second by batch size, on {threads} cores of the CPU and on {gpu} (`tools/bench/gpu.py`, the best
of the rounds of {least} s; {runtime}). Models run with all cores of ONNX Runtime, from memory to memory.
Image operations run in their CPU form, one image per core, beside their graph on the GPU. Missing batches
would take longer than {cap:g} s, or more memory than there is.

| what | batch | CPU, a second | GPU, a second | GPU to CPU |
|---|---|---|---|---|
{rows}

The best batch of each, with the speed that a GPU must reach to be worth it: {inference} times the CPU for
models, {media} times for image operations.

| what | CPU, a second | GPU, a second | GPU to CPU | demanded | worth it |
|---|---|---|---|---|---|
{best}

{ways}

{words}
"""

BC7 = (
    "BC7 has no path on a GPU: its encoder is compiled for the CPU's vector units, and is measured by "
    "`tools/bench/compress.py`."
)


class Rates(Struct):
    """Items per second, by batch size."""

    work: Work
    cpu: dict[int, float]
    gpu: dict[int, float]


class Gpu(Struct, frozen=True):
    """The GPU that is measured beside the CPU."""

    choice: Choice | None
    """None if there is no GPU."""
    name: str
    runtime: str
    why: str
    """Why there is no GPU."""


def find() -> Gpu:
    """Returns CUDA if it works; it runs any shape without minutes of compiling."""
    found = try_providers()
    choice = choose(found, Wish(("cuda",)))
    runtime = f"onnxruntime {found.runtime}"
    if choice.name == "cpu":
        report = found.report("cuda")
        return Gpu(None, "no GPU", runtime, f"{report.reason}. {report.remedy}".strip())
    return Gpu(choice, _named(found), runtime, "")


def _named(found: Devices) -> str:
    one = found.gpus[0]
    version = f"{found.driver // 1000}.{found.driver % 1000 // 10}"
    return f"{one.name or 'an unnamed GPU'} ({one.memory_mib / 1024:.0f} GiB, a driver for CUDA {version})"


def rates(on: On, runner: Runner, work: Work) -> dict[int, float]:
    """Measures growing batches until one takes too long or memory is full."""
    found: dict[int, float] = {}
    took = 0.0
    for batch in BATCHES:
        if batch > work.most or 2 * took > CAP_S:
            break
        try:
            run = on(runner, batch)
            if batch == 1:
                # Opening and compiling happen once and don't count.
                run()
            took = _seconds(run)
        except Exception as error:  # onnxruntime's exceptions have no common base class.
            print(f"{work.name}, batch {batch}: {str(error)[:200]}", file=sys.stderr)
            break
        found[batch] = batch / took
    return found


def _seconds(run: Run) -> float:
    """Returns the time of the fastest round."""
    best, spent, rounds = float("inf"), 0.0, 0
    # The first round of a shape also plans memory and selects kernels.
    while rounds < 2 or (spent < LEAST_S and rounds < 1000):
        begin = time.perf_counter()
        run()
        took = time.perf_counter() - begin
        best, spent, rounds = min(best, took), spent + took, rounds + 1
        if took > CAP_S / 2:
            break
    return best


def measured(gpu: Gpu) -> Iterator[Rates]:
    """Measures everything that is available."""
    known: dict[On, dict[int, float]] = {}
    for work in works(STORE)[0]:
        if work.on_cpu not in known:
            known[work.on_cpu] = rates(work.on_cpu, Runner(CPU, cores()), work)
        # One runner each, as it keeps its memory. Networks use the GPU's fastest arithmetic, image
        # operations exact arithmetic.
        runner = Runner(gpu.choice, exact=work.demanded == MEDIA) if gpu.choice else None
        yield Rates(work, known[work.on_cpu], rates(work.on_gpu, runner, work) if runner else {})


def rows(one: Rates) -> Iterator[str]:
    """Returns a row for each batch size that either device ran."""
    for batch in BATCHES:
        cpu, gpu = one.cpu.get(batch), one.gpu.get(batch)
        if cpu is not None or gpu is not None:
            cells = [one.work.name, str(batch), _rate(cpu, one), _rate(gpu, one), _ratio(cpu, gpu)]
            yield f"| {' | '.join(cells)} |"


def best(one: Rates) -> str:
    """Returns the row of both devices' best batch sizes."""
    cpu, gpu = (max(rates.values(), default=None) for rates in (one.cpu, one.gpu))
    figures = [_rate(cpu, one), _rate(gpu, one), _ratio(cpu, gpu)]
    return f"| {' | '.join([one.work.name, *figures, str(one.work.demanded), verdict(one)])} |"


def verdict(one: Rates) -> str:
    """Says whether a GPU is worth it, in a word or two."""
    if not one.gpu or not one.cpu:
        return NOT_MEASURED
    ratio = max(one.gpu.values()) / max(one.cpu.values())
    if ratio >= one.work.demanded:
        return YES
    return LESS if ratio > 1 else NO


def _rate(value: float | None, one: Rates) -> str:
    return NOT_MEASURED if value is None else f"{value:,.{0 if value >= 100 else 1}f} {one.work.unit}"


def _ratio(cpu: float | None, gpu: float | None) -> str:
    return NOT_MEASURED if not cpu or not gpu else f"**{gpu / cpu:.2f}**"


def words(found: Sequence[Rates], gpu: Gpu, missing: Sequence[str]) -> Iterator[str]:
    """Lists what isn't worth it, and what wasn't measured."""
    if gpu.choice is None:
        yield f"No GPU was measured: {gpu.why}"
    for said, means in ((NO, "Not worth a GPU"), (LESS, "Faster on the GPU, but by less than demanded")):
        if names := [one.work.name for one in found if verdict(one) == said]:
            yield f"{means}: {'; '.join(names)}."
    yield BC7
    if missing:
        yield f"Models that aren't on this machine (`--pull` gets them): {', '.join(missing)}."


def measure() -> str:
    """Returns the section of docs/explanation/performance.md."""
    gpu = find()
    found = list(measured(gpu))
    return TEMPLATE.format(
        threads=cores(),
        gpu=gpu.name,
        runtime=gpu.runtime,
        least=LEAST_S,
        cap=CAP_S,
        rows="\n".join(row for one in found for row in rows(one)),
        inference=INFERENCE,
        media=MEDIA,
        best="\n".join(map(best, found)),
        ways=section(STORE, gpu.choice.name if gpu.choice else ""),
        words="\n\n".join(words(found, gpu, works(STORE)[1])),
    )


def pull_all() -> None:
    """Downloads missing models; those without a known licence must already be present."""
    for name in dict.fromkeys(net.model for net in NETS):
        if not MODELS[name].opt_in:
            try:
                pull(STORE, MODELS[name])
            except ModelError as error:
                print(f"{name} can't be pulled: {error}", file=sys.stderr)


@click.command()
@click.option("--pull", "pulled", is_flag=True, help="First get the models that aren't there, into .models.")
@click.option("--ways", is_flag=True, help="Measure nothing but how networks run on the GPU.")
def main(pulled: bool, ways: bool) -> None:
    """Measures the CPU beside an NVIDIA GPU; without one, its columns are "not measured"."""
    if pulled:
        pull_all()
    if ways:
        gpu = find()
        click.echo(section(STORE, gpu.choice.name if gpu.choice else "") + f"\n{gpu.why}")
    else:
        click.echo(measure())


if __name__ == "__main__":
    main()
