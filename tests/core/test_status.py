"""The record that `/status` answers."""

from __future__ import annotations

import msgspec
import pytest

from bridge.core.metrics import Status


def test_a_daemon_without_further_parts_has_no_further_figures() -> None:
    fields = {
        "version": "1", "instance": "i", "pid": 1, "address": "a", "uptime_s": 1, "devices": [], "open": {},
        "inflight": 1, "waiting": {}, "workers": [], "replaced": {}, "sessions": [], "attached": 0,
        "away": 0, "connections": 0,
        "workloads": [], "memory": 1, "lag_p95_ms": None,
    }  # fmt: skip
    assert msgspec.convert(fields, Status).figures == {}
    del fields["pid"]
    with pytest.raises(msgspec.ValidationError, match="pid"):
        msgspec.convert(fields, Status)
