"""Which language whoever sits at this shell reads, as far as the system says."""

from __future__ import annotations

import locale
import os
import sys
from collections.abc import Mapping

from bridge.core.errors import RequestError, UserError
from bridge.core.texts import Phrases, Text, is_chinese

VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""The first that is set decides (POSIX.1-2017 §8.2)."""


def language(environment: Mapping[str, str] = os.environ) -> str:
    """A locale's name, such as `zh_CN.UTF-8`; `en` where nobody says."""
    return next((found for name in VARIABLES if (found := environment.get(name))), "") or _of_system()


def told(text: Text, /, **values: object) -> str:
    """`text`, filled in, in that language."""
    return text.read(language()).format(**values)


def translated(said: str, phrases: Phrases) -> str:
    """`said`, which is English, in that language."""
    return phrases.in_chinese(said) if reads_chinese() else said


def explained(error: UserError | RequestError) -> str:
    """What an error says for people, in that language where it is known."""
    # Only where something is wrong.
    from bridge.commands.texts.errors import PHRASES

    if not isinstance(error, RequestError):
        return translated(str(error), PHRASES)
    message, hint = translated(error.message, PHRASES), translated(error.hint, PHRASES)
    return (message + hint) if message.endswith("。") else f"{message} {hint}".strip()


def reads_chinese() -> bool:
    """Whether that language is Chinese."""
    return is_chinese(language())


def _of_system() -> str:
    if sys.platform != "win32":
        return "en"
    # A console on Windows has no such variables.
    import ctypes

    return locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "en")
