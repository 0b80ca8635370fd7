import contextlib
import os
import subprocess
import sys

import msgspec
import pytest

from accel.devices import provider_probe
from accel.devices.driver import Driver, ask_driver
from accel.devices.provider_probe import Failure, ProbeReply, Runtime, Session, probe_child, read_reply


def test_a_child_tells_of_the_runtime_and_the_driver_of_this_machine():
    runtime = read_reply(probe_child("runtime"), Runtime)
    assert runtime.package in runtime.distributions
    assert "CPUExecutionProvider" in runtime.providers
    assert read_reply(probe_child("driver"), Driver).library == ask_driver().library


def test_a_child_runs_the_model_on_the_cpu():
    assert read_reply(probe_child("cpu"), Session) == Session(("CPUExecutionProvider",), True)


def test_what_goes_wrong_in_a_child_is_its_answer():
    assert read_reply(probe_child("nonsense"), Session) == Failure("failed (KeyError: 'nonsense')")


def test_a_child_that_takes_too_long_is_ended():
    assert probe_child("runtime", 0.001).reason == "gave no answer within 0.001 s"


def test_a_child_that_dies_is_told_from_one_that_answers(monkeypatch):
    def ran(code, out):
        done = subprocess.CompletedProcess([], code, out, b"some log")
        monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
        return probe_child("cuda")

    crashed = ran(-11 if sys.platform != "win32" else 3221225477, b"")
    assert (
        isinstance(crashed, Failure)
        and str(crashed.reason).startswith("crashed (")
        and crashed.log == "some log"
    )
    assert isinstance(ran(0, b'{"error": "\xff"}'), Failure)
    assert isinstance(ran(0, b'{"facts": {"providers": [], "right": true}}'), ProbeReply)
    # Some die on their way out, after all was said.
    assert isinstance(ran(-11, b'{"facts": {"providers": [], "right": true}}'), ProbeReply)


def test_a_machine_that_starts_no_process_says_so(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert "no process can be started" in probe_child("cpu").reason


@contextlib.contextmanager
def kept_streams():
    """Puts stdout back, which a child gives away for good."""
    out = os.dup(1)
    try:
        yield
    finally:
        os.dup2(out, 1)
        os.close(out)


class TestTrial:
    """The child's own code, in this process."""

    @pytest.mark.parametrize(
        ("question", "kind"), [("driver", Driver), ("runtime", Runtime), ("cpu", Session)]
    )
    def test_each_question_has_an_answer_on_stdout_alone(self, capfd, question, kind):
        with kept_streams():
            provider_probe.main(question)
        said = msgspec.json.decode(capfd.readouterr().out, type=provider_probe._Answer)
        assert msgspec.json.decode(said.facts, type=kind)

    def test_what_is_raised_is_said(self, capfd):
        with kept_streams():
            provider_probe.main("nonsense")
        assert msgspec.json.decode(capfd.readouterr().out) == {"error": "KeyError: 'nonsense'"}

    def test_a_package_that_tells_nothing_of_itself_is_the_plain_one(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "onnxruntime.capi.build_and_package_info", None)
        assert (provider_probe.ask_runtime().package, provider_probe.ask_runtime().cuda) == (
            "onnxruntime",
            "",
        )

    @pytest.mark.parametrize("name", ["cuda", "tensorrt"])
    def test_libraries_that_aren_t_there_are_passed_over_in_silence(self, capfd, name):
        from accel.devices.providers import load_libraries

        load_libraries(name)
        assert capfd.readouterr().out == ""

    def test_directml_gets_no_memory_patterns(self):
        import onnxruntime

        from accel.devices.providers import configure

        options = onnxruntime.SessionOptions()
        configure(options, "directml")
        assert options.enable_mem_pattern is False
