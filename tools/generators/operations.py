"""docs/guides/operations.md and docs/reference/metrics.md: limits, retries and metrics as they are declared."""

from __future__ import annotations

from pathlib import Path

from bridge.core import admission, load
from bridge.core.errors import ERROR_CODES
from bridge.core.histogram import BOUNDS_S
from bridge.core.metrics import METRICS, Metric
from tools.generators import _markdown

GUIDE = Path("docs/guides/operations.md")
METRICS_PAGE = Path("docs/reference/metrics.md")
METRICS_TEXT = """\
{notice}

# Metrics

`GET /metrics` returns the daemon's metrics in Prometheus's text format. From this machine it needs no token, because no
metric names a project, file, client or parameter. `Host` must be loopback or listed in the setting `hosts`, so that no web
page can read it. Requests from elsewhere need the token.

```yaml
scrape_configs:
  - job_name: popbridge
    static_configs:
      - targets: ["127.0.0.1:7757"]
```

## Alerts

| condition | meaning |
| --- | --- |
| `popbridge_requests_total{{outcome="internal"}}` grows | A bug; the log has a traceback for each. |
| `popbridge_workers_replaced_total{{reason="crashed"}}` grows | Workers crash. |
| `popbridge_jobs_waiting{{priority="interactive"}}` stays above 0 | The machine is too slow for its load. |
| the 99th percentile of `popbridge_event_loop_lag_seconds` exceeds 0.05 | A plugin blocks the event loop; the log says where. |
| `popbridge_connections_closed_total{{code="auth_failed"}}` grows | A client uses a wrong token. |
| `popbridge_store_failing` is 1 | The database can't be written. |

## All metrics

{metrics}

Histograms have the bounds {buckets} s. The standard metrics `python_info` and `python_gc_*` are included too.
"""


def files() -> dict[Path, str]:
    shares = ("priority", "share of a session's limit", "share of the total limit")
    guide = {
        "notice": _markdown.NOTICE.format(source="tools/generators/templates/operations.md"),
        "shares": _markdown.table(shares, _shares()),
        "retries": _markdown.table(("code", "`retry_after_ms`"), _retries()),
        "least": load.LEAST_MS,
        "most": load.MOST_MS // 1000,
    }
    metrics = METRICS_TEXT.format(
        notice=_markdown.NOTICE.format(source="bridge/core/metrics.py"),
        metrics=_markdown.table(("metric", "kind", "labels", "meaning"), map(_row, METRICS)),
        buckets=", ".join(f"{bound:g}" for bound in BOUNDS_S),
    )
    return {GUIDE: _markdown.fill("operations.md", guide), METRICS_PAGE: metrics}


def _row(metric: Metric) -> tuple[str, ...]:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
    return f"`{metric.name}`", metric.kind, labels, metric.help


def _shares() -> list[tuple[str, ...]]:
    """A share holds for a priority and all that are less urgent together."""
    sessions, total = admission.SESSION_SHARES, admission.TOTAL_SHARES
    classes = admission.PRIORITIES
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
