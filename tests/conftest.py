"""What holds for every test."""

import os

import pytest
from hypothesis import HealthCheck, settings

from accel.execution.sandbox import WRITABLE
from tests.shared_workers import shared_workers, workers_of_all_tests

__all__ = ["shared_workers", "workers_of_all_tests"]  # fixtures

# How long an example takes says more about what else runs on the machine than about the code.
settings.register_profile("ci", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", settings.get_profile("ci"), max_examples=50)
# As most build servers set it; `--hypothesis-profile` overrides.
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session", autouse=True)
def writable_for_workers(tmp_path_factory):
    """Workers tell tests what they do by files in the tests' own folder, and coverage by some in this one."""
    WRITABLE.append(str(tmp_path_factory.getbasetemp()))
    # For daemons and commands that tests start.
    os.environ["POPBRIDGE_WORKER_WRITABLE"] = WRITABLE[0]
    if any(name.startswith("COVERAGE_") for name in os.environ):
        WRITABLE.append(os.getcwd())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Names that are no unicode are escaped in reports: pytest-xdist sends these from process to process."""
    report = yield
    report.sections = [(name, escaped(text)) for name, text in report.sections]
    if report.failed and (said := str(report.longrepr)) != escaped(said):
        report.longrepr = escaped(said)
    return report


def escaped(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()
