"""The codes of what can be found of a texture, by which rules, reports and baselines name it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

from accel.text import AnyText, text

Code = Literal[
    "alpha_constant", "color_as_linear", "color_as_normal", "data_as_srgb", "grey_as_rgb", "lossy_data",
    "lossy_hdr", "no_mipmaps", "normal_as_color", "normal_convention", "normal_directx", "not_power_of_two",
    "packed_order", "pixel_art_blocks", "too_large", "ui_mipmaps", "uncompressed",
]  # fmt: skip
CODES: tuple[str, ...] = get_args(Code)

UNSETTLED = frozenset({
    "duplicate", "grey_as_rgb", "normal_directx", "not_applied", "not_power_of_two", "packed_order",
    "unjudged", "unknown_settings", "unlisted", "unreadable", "unremarked", "unsupported",
})  # fmt: skip
"""Codes, of findings and of reports, that no engine's import settings settle."""
RULE_CODES = tuple(code for code in CODES if code not in UNSETTLED)
"""Those that a rule may name, besides plugins' own."""


def mistake(code: str, unsettled: Collection[str] = ()) -> AnyText:
    """Why no rule can name this code; empty where one can. A plugin's own has a dot in it: `acme.seams`.

    `unsettled` are plugins' codes that no import settings settle, as far as they are known.
    """
    if code in UNSETTLED or code in unsettled:
        return text(
            "`advice` has `{code}`, but no import settings settle that, so that no rule can", code=code
        )
    if code in RULE_CODES or "." in code.strip("."):
        return ""
    # Imported here, as few files have a mistake.
    import difflib

    if near := difflib.get_close_matches(code.lower(), RULE_CODES, 1):
        return text(
            "`advice` has `{code}`, but no finding has that code (did you mean `{near}`?)",
            code=code,
            near=near[0],
        )
    codes = [f"`{one}`" for one in RULE_CODES]
    return text(
        "`advice` has `{code}`, but no finding has that code; there are {codes}", code=code, codes=codes
    )
