"""The codes of what can be found of a texture, by which rules, reports and baselines name it."""

from __future__ import annotations

from typing import Literal, get_args

Code = Literal[
    "alpha_constant", "color_as_linear", "color_as_normal", "data_as_srgb", "grey_as_rgb", "lossy_data",
    "lossy_hdr", "no_mipmaps", "normal_as_color", "normal_convention", "normal_directx", "not_power_of_two",
    "packed_order", "pixel_art_blocks", "too_large", "ui_mipmaps", "uncompressed",
]  # fmt: skip
CODES: tuple[str, ...] = get_args(Code)


def is_code(code: str) -> bool:
    """Whether a finding has this code, or a plugin's may have: that has a dot in it, as `acme.seams`."""
    return code in CODES or "." in code.strip(".")
