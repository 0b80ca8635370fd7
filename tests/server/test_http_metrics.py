"""Who may read `/metrics`."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from tests.server.daemons import ThreadDaemon


@pytest.mark.parametrize(
    ("client", "token", "status"),
    [
        (("192.0.2.7", 5), None, 401),
        (("192.0.2.7", 5), "wrong", 401),
        (("192.0.2.7", 5), "", 200),
        (("127.0.0.1", 5), None, 401),
        (("127.0.0.1", 5), "", 200),
        (None, None, 401),
    ],
)
def test_metrics_need_a_token(daemon: ThreadDaemon, client: Any, token: str | None, status: int) -> None:
    headers = []
    if token is not None:
        headers = [(b"authorization", f"Bearer {token or daemon.file.token}".encode())]
    request = Request(
        {"type": "http", "method": "GET", "path": "/metrics", "headers": headers, "client": client}
    )
    endpoint = next(route.endpoint for route in daemon.bridge.app.routes if route.path == "/metrics")  # type: ignore[attr-defined]
    assert daemon.call(endpoint(request)).status_code == status
