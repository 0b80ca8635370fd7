"""What commands say to people, in English and Chinese side by side."""

_BRACKETS = r"\((?:[^()]|\([^()]*\))*\)"
SAID = rf"\((?P<said>(?:[^()]|{_BRACKETS})*)\)"
"""Brackets with what the system or a library says itself, and none of what follows them."""
SEVERAL = (rf"((?:[^();]|{_BRACKETS})+); (.+)", "{0}；{1}")
"""Sentences one after the other, not within brackets: to be looked for last, as one may have such marks."""
