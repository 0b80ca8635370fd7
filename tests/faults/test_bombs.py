"""Compressed bombs aren't unpacked; the long form is tools/bench/bombs.py."""

from __future__ import annotations

from tools.bench.bombs import send_bombs

UNPACKED_MIB = 64


def test_what_is_packed_small_never_becomes_large_in_memory() -> None:
    found = send_bombs(UNPACKED_MIB)
    said = ("1002", "1002", "201", "1009", "1009")
    assert all(word in one.outcome for word, one in zip(said, found, strict=True)), found
    assert all(one.mib < UNPACKED_MIB / 2 for one in found), found
