"""What operators ask over HTTP: `/metrics` for Prometheus, `/status` for people and their scripts."""

from __future__ import annotations

import functools

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.core import auth
from bridge.core.messages import AuthProof
from bridge.server import sources
from bridge.server.memory import Held, look
from bridge.server.metrics import CONTENT_TYPE, Metrics
from bridge.server.observed import Observed
from bridge.server.status import status

UNAUTHORISED = b'{"message":"Send the token of connection.json as \'Authorization: Bearer TOKEN\'."}'
JSON = "application/json"


class Operator:
    """Both pages of one daemon."""

    def __init__(self, observed: Observed, metrics: Metrics, token: str, instance: str) -> None:
        self._observed = observed
        self._metrics = metrics
        self._token = token
        self._instance = instance
        self._held = Held()
        for source in (sources.counted, sources.open_now, sources.workers):
            metrics.add(functools.partial(source, observed))
        metrics.add(lambda: sources.processes(self._held))

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/metrics", self.metrics, methods=["GET"]),
            Route("/status", self.status, methods=["GET"]),
        ]

    async def metrics(self, request: Request) -> Response:
        """Without a token on this machine: no project, file or client is named in it."""
        local = request.client is not None and auth.is_loopback(request.client.host)
        if not local and not self._authorised(request):
            return _unauthorised()
        await self._look()
        return Response(await self._metrics.text(), media_type=CONTENT_TYPE)

    async def status(self, request: Request) -> Response:
        if not self._authorised(request):
            return _unauthorised()
        await self._look()
        host, port = request.scope["server"]
        address = f"ws://[{host}]:{port}/ws" if ":" in host else f"ws://{host}:{port}/ws"
        found = status(self._observed, self._held, self._instance, address, self._metrics.values())
        return Response(msgspec.json.encode(found), media_type=JSON)

    async def _look(self) -> None:
        self._held = await look(self._observed.pids)

    def _authorised(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and auth.token_matches(AuthProof(token=token), self._token, "")


def _unauthorised() -> Response:
    return Response(UNAUTHORISED, 401, {"www-authenticate": "Bearer"}, media_type=JSON)
