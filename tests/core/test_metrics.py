"""The declared metrics, by Prometheus's conventions."""

from __future__ import annotations

import re

import pytest

from bridge.core.metrics import BY_NAME, METRICS, Metric


def test_a_name_is_declared_once() -> None:
    assert len(BY_NAME) == len(METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_named_as_the_fields_tools_expect(metric: Metric) -> None:
    assert re.fullmatch(r"(popbridge|process)(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.kind != "histogram" or metric.name.endswith("_seconds")
    assert metric.help.endswith(".") and metric.help[0].isupper()
    assert not {"session", "project", "client", "request"} & set(metric.labels)
