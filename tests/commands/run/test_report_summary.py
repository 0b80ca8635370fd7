"""What is said at the end of a run."""

from __future__ import annotations

import pytest

from accel.execution.executor import ExecutorResult
from accel.workload import WorkloadError
from bridge.commands.run import report
from bridge.commands.run.inputs import RunItem
from bridge.commands.run.report import Reporter


@pytest.mark.parametrize(
    ("seconds", "says"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (61.2, "1 min 1 s"), (7_500, "2 h 5 min")]
)
def test_durations_read_well(
    seconds: float, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(report.time, "monotonic", lambda: now[0])
    teller = Reporter("image.convert", as_json=False)
    teller.counts.update(done=1_234, failed=1)
    now[0] += seconds
    teller.summary(1_235)
    assert capsys.readouterr().err == f"popbridge: 1,234 done, 1 failed in {says}.\n"


def test_a_single_job_needs_no_summary(capsys: pytest.CaptureFixture[str]) -> None:
    Reporter("image.convert", as_json=False).summary(1)
    assert capsys.readouterr().err == ""


def test_a_single_job_that_was_passed_over_is_told_as_nothing_else_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    teller = Reporter("image.convert", as_json=False)
    teller.skipped(RunItem(("a.png",)), ["b.png"])
    teller.summary(1)
    assert capsys.readouterr().err.startswith("popbridge: 0 done, 1 unchanged in ")
    in_json = Reporter("image.convert", as_json=True)
    in_json.skipped(RunItem(("a.png",)), ["b.png"])
    in_json.summary(1)
    assert capsys.readouterr().err == ""


def test_names_that_steer_a_terminal_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    teller = Reporter("image.convert", as_json=False)
    job = RunItem(("石头\x1b[2J\n.png",))
    result = ExecutorResult("two\nlines\x07", [], 0.0, 0.0, "CPU")
    teller.done(job, result, ["a\r.png", "b.png"])
    teller.failed(job, WorkloadError("bad_input", "is broken:\nline 2\x1b"))
    out, err = capsys.readouterr()
    assert out == "石头\\x1b[2J\\n.png: two\nlines\\x07\n  -> a\\r.png\n  -> b.png\n"
    assert err == "石头\\x1b[2J\\n.png: is broken:\nline 2\\x1b\n"


def test_a_long_text_is_whole_in_json_alone(capsys: pytest.CaptureFixture[str]) -> None:
    job, text = RunItem(("a.png",)), "x" * 20_000
    for as_json in (False, True):
        teller = Reporter("image.ocr", as_json=as_json)
        teller.done(job, ExecutorResult(text, [], 0.0, 0.0, "CPU"), [])
        teller.failed(job, WorkloadError("bad_input", text))
        said = capsys.readouterr()
        lines = said.out.splitlines() + said.err.splitlines()
        assert len(lines) == 2 and [text in line for line in lines] == [as_json, as_json]
        assert as_json or all("20,000 characters" in line for line in lines)
