"""A database as the daemon makes it, which needn't last."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlite_utils import Database

from bridge.store.database import connect, migrations


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    made = connect(tmp_path / "journal.db", migrations, durable=False)
    yield made
    made.conn.close()
