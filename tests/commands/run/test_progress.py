"""The bar on stderr: what it counts, and where there is none."""

from __future__ import annotations

import io
import sys

import pytest
from rich.progress import Progress, TextColumn

from bridge.commands.run.report import ProgressBar, progress_bar


@pytest.mark.parametrize("total", [1, 4])
def test_it_counts_what_is_done_and_how_far_the_rest_is_and_never_goes_back(total: int) -> None:
    progress = Progress(TextColumn(""), disable=True)
    shown = ProgressBar(progress, "x", total)
    seen = []

    def look() -> None:
        seen.append(progress.tasks[0].completed)

    with shown.job() as first, shown.job() as second:
        first(0.5, "a")
        look()
        second(0.25, "b")
        look()
        first(0.0, "begun anew")
        look()
    shown.advance()
    look()
    assert seen == [min(value, total) for value in (0.5, 0.75, 0.75, 1)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("total", "reports", "as_json", "seen"),
    [
        (1, False, False, False),
        (1, True, False, True),
        (1, True, True, False),
        (3, False, False, True),
        (3, True, True, False),
    ],
)
def test_a_single_job_has_a_bar_where_it_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, total: int, reports: bool, as_json: bool, seen: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", err := Terminal())
    monkeypatch.setattr(sys, "stdout", Terminal())
    with progress_bar("image.upscale", total, as_json) as shown, shown.job() as tell:
        if reports:
            tell(0.5, "[stage]")
    assert ("image.upscale" in err.getvalue()) == seen
    assert ("50%" in err.getvalue() and "[stage]" in err.getvalue()) == (seen and total == 1)


def test_nothing_is_written_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", err := io.StringIO())
    for total in (1, 3):
        with progress_bar("x", total, False) as shown, shown.job() as tell:
            tell(0.5, "")
            shown.advance()
    assert err.getvalue() == ""
