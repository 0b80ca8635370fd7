"""What holds for every test."""

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says more about what else runs on the machine than about the code.
settings.register_profile("popbridge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("popbridge")


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
