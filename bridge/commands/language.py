"""Which language whoever sits at this shell reads, as far as the system says."""

from __future__ import annotations

import locale
import os
import sys
from collections.abc import Mapping

from accel.text import AnyText, sentences
from bridge import locale as catalogues
from bridge.core.errors import RequestError, UserError

VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""The first that is set decides (POSIX.1-2017 §8.2)."""


def language(environment: Mapping[str, str] = os.environ) -> str:
    """A locale's name, such as `zh_CN.UTF-8`; `en` where nobody says."""
    return next((found for name in VARIABLES if (found := environment.get(name))), "") or _of_system()


def say(text: AnyText) -> str:
    """`text` in that language."""
    return catalogues.translate(text, language())


def look_up(words: str) -> str:
    """What is declared as a plain constant, such as a workload's summary, in that language."""
    return catalogues.look_up(words, language())


def explained(error: UserError | RequestError) -> str:
    """What an error says for people, in that language where it is known."""
    hint = error.hint_text if isinstance(error, RequestError) else ""
    return say(sentences((error.text, hint)))


def reads_chinese() -> bool:
    """Whether that language is Chinese."""
    return catalogues.language_of(language()) == "zh_CN"


def _of_system() -> str:
    if sys.platform != "win32":
        return "en"
    # A console on Windows has no such variables.
    import ctypes

    return locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "en")
