"""Data of shaders and tools is left as it is."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.advisors.advice import summarize_texture
from tests.advisors.examinations import imagined
from tests.advisors.judging import AS_NORMAL, OPAQUE, imagine

HARMFUL: list[dict[str, Any]] = [
    {"compression": "lossy"}, {"compression": "lossless"}, {"mipmaps": True}, {"mipmaps": False},
    {"color_space": "srgb"}, {"max_size": 0}, {"kind": "ui", "mipmaps": True}, AS_NORMAL,
]  # fmt: skip
FACTS: list[dict[str, Any]] = [
    {}, {"grey": True}, {"alpha": OPAQUE, "channels": 4, "has_alpha": True}, {"width": 8192, "height": 8192},
    {"width": 100, "height": 60, "power_of_two": False}, {"grey": True, "channels": 1},
]  # fmt: skip


@pytest.mark.parametrize("present", HARMFUL)
@pytest.mark.parametrize("facts", FACTS)
@pytest.mark.parametrize("file", ["noise.png", "rock_normal_mask.png", "ui/gradient.png"])
def test_no_settings_of_other_data_are_found_fault_with(
    file: str, facts: dict[str, Any], present: dict[str, Any]
) -> None:
    assert not imagine(file, "other", facts, **present)


def test_other_data_is_never_advised_on() -> None:
    assert summarize_texture(imagined("noise.png", "other"), "noise.png") is None
