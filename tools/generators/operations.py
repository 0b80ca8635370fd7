"""docs/operations.md: the daemon, its metrics and log, what it does when there is too much, its database."""

from __future__ import annotations

from pathlib import Path

from bridge.core import router
from bridge.core.errors import ERROR_CODES
from bridge.core.metrics import BOUNDS_S, METRICS, Metric
from tools.generators import _markdown

TARGET = Path("docs/operations.md")


def files() -> dict[Path, str]:
    values = {
        "notice": _markdown.NOTICE.format(
            source="bridge/core/metrics.py or tools/generators/templates/operations.md"
        ),
        "metrics": _markdown.table(("metric", "kind", "labels", "meaning"), map(_row, METRICS)),
        "buckets": ", ".join(f"{bound:g}" for bound in BOUNDS_S),
        "shares": _markdown.table(("priority", "of one session's", "of all sessions'"), _shares()),
        "retries": _markdown.table(("code", "`retry_after_ms`"), _retries()),
        "least": router.LEAST_MS,
        "most": router.MOST_MS // 1000,
    }
    return {TARGET: _markdown.fill("operations.md", values)}


def _row(metric: Metric) -> tuple[str, ...]:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
    return f"`{metric.name}`", metric.kind, labels, metric.help


def _shares() -> list[tuple[str, ...]]:
    sessions, total = router.SESSION_SHARES, router.TOTAL_SHARES
    classes = router.PRIORITIES
    return [
        (
            " and ".join(f"`{name}`" for name in classes[at:]),
            f"{sessions[priority]:.1%}".replace(".0", ""),
            f"{total[priority]:.1%}".replace(".0", ""),
        )
        for at, priority in enumerate(classes)
    ]


def _retries() -> list[tuple[str, ...]]:
    return [(f"`{code.name}`", str(code.retry_after_ms)) for code in ERROR_CODES if code.retry_after_ms]
