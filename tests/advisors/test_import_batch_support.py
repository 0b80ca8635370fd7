"""An adapter whose project support fails, or gives something else, costs its evidence alone."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.advisors.import_batch import texture_reader
from bridge.api import TextureAsset


@pytest.mark.parametrize(
    ("texture", "says"),
    [
        (lambda root, file: 5, "a.png: can't compare its import settings: textures returned 5 "),
        (lambda root, file: 1 // 0, "can't compare its import settings: ZeroDivisionError: "),
        (lambda root, file: sys.exit(3), "SystemExit: 3 (advisors/test_import_batch_support.py:"),
    ],
)  # fmt: skip
def test_what_was_asked_is_applied_although_settings_cannot_be_compared(
    texture: Any, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    support: Any = SimpleNamespace(texture=texture)
    assert texture_reader(support, Path())("a.png") == TextureAsset("a.png", "a.png")
    assert says in caplog.text
