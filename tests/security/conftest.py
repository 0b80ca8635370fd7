"""Daemons to attack."""

from tests.server.conftest import process, start

__all__ = ["process", "start"]  # fixtures
