"""A pytest plugin: a line for each tenth of the tests and each failure, instead of a dot for each test."""

from __future__ import annotations

import time

import pytest

LINES = 10
"""Lines that a run without failures prints."""


class Progress:
    """Counts the tests that are done, whichever process they ran in."""

    def __init__(self, session: pytest.Session, terminal: pytest.TerminalReporter) -> None:
        self._session = session
        self._terminal = terminal
        self._begin = time.monotonic()
        self._done = 0
        self._lines = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Returns no letter to print; the word is for the summary."""
        if hasattr(report, "wasxfail"):
            return None
        if report.failed:
            return ("failed", "", "FAILED") if report.when == "call" else ("error", "", "ERROR")
        if report.skipped:
            return ("skipped", "", "SKIPPED")
        return ("passed" if report.when == "call" else "", "", "")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._line(f"failed: {report.nodeid}")
        if report.when != "teardown":
            return
        self._done += 1
        total = max(self._session.testscollected, 1)
        if self._done * LINES // total > self._lines:
            self._lines = self._done * LINES // total
            self._line(f"{self._done} of {total} tests")

    def _line(self, text: str) -> None:
        elapsed = int(time.monotonic() - self._begin)
        self._terminal.write_line(f"    {text} ({elapsed // 60}:{elapsed % 60:02})", flush=True)


def pytest_sessionstart(session: pytest.Session) -> None:
    # A worker of pytest-xdist has no terminal: it reports to the process that has.
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(Progress(session, terminal))
