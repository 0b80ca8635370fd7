"""The report as an HTML page."""

from __future__ import annotations

import asyncio
import base64
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accel.workload import WorkloadError
from bridge.advisors.texts import bytes_text
from bridge.audit.examine import Cache, Stat, Workers, question_of
from bridge.audit.results import Report, Row
from bridge.audit.texts import (
    MATCHES,
    explain_issue,
    kind_name,
    kind_of,
    notices,
    reasons,
    say,
    sentence,
    summary,
)
from bridge.core.text import change_text, printable
from bridge.locale import language_of, translate

if TYPE_CHECKING:
    from jinja2 import Template


COLUMNS = ("picture", "severity", "file", "kind", "size", "bytes", "memory", "finding", "setting")
LARGEST_FIRST = {"severity", "size", "bytes", "memory", "setting"}
"""Columns that the first click sorts in descending order."""


def pages(report: Report, locale: str) -> Iterator[str]:
    """Yields the page in pieces, as thousands of pictures are long."""
    pictured = sum(bool(row.picture) for row in report.listed)
    return _template().generate(
        report=report,
        title=say("title", locale, name=printable(report.name)),
        language="zh-CN" if language_of(locale) else "en",
        opening=_opening(report, locale),
        columns=COLUMNS,
        largest_first=LARGEST_FIRST,
        pictured=pictured,
        some_pictures=0 < pictured < sum(bool(row.width) for row in report.listed),
        unused=_unused(report),
        match=lambda group: translate(MATCHES[group.how], locale),
        say=functools.partial(say, locale=locale),
        sentence=functools.partial(sentence, locale=locale),
        explain=functools.partial(explain_issue, locale=locale),
        kind_of=functools.partial(kind_of, locale=locale),
        reasons=functools.partial(reasons, locale=locale),
        bytes_text=bytes_text,
        change_text=change_text,
        plain=printable,
        base64=lambda data: base64.b64encode(data).decode(),
    )


@functools.cache
def _template() -> Template:
    # Slow to import, and most audits write no page.
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
    lines = map(printable, notices(report, locale))
    return [line for line in (engine, *lines, *summary(report, locale), kinds) if line]


def _unused(report: Report) -> str:
    """Returns CSS classes that hide columns without values."""
    memory, setting = any(row.memory for row in report.listed), any(row.options for row in report.listed)
    return " ".join(name for name, used in (("no-memory", memory), ("no-setting", setting)) if not used)


MAX_PICTURES = 2000
"""With about 2 KB each, a browser still opens the page."""
PARAMS = {"size": 96, "format": "webp"}
PREFIX = "\0picture\0"
"""No file name starts with this: the cache has pictures beside examinations."""


async def embed_pictures(
    root: Path, rows: Sequence[Row], workload: Any, workers: Workers, cache: Cache
) -> None:
    """Adds pictures to the first `rows` that have none; files that fail stay without."""
    question = question_of(workload.name, workload.version, PARAMS)
    without = [row for row in rows[:MAX_PICTURES] if row.width and not row.picture]
    waiting = [row for row in without if not _known(root, row, question, cache)]
    places = asyncio.Semaphore(2 * workers.count)

    async def one(row: Row) -> None:
        async with places:
            try:
                stat = Stat.of(root / row.file)
                result = await workers.run(workload, PARAMS, row.file, root / row.file)
            except (OSError, WorkloadError):
                return
            row.picture = result.files[0].data or b""
            cache.put(PREFIX + row.file, stat, question, row.content, row.picture)

    await asyncio.gather(*(one(row) for row in waiting))


def _known(root: Path, row: Row, question: bytes, cache: Cache) -> bool:
    try:
        found = cache.get(root / row.file, PREFIX + row.file, Stat.of(root / row.file), question)
    except OSError:
        return True
    row.picture = found or b""
    return bool(found)
