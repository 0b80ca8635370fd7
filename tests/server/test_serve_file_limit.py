"""How many files the daemon may have open."""

from __future__ import annotations

import sys

import pytest

from bridge.server import serve
from bridge.server.serve import SPARE_FILES, raise_file_limit

resource = pytest.importorskip("resource")


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """This process's limits, soft and hard, which only the test sees change."""
    now = [256, 4096]

    def change(_: int, wanted: tuple[int, int]) -> None:
        if wanted[0] > 3000:
            raise ValueError("the system's own limit")
        now[:] = wanted

    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(now))
    monkeypatch.setattr(resource, "setrlimit", change)
    return now


def test_the_limit_is_raised_as_far_as_it_takes(limits: list[int], caplog: pytest.LogCaptureFixture) -> None:
    raise_file_limit(1000)
    assert limits == [1000 + SPARE_FILES, 4096]
    raise_file_limit(10)
    assert limits == [1000 + SPARE_FILES, 4096]
    assert not caplog.records


@pytest.mark.parametrize("hard", [1500, 2500, resource.RLIM_INFINITY])
def test_where_it_cant_be_raised_enough_that_is_told(
    limits: list[int], caplog: pytest.LogCaptureFixture, hard: int
) -> None:
    limits[1] = hard
    raise_file_limit(8192)
    assert limits[0] == (256 if hard == resource.RLIM_INFINITY else hard)
    (warning,) = caplog.records
    assert warning.args == (limits[0], 8192)


def test_without_a_limit_nothing_is_changed(limits: list[int]) -> None:
    limits[:] = [resource.RLIM_INFINITY, resource.RLIM_INFINITY]
    raise_file_limit(8192)
    assert limits == [resource.RLIM_INFINITY, resource.RLIM_INFINITY]


def test_on_windows_there_is_no_such_limit(limits: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve.sys, "platform", "win32")
    raise_file_limit(1 << 20)
    assert limits == [256, 4096]
    assert sys.platform == "win32"
