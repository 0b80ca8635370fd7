"""A web server on this machine that behaves as real ones do, badly too."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What is served, how, and what was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut: list[int] = field(default_factory=list)
    """After how many bytes each next answer breaks off."""
    silent: list[int] = field(default_factory=list)
    """After how many bytes each next answer that is no page falls silent, and leaves its connection open."""
    ranges: bool = True
    sized: bool = True
    """Whether answers say how long they are."""
    wrong_range: bool = False
    """Whether what is sent for a range isn't what was asked for."""
    headers: dict[str, str] = field(default_factory=dict)
    """Further ones, of each answer with a file."""
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range of each request."""
    url: str = ""


WAIT_S = 30.0
"""For how long a connection is waited for that doesn't come, as where a proxy stands between."""


@contextmanager
def accepting(handle: Callable[[socket.socket], object]):
    """A port on this machine, whose first connection `handle` gets."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(WAIT_S)

        def once() -> None:
            with suppress(OSError):
                connection, _ = listening.accept()
                connection.settimeout(WAIT_S)
                with connection:
                    handle(connection)

        thread = threading.Thread(target=once, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(WAIT_S)


@contextmanager
def serve(site: Site):
    """Serves while the block runs."""

    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            site.asked.append((self.path, wanted))
            if self.path in site.redirects:
                self.send_response(302)
                self.send_header("Location", site.redirects[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif self.path not in site.files:
                self.send_error(404)
            else:
                self.answer(site.files[self.path], wanted)

        def answer(self, data: bytes, wanted: str) -> None:
            begin = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and site.ranges else 0
            if begin and begin >= len(data):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header(
                    "Content-Range", f"bytes {begin + site.wrong_range}-{len(data) - 1}/{len(data)}"
                )
            for name, value in site.headers.items():
                self.send_header(name, value)
            page = self.path.endswith("/")
            if page:
                self.send_header("Content-Type", "text/html")
            length = {"Content-Length": str(len(data) - begin)} if site.sized else {"Connection": "close"}
            for name, value in length.items():
                self.send_header(name, value)
            self.end_headers()
            if site.silent and not page:
                # Who has waited long enough is gone.
                with suppress(ConnectionError):
                    self.wfile.write(data[begin : begin + site.silent.pop(0)])
                over.wait()
                self.close_connection = True
                return
            most = site.cut.pop(0) if site.cut else len(data)
            self.wfile.write(data[begin : begin + most])
            if begin + most < len(data):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
