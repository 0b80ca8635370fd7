"""Which rules hold for a file."""

from __future__ import annotations

import pytest

from bridge.advisors.advice import is_covered


@pytest.mark.parametrize(
    ("folder", "file", "holds"),
    [
        ("Assets/UI", "Assets/UI/a.png", True),
        ("Assets/UI", "Assets/UI/deep/a.png", True),
        ("Assets/UI", "Assets/UIs/a.png", False),
        ("assets/ui", "Assets/UI/a.png", True),
        ("Äpfel", "äpfel/a.png", True),
        ("", "a.png", True),
        ("", "Assets/a.png", False),
    ],
)
def test_a_rule_holds_below_its_folder_in_upper_and_lower_case_alike(
    folder: str, file: str, holds: bool
) -> None:
    assert is_covered({folder: ["no_mipmaps"]}, file, "no_mipmaps") is holds
    assert not is_covered({folder: ["no_mipmaps"]}, file, "too_large")
