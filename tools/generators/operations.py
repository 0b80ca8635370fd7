"""docs/guides/operations.md and docs/reference/metrics.md, with limits, retries and metrics as declared."""

from __future__ import annotations

from pathlib import Path

from bridge.core import router
from bridge.core.errors import ERROR_CODES
from bridge.core.metrics import BOUNDS_S, METRICS, Metric
from tools.generators import _markdown

GUIDE = Path("docs/guides/operations.md")
METRICS_PAGE = Path("docs/reference/metrics.md")


def files() -> dict[Path, str]:
    shares = ("priority", "share of a session's limit", "share of the total limit")
    guide = {
        "notice": _markdown.NOTICE.format(source="tools/generators/templates/operations.md"),
        "shares": _markdown.table(shares, _shares()),
        "retries": _markdown.table(("code", "`retry_after_ms`"), _retries()),
        "least": router.MIN_RETRY_MS,
        "most": router.MAX_RETRY_MS // 1000,
    }
    metrics = {
        "notice": _markdown.NOTICE.format(source="bridge/core/metrics.py"),
        "metrics": _markdown.table(("metric", "kind", "labels", "meaning"), map(_row, METRICS)),
        "buckets": ", ".join(f"{bound:g}" for bound in BOUNDS_S),
    }
    return {
        GUIDE: _markdown.fill("operations.md", guide),
        METRICS_PAGE: _markdown.fill("metrics.md", metrics),
    }


def _row(metric: Metric) -> tuple[str, ...]:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
    return f"`{metric.name}`", metric.kind, labels, metric.help


def _shares() -> list[tuple[str, ...]]:
    """A share holds for a priority and all that are less urgent together."""
    sessions, total = router.SESSION_SHARES, router.TOTAL_SHARES
    classes = router.PRIORITIES
    return [
        (
            " and ".join(f"`{name}`" for name in classes[at:]) + (" together" if classes[at + 1 :] else ""),
            f"{sessions[priority]:.1%}".replace(".0", ""),
            f"{total[priority]:.1%}".replace(".0", ""),
        )
        for at, priority in enumerate(classes)
    ]


def _retries() -> list[tuple[str, ...]]:
    """Of the codes that name a fixed time; that of `overloaded` is computed."""
    fixed = (code for code in ERROR_CODES if code.retry_after_ms and code.name != "overloaded")
    return [(f"`{code.name}`", str(code.retry_after_ms)) for code in fixed]
