"""What messages say in Chinese."""

from __future__ import annotations

import re

from accel.text import AnyText, TextError
from bridge.locale import translate


def is_chinese(sentence: str) -> bool:
    """Whether a sentence is Chinese, and English only in commands, options, paths and parentheses."""
    bare = re.sub(r"`[^`]*`|（[^（）]*）|'[^']*'|--[a-z-]+( [A-Z]+)?|\S*/\S*", "", sentence)
    return bool(re.search("[\u4e00-\u9fff]", sentence)) and not re.search(r"[a-z']{2,} [a-z]{2,}", bare)


def in_chinese(said: AnyText | TextError) -> str:
    """A text, or what an error says, as who reads Chinese sees it."""
    return translate(said.text if isinstance(said, TextError) else said, "zh_CN")
