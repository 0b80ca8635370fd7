"""Damaged frames cost their own connection and nothing else; the long form is tools/bench/frames.py."""

from __future__ import annotations

from pathlib import Path

from tools.bench.frames import decode, fuzz


def test_whatever_the_bytes_are_the_codec_refuses_or_takes_them() -> None:
    count, faults = decode(5000, seed=7)
    assert count == 5000
    assert not faults


def test_damaged_frames_leave_the_daemon_whole_and_no_session_behind(tmp_path: Path) -> None:
    report = fuzz(tmp_path / "home", 900, seed=7)
    assert not report.failures
    assert report.taken and report.below and len(report.codes) > 3
    assert report.sessions == 0
    before, after = report.files
    assert after <= before + 8
    warm, end = report.memory_mib
    assert end < warm + 32
