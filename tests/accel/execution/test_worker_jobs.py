import gc
import os
import sys

import psutil
import pytest

from accel.execution import worker
from accel.execution.protocol import (
    HEADER,
    BatchFrame,
    BatchReply,
    Failed,
    JobFrame,
    JobInput,
    JobItem,
    Setup,
    replies,
)
from accel.workload import Input, Limits
from tests.advisors import pictures

SETUP = Setup(Limits(max_pixels=7), 100, ())


def ask(name: str, text: str = "", inputs=(), setup=SETUP):
    given = [JobInput.of(one) for one in inputs]
    reply = worker.run(JobFrame(f"tests.accel.workloads:{name}", {"text": text}, given, None), setup)
    return replies.decode(reply[HEADER:])


def test_a_job_gets_its_parameters_and_the_limits():
    done = ask("say", "x")
    assert done.value["text"] == "x" and done.value["limits"] == 7 and done.device == "CPU"


SLOW_TO_LOAD = """
import time
from accel.workload import Output, Params, workload

time.sleep(1)

@workload("test.slow_to_load", version=1, params=Params, inputs=0)
def quick(inputs, params, limits):
    "Takes no time."
    return Output(None)
"""


def test_loading_a_module_does_not_count_as_run_time(tmp_path, monkeypatch):
    (tmp_path / "slow_to_load.py").write_text(SLOW_TO_LOAD)
    monkeypatch.syspath_prepend(tmp_path)
    reply = worker.run(JobFrame("slow_to_load:quick", {}, [], None), SETUP)
    assert replies.decode(reply[HEADER:]).run_ms < 1000


def test_a_rejected_file_is_closed(tmp_path):
    path = tmp_path / "damaged.webp"
    path.write_bytes(b"RIFF\x20\0\0\0WEBPVP8 \x10\0\0\0" + bytes(20))
    job = JobFrame(
        "accel.image.operations.geometry:convert",
        {"format": "png"},
        [JobInput.of(Input("a", str(path)))],
        None,
    )
    gc.disable()
    try:
        assert b"failed" in worker.run(job, Setup(Limits(), 0, ()))
        assert str(path) not in {file.path for file in psutil.Process().open_files()}
        path.unlink()
    finally:
        gc.enable()


def test_an_unknown_target_is_a_bug_of_the_bridge_and_not_of_the_worker():
    assert ask("no_such_function").code == "internal"


@pytest.mark.parametrize(("mib", "says"), [(100, "(100 MiB)"), (0, "a worker may take")])
def test_running_out_of_memory_names_the_input_and_the_limit(monkeypatch, mib, says):
    for raised in (MemoryError(), RuntimeError("vips: out of memory")):

        def fail(*_, raised=raised):
            raise raised

        monkeypatch.setattr(worker, "_done", fail)
        failed = ask("say", inputs=[Input("big.png", "x")], setup=Setup(Limits(), mib, ()))
        assert failed.code == "too_large" and failed.name == "big.png" and str(failed.reason).endswith(says)


def test_a_name_on_disk_that_is_no_unicode_reaches_the_workload_and_an_error_can_name_it():
    stray = Input("b\udcff.png", "b\udcff.png")
    assert ask("path", inputs=[stray]).value == os.fsencode("b\udcff.png")
    failed = ask("refuse", inputs=[stray])
    assert failed.name == r"b\udcff.png"


def test_what_a_workload_gave_instead_of_an_output_is_said():
    assert ask("number").reason == "the workload gave int, not Output"


def together(*texts: str, target: str = "many", out_dir=None):
    items = [JobItem({"text": text}, [JobInput(f"{text}.png", b"x")]) for text in texts]
    reply = worker.run(BatchFrame(f"tests.accel.workloads:{target}", items, out_dir), SETUP)
    several = replies.decode(reply[HEADER:])
    assert isinstance(several, BatchReply)
    return several.replies


def test_jobs_that_run_together_get_their_own_outcomes_in_their_order():
    first, second, third = together("a", "refuse", "c")
    assert [(one.value["text"], one.value["of"]) for one in (first, third)] == [("a", 3), ("c", 3)]
    assert isinstance(second, Failed) and (second.code, second.name) == ("unsupported", "refuse.png")


@pytest.mark.parametrize("bad", ["raise", "short"])
def test_a_batch_that_fails_as_a_whole_is_done_one_by_one_and_the_log_says_why(bad, caplog):
    first, second, third = together("a", bad, "c")
    assert [(one.value["text"], one.value["of"]) for one in (first, third)] == [("a", 1), ("c", 1)]
    assert isinstance(second, Failed) == (bad == "raise")
    why = {"raise": "ZeroDivisionError: together", "short": "gave 2 outcomes for 3 jobs"}[bad]
    assert "test.many failed on 3 jobs at once" in caplog.text and why in caplog.text


def test_what_a_batch_is_refused_for_is_no_traceback_in_the_log(tmp_path, caplog):
    caplog.set_level("INFO")
    batch = BatchFrame("accel.ai.workloads:embed_text", [JobItem({"texts": ["a"]}, [])], None)
    reply = worker.run(batch, Setup(Limits(models=str(tmp_path)), 100, ()))
    (failed,) = replies.decode(reply[HEADER:]).replies
    assert failed.code == "not_found" and "models pull minilm-l6" in failed.reason
    assert [(one.levelname, one.exc_info) for one in caplog.records] == [("INFO", False)]


def test_wrong_parameters_in_a_batch_cost_their_own_job_alone():
    items = [JobItem({"text": "a"}, []), JobItem({"text": 3}, []), JobItem({"text": "c"}, [])]
    reply = worker.run(BatchFrame("tests.accel.workloads:many", items, None), SETUP)
    first, second, third = replies.decode(reply[HEADER:]).replies
    assert (second.code, first.value["of"], third.value["of"]) == ("bad_params", 2, 2)


def test_where_a_plugins_step_failed_stands_in_the_log_alone(tmp_path):
    named = ("theirs.raise", "tests.accel.image.operations.test_pipeline:raises")
    path = pictures.save(tmp_path / "a.png", pictures.flat((9, 9, 9), 2))
    job = JobFrame(
        "accel.image.operations.pipeline:pipeline", {"steps": [{"workload": named[0]}]},
        [JobInput("a.png", os.fsencode(path))], None,
    )  # fmt: skip
    reply = worker.run(job, Setup(Limits(operations=(named,)), 100, ()))
    failed = replies.decode(reply[HEADER:])
    assert failed.reason == "step 1, theirs.raise: the workload failed (KeyError)"
    assert failed.step == "step 1, theirs.raise"
    assert "test_pipeline.py" in failed.trace and "KeyError: 'depth'" in failed.trace


def test_an_outcome_that_cannot_be_sent_costs_its_own_job_alone():
    first, second = together("a", "unspeakable")
    assert first.value["text"] == "a" and second.code == "internal"


def test_files_of_a_batch_are_kept_in_the_folder(tmp_path):
    (only,) = together("file", out_dir=str(tmp_path))
    assert (tmp_path / only.files[0].sha256).read_bytes() == b"made"


def test_with_a_coarse_cpu_clock_wall_time_is_used(monkeypatch):
    monkeypatch.setattr(worker, "COARSE_CPU_CLOCK", True)
    monkeypatch.setattr(worker.time, "process_time", lambda: 0.0)
    watch = worker.Stopwatch()
    run, computed = watch.share()
    assert computed == run > 0


@pytest.mark.skipif(sys.platform != "win32", reason="clocks of other systems count in fine steps")
def test_windows_has_a_coarse_cpu_clock():
    assert worker.COARSE_CPU_CLOCK
