"""A plugin's own code while it is loaded."""

from __future__ import annotations

import logging
import threading

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


def test_a_plugin_that_doesnt_end_is_named(caplog: pytest.LogCaptureFixture) -> None:
    told = threading.Event()

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.set()

    handler = Told()
    guests.log.addHandler(handler)
    try:
        with guests.hosted("plugin 'acme' (acme 1.0)", slow_s=0.01):
            assert told.wait(30)
    finally:
        guests.log.removeHandler(handler)
    assert "plugin 'acme' (acme 1.0) is still being loaded after 0.01 s" in caplog.text


def test_a_plugin_that_ends_in_time_is_not(caplog: pytest.LogCaptureFixture) -> None:
    before = threading.active_count()
    with guests.hosted("plugin 'acme'", slow_s=600):
        (timer,) = (each for each in threading.enumerate() if isinstance(each, threading.Timer))
    timer.join(30)
    assert threading.active_count() == before
    assert caplog.text == ""
