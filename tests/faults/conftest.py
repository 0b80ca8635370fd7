"""Daemons to hurt."""

from __future__ import annotations

from tests.server.conftest import daemon, file, process, start

__all__ = ["daemon", "file", "process", "start"]
