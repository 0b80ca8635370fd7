"""A peer: a plain file server on uvicorn and Starlette, with `GET`, and `PUT` without a hash.

Takes the folder as its argument and prints its address.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from bridge.server.serve import _loop_factory


def main(folder: Path) -> None:
    async def put(request: Request) -> Response:
        with (folder / "file").open("wb", buffering=0) as file:
            async for piece in request.stream():
                file.write(piece)
            os.fsync(file.fileno())
        return Response(status_code=201)

    async def get(request: Request) -> Response:
        return FileResponse(folder / "file")

    app = Starlette(routes=[Route("/file", put, methods=["PUT"]), Route("/file", get, methods=["GET"])])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
