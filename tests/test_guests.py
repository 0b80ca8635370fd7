"""A plugin's own code while it is loaded."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import pytest

from bridge import guests, host


class Talkative:
    """A plugin that says hello where only JSON may stand."""

    @host.hooks.hookimpl
    def popbridge_settings(self) -> list[object]:
        print("hello")
        return []


def test_what_a_plugin_prints_stays_out_of_what_programs_read(capsys: pytest.CaptureFixture[str]) -> None:
    host.load({"talkative": Talkative()}, installed=False)
    assert capsys.readouterr() == ("", "hello\n")


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
    guests.log.addHandler(handler)
    try:
        with guests.hosted("plugin 'acme' (acme 1.0)", slow_s=0.01):
            assert handler.event.wait(30)
    finally:
        guests.log.removeHandler(handler)
        # What it says goes on to other handlers, which would be the next test's.
        for timer in set(threading.enumerate()) - before:
            timer.join(30)
    assert handler.line.startswith("plugin 'acme' (acme 1.0) is still being loaded after 0.01 s")


def test_a_plugin_that_ends_in_time_is_not(caplog: pytest.LogCaptureFixture) -> None:
    before = set(threading.enumerate())
    with guests.hosted("plugin 'acme'", slow_s=600):
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
    with guests.hosted("plugin 'acme'"):
        os.chdir("..")
        root.addHandler(logging.NullHandler())
        root.setLevel(1)
    assert (root.level, root.handlers) == before
    assert Path.cwd() == tmp_path
