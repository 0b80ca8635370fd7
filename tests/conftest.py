"""What holds for every test."""

import gc
import itertools
import os

import pytest
from hypothesis import HealthCheck, settings

from accel.execution.sandbox import WRITABLE
from tests.shared_workers import shared_workers, workers_of_all_tests

__all__ = ["shared_workers", "workers_of_all_tests"]  # fixtures

# How long an example takes says more about what else runs on the machine than about the code.
settings.register_profile("dev", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
# The same examples each time: what fails there fails anywhere, and is of the change that is tested.
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, database=None)
settings.register_profile("long", settings.get_profile("dev"), max_examples=1000)
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


EDITORS_EVERY = 15
"""Of how many files one drives editors, where several run at a time: they are the longest ones."""
FAKE_EDITORS = ("tests/unity/editor/", "tests/unreal/")
"""Tests of plugins in an editor's stand-in, which take as long."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Spreads the files that drive editors among the others, which leave them half of the machine."""
    for item in items:
        # tools/dev.py finds these files by their text.
        if item.get_closest_marker("alone") and "mark.alone" not in item.path.read_text(encoding="utf-8"):
            raise pytest.UsageError(f"{item.path.name} has tests that run alone and doesn't say so itself.")
    if hasattr(config, "workerinput"):
        files = [list(file) for _, file in itertools.groupby(items, lambda item: item.path)]
        editors = [file for file in files if any(drives_editor(item) for item in file)]
        others = [file for file in files if file not in editors]
        for number, file in enumerate(editors):
            others.insert(number * EDITORS_EVERY, file)
        items[:] = itertools.chain.from_iterable(others)


def drives_editor(item):
    return item.nodeid.startswith(FAKE_EDITORS) or item.get_closest_marker("engine") is not None


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collects 15,000 tests, which all stay, without looking for garbage among them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


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
