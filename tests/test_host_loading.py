"""A plugin's own code while it is loaded."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bridge.host import host, isolation


class Talkative:
    """A plugin that says hello where only JSON may stand."""

    @host.hooks.hookimpl
    def popbridge_settings(self) -> list[object]:
        print("hello")
        return []


def test_what_a_plugin_prints_stays_out_of_what_programs_read(capsys: pytest.CaptureFixture[str]) -> None:
    host.load({"talkative": Talkative()}, installed=False)
    assert capsys.readouterr() == ("", "hello\n")


def test_what_its_libraries_print_does_too(capfd: pytest.CaptureFixture[str]) -> None:
    with isolation.run_guarded("plugin 'acme'"):
        os.write(1, b"hello\n")
        subprocess.run([sys.executable, "-c", "print('child')"], check=True)
        os.close(1)
    os.write(1, b"ours\n")
    printed = capfd.readouterr()
    assert (printed.out, printed.err.split()) == ("ours\n", ["hello", "child"])


def test_a_handler_of_ctrl_c_that_a_plugin_leaves_behind_is_taken_away() -> None:
    before = signal.getsignal(signal.SIGINT)
    with isolation.watch_interrupts() as heard:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert (signal.getsignal(signal.SIGINT), heard) == (before, [])


def test_a_thread_hears_no_signals_and_leaves_them_to_the_main_one() -> None:
    before, inside = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with isolation.watch_interrupts():
            inside.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(30)
    assert inside == [before]


class Told(logging.Handler):
    """What is logged, as it comes: caplog has it only afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.line = ""
        self.event = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.line = record.getMessage()
        self.event.set()


def test_a_plugin_that_doesnt_end_is_named() -> None:
    handler, before = Told(), set(threading.enumerate())
    isolation.log.addHandler(handler)
    try:
        with isolation.run_guarded("plugin 'acme' (acme 1.0)", slow_s=0.01):
            assert handler.event.wait(30)
    finally:
        isolation.log.removeHandler(handler)
        # What it says goes on to other handlers, which would be the next test's.
        for timer in set(threading.enumerate()) - before:
            timer.join(30)
    assert handler.line.startswith("plugin 'acme' (acme 1.0) is still loading after 0.01 s")


def test_a_plugin_that_ends_in_time_is_not(caplog: pytest.LogCaptureFixture) -> None:
    before = set(threading.enumerate())
    with isolation.run_guarded("plugin 'acme'", slow_s=600):
        (timer,) = set(threading.enumerate()) - before
    timer.join(30)
    assert not timer.is_alive()
    assert caplog.text == ""


def test_the_folder_and_the_log_are_afterwards_what_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    before = (root.level, [*root.handlers])
    with isolation.run_guarded("plugin 'acme'"):
        os.chdir("..")
        root.addHandler(logging.NullHandler())
        root.setLevel(1)
    assert (root.level, root.handlers) == before
    assert Path.cwd() == tmp_path
