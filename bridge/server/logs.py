"""Logging: levels, formats, and the session and request of each record."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import re
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from accel.text import text
from bridge.core.errors import UserError
from bridge.core.messages import Request
from bridge.core.settings import Settings
from bridge.host.host import Registry

if TYPE_CHECKING:
    from bridge.server.live_session import LiveSession


session: ContextVar[LiveSession] = ContextVar("session")
"""The current session."""
request: ContextVar[Request] = ContextVar("request")
"""The current request in its task."""

OWN_LOGGERS = ("bridge", "accel", "popbridge")
"""Loggers that use the level of the setting `log_level`; others only log warnings and errors."""
UVICORN_LEVELS = {logging.DEBUG: logging.INFO, logging.INFO: logging.WARNING}
"""uvicorn's level by ours: our own records report connections, and at `debug` it would log frames with
tokens."""
LEVELS = ("debug", "info", "warning", "error")


@contextlib.contextmanager
def configure_logging(settings: Settings, registry: Registry) -> Iterator[None]:
    """Configures logging by the settings `log_*` within the context, also for plugins.

    Raises UserError for an invalid level or a file that can't be written.
    """
    name = settings["log_level"].lower()
    if name not in LEVELS:
        raise UserError(
            text("`log_level` is {name}; it must be one of {levels}.", name=name, levels=[*LEVELS])
        )
    level = logging.getLevelNamesMapping()[name.upper()]
    handler = _handler(settings)
    handler.setFormatter(
        JsonFormatter()
        if settings["log_format"] == "json"
        else TextFormatter(timed=bool(settings["log_file"]))
    )
    levels = {"": max(level, logging.WARNING), "uvicorn": UVICORN_LEVELS.get(level, level)}
    levels |= dict.fromkeys((*OWN_LOGGERS, *_packages(registry)), level)
    before = {name: logging.getLogger(name).level for name in levels}
    logging.getLogger().addHandler(handler)
    _set(levels)
    try:
        yield
    finally:
        _set(before)
        logging.getLogger().removeHandler(handler)
        handler.close()


def _set(levels: Mapping[str, int]) -> None:
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def _handler(settings: Settings) -> logging.Handler:
    if not settings["log_file"]:
        return logging.StreamHandler(sys.stderr)
    path = Path(settings["log_file"]).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Paths may contain invalid Unicode.
        return logging.handlers.RotatingFileHandler(
            path,
            maxBytes=settings["log_file_mib"] << 20,
            backupCount=settings["log_file_count"],
            encoding="utf-8",
            errors="backslashreplace",
        )
    except OSError as error:
        raise UserError(
            text("`log_file`: can't write {path} ({strerror}).", path=path, strerror=error.strerror)
        ) from None


def _packages(registry: Registry) -> Iterator[str]:
    """Yields the top-level packages of plugins."""
    for result in (*registry.adapters, *registry.advisors):
        yield type(result).__module__.partition(".")[0]
    for workload in registry.workloads.values():
        yield workload.target.partition(":")[0].partition(".")[0]


def log_context() -> dict[str, Any]:
    """Returns the current session, request and workload, if any."""
    found: dict[str, Any] = {}
    asked = request.get(None)
    if (live := session.get(None)) is not None:
        found["session"] = live.id
        asked = asked or live.inline
    if asked is not None:
        found |= {"request": asked.id, "workload": asked.workload}
    return found


_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters, line separators, and marks that reorder what a terminal shows (Bidi_Control)."""
_INDENT = "    "


def escaped(line: str) -> str:
    """Returns text for one line of a log: nothing in it ends the line or steers a terminal."""
    return _CONTROLS.sub(lambda found: _escape(found[0]), line)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def escaped_lines(lines: str) -> str:
    """Returns a traceback or a stack, indented so that none of its lines looks like a record."""
    return "\n".join(_INDENT + escaped(line) for line in lines.replace("\t", _INDENT).split("\n"))


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object: ts (ISO 8601, UTC), level, logger, message and context."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **log_context(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            encoded = msgspec.json.encode(line).decode()
        except UnicodeEncodeError:
            encoded = msgspec.json.encode({name: _text(value) for name, value in line.items()}).decode()
        # JSON (RFC 8259 §7) leaves all but C0 as they are, and some programs end a line at U+0085 or U+2028.
        return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", encoded)


class TextFormatter(logging.Formatter):
    """Formats a record for people: level, logger, message, and the context in brackets."""

    def __init__(self, *, timed: bool) -> None:
        """`timed` adds the local time."""
        super().__init__(("%(asctime)s " if timed else "") + "%(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        # Another handler may have left its own text of the exception in the record.
        other, record.exc_text = record.exc_text, None
        try:
            return super().format(record)
        finally:
            record.exc_text = other

    def formatMessage(self, record: logging.LogRecord) -> str:
        about = " ".join(f"{name} {value}" for name, value in log_context().items())
        line = super().formatMessage(record)
        # Only our own templates have several lines, for a stack at their end.
        line, _, stack = line.partition("\n") if "\n" in str(record.msg) else (line, "", "")
        shown = escaped(f"{line} [{about}]" if about else line)
        return f"{shown}\n{escaped_lines(stack)}" if stack else shown

    def formatException(self, ei: Any) -> str:
        return escaped_lines(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        return escaped_lines(stack_info)


def _text(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
