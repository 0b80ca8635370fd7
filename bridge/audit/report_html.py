"""The report as one HTML page: nothing is loaded from elsewhere, and no name can become markup."""

from __future__ import annotations

import base64
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.audit.alike import WORDS
from bridge.audit.plain import change_text, plain
from bridge.audit.results import Report
from bridge.audit.summary import notices, summary
from bridge.audit.texts import bytes_text, explain_issue, kind_name, kind_of, reasons, say, sentence
from bridge.core.texts import is_chinese

if TYPE_CHECKING:
    from jinja2 import Template

COLUMNS = ("picture", "severity", "file", "kind", "size", "bytes", "memory", "finding", "setting")
LARGEST_FIRST = {"severity", "size", "bytes", "memory", "setting"}
"""What the first click sorts so."""


def pages(report: Report, locale: str) -> Iterator[str]:
    """The page in pieces, as thousands of pictures are long."""
    pictured = sum(bool(row.picture) for row in report.listed)
    return _template().generate(
        report=report,
        title=say("title", locale, name=plain(report.name)),
        language="zh-CN" if is_chinese(locale) else "en",
        opening=_opening(report, locale),
        columns=COLUMNS,
        largest_first=LARGEST_FIRST,
        pictured=pictured,
        some_pictures=0 < pictured < sum(bool(row.width) for row in report.listed),
        unused=_unused(report),
        words=WORDS,
        say=functools.partial(say, locale=locale),
        sentence=functools.partial(sentence, locale=locale),
        explain=functools.partial(explain_issue, locale=locale),
        kind_of=functools.partial(kind_of, locale=locale),
        reasons=functools.partial(reasons, locale=locale),
        bytes_text=bytes_text,
        change_text=change_text,
        plain=plain,
        base64=lambda data: base64.b64encode(data).decode(),
    )


@functools.cache
def _template() -> Template:
    # Most audits write no page.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.jinja")


def _opening(report: Report, locale: str) -> list[str]:
    engine = report.engine or say("no_engine", locale)
    kinds = ", ".join(f"{kind_name(kind, locale)} {count}" for kind, count in sorted(report.kinds.items()))
    told = map(plain, notices(report, locale))
    return [line for line in (engine, *told, *summary(report, locale), kinds) if line]


def _unused(report: Report) -> str:
    """Classes that hide the columns of which no row says anything."""
    memory, setting = any(row.memory for row in report.listed), any(row.options for row in report.listed)
    return " ".join(name for name, used in (("no-memory", memory), ("no-setting", setting)) if not used)
