"""A sentence for people in English and in Chinese, and who reads which."""

from __future__ import annotations

from msgspec import Struct


class Text(Struct, frozen=True):
    """One sentence; both languages have the same placeholders."""

    en: str
    zh: str

    def read(self, locale: str) -> str:
        """In the language of `locale` (BCP 47): Chinese for zh, else English."""
        return self.zh if is_chinese(locale) else self.en


def is_chinese(locale: str) -> bool:
    """Whether whoever reads in `locale`, `zh-CN` or `zh_CN.UTF-8`, reads Chinese."""
    return locale.lower().startswith("zh")
