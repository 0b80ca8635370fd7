"""Why something can't be done, and what the daemon says of its database, in the reader's language."""

from __future__ import annotations

from bridge.commands.language import reads_chinese
from bridge.core import errors
from bridge.core.texts import Text

ZH = {
    "FULL": "磁盘已满",
    "READONLY": "没有权限写入数据库或其所在文件夹",
    "PERM": "没有权限写入数据库或其所在文件夹",
    "CANTOPEN": "无法打开数据库",
    "BUSY": "数据库被其他程序占用",
    "LOCKED": "数据库被其他程序占用",
    "CORRUPT": "数据库已损坏，请停止守护进程并运行 `popbridge db check`",
    "NOTADB": "数据库已损坏，请停止守护进程并运行 `popbridge db check`",
    "IOERR": "磁盘出错",
    "INTERRUPT": "数据库响应超时",
    "NOMEM": "内存不足",
    "TOOBIG": "数据超出了数据库的限制",
}
"""The reasons of bridge/store/failures.py, by the same names."""
KEEPS_NOTHING = Text(errors.STORE_UNAVAILABLE.says, "目前无法保存任何内容：{reason}。")


def why(reason: str) -> str:
    """Why a job can't be done, in Chinese for who reads that."""
    if not reads_chinese():
        return reason
    # Costly to import, as it is large.
    from bridge.commands.texts.reasons import PHRASES

    return PHRASES.in_chinese(reason)


def in_our_words(said: str) -> str:
    """`said` in Chinese for who reads that, where it is known; else as it is."""
    if not reads_chinese():
        return said
    # Costly to import, and needed where something is wrong alone.
    from bridge.server.welcome import NOT_KEPT

    for text in (KEEPS_NOTHING, Text(NOT_KEPT, "守护进程重启后不会保留任何内容：{reason}。")):
        head, _, end = text.en.partition("{reason}")
        if said.startswith(head) and said.endswith(end):
            reason = _reason(said[len(head) : len(said) - len(end)])
            return text.zh.format(reason=reason) if reason else said
    return said


def _reason(said: str) -> str:
    """Empty for one that isn't known."""
    from bridge.store.failures import REASONS

    for name, english in REASONS.items():
        rest = said.removeprefix(english)
        if said.startswith(english) and (not rest or (rest.startswith(" (") and rest.endswith(")"))):
            # SQLite's own words, which it has in no other language.
            return ZH[name] + (f"（{rest[2:-1]}）" if rest else "")
    return ""
