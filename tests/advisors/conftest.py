"""What several tests of the advisor share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.advisors.findings import Finding
from tests.advisors.examinations import examined
from tests.advisors.judging import judged
from tests.advisors.pictures import Pixels


@pytest.fixture
def found(tmp_path: Path) -> Any:
    def look(file: str, pixels: Pixels, what: Any, **more: Any) -> dict[str, Finding]:
        return judged(examined(tmp_path, file, pixels, what), file, **more)

    return look
