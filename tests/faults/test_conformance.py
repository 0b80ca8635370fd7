"""The WebSocket protocol itself: Autobahn's cases against an echo that is served as the daemon is."""

from __future__ import annotations

import pytest

from tools.bench.conformance import CAPPED, EXPECTED, outcomes

pytest.importorskip("kosoku")

QUICK = [
    "1.*", "2.*", "3.*", "4.*", "5.*", "6.1.*", "6.2.*", "6.3.*", "6.4.*", "6.5.*", "6.22.*", "7.*", "10.*",
    "12.1.1", "12.2.1", "12.5.3", "13.1.1", "13.3.2", "13.7.1",
]  # fmt: skip
LARGE = ["9.1.1", "9.1.2", "9.1.3", "9.3.1", "9.5.3", "9.7.1"]


def test_all_cases_pass_but_the_one_that_websockets_is_stricter_in() -> None:
    found, capped = outcomes(QUICK)
    assert len(found) > 150
    assert {one.case for one in found if not one.passed} == EXPECTED
    assert not capped


def test_what_passes_the_caps_is_refused_by_their_codes_and_works_without_them() -> None:
    found, capped = outcomes(LARGE)
    assert all(one.passed for one in found)
    assert {one.case: one.close for one in capped} == {"9.1.3": 1009, "9.3.1": 1008, "9.5.3": 1009}
    assert set(CAPPED) == {1008, 1009}
