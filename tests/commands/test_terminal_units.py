"""Durations and sizes as people read them."""

from __future__ import annotations

import pytest

from bridge.commands.terminal import duration, milliseconds, size


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (0, "0.0 s"), (0.44, "0.4 s"), (9.96, "10.0 s"), (45, "45 s"), (59.6, "1 min"), (200, "3 min 20 s"),
        (3600, "1 h"), (7500, "2 h 5 min"), (86_400 * 4 + 3 * 3600 + 5, "4 d 3 h"),
    ],
)  # fmt: skip
def test_a_duration_has_the_two_units_that_matter(seconds: float, says: str) -> None:
    assert duration(seconds) == says


@pytest.mark.parametrize(
    ("count", "says"),
    [
        (0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (200 << 20, "200 MiB"), (12 << 30, "12.0 GiB"),
        (3 << 40, "3.0 TiB"), (5000 << 40, "5000 TiB"),
    ],
)  # fmt: skip
def test_a_size_is_short(count: float, says: str) -> None:
    assert size(count) == says


@pytest.mark.parametrize(
    ("value", "says"),
    [(None, "-"), (0.04, "0.0 ms"), (9.94, "9.9 ms"), (120, "120 ms"), (1500, "1.5 s"), (12_000, "12 s"),
     (90_000, "1 min 30 s")],
)  # fmt: skip
def test_milliseconds_become_seconds_where_they_are_many(value: float | None, says: str) -> None:
    assert milliseconds(value) == says


def test_who_reads_chinese_has_units_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert [duration(seconds) for seconds in (1, 200, 7500, 90_000)] == [
        "1.0 秒", "3 分钟 20 秒", "2 小时 5 分钟", "1 天 1 小时",
    ]  # fmt: skip
    assert [milliseconds(each) for each in (0.5, 120, 1500, None)] == ["0.5 毫秒", "120 毫秒", "1.5 秒", "-"]
