"""Shows popups as a page in the browser, which this module serves on loopback.

The editor's Python has no widgets before 5.6, and no toasts. A page is opened with a token that works once
and for a minute; it gets a cookie for this run of the editor. Other programs and web pages learn nothing:
requests need the cookie, the right `Host`, and for changes the right `Origin`.
"""

import hmac
import http.server
import json
import os
import queue
import secrets
import socketserver
import threading
import time
from http.cookies import CookieError, SimpleCookie
from typing import Any, Dict, List, Optional, Set, Tuple
from urllib.parse import parse_qs, urlsplit

from popbridge_unreal.blobs import Blobs

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page")
FILES = {
    "page.css": "text/css; charset=utf-8", "tokens.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
}  # fmt: skip
COOKIE = "popbridge"
TOKEN_S = 60.0
POLL_S = 20.0
SEEN_S = 45.0
"""A page that has asked within this time is open."""
MAX_BODY = 4 << 20
MAX_THREADS = 16
MAX_ORDERS = 256
HEADERS = (
    ("Content-Security-Policy",
     "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
     "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)  # fmt: skip


class Page(object):
    """The page's server. `publish` and `take` are for the editor's main thread; the rest has threads."""

    def __init__(self, blobs):
        # type: (Blobs) -> None
        self._blobs = blobs
        self._changed = threading.Condition()
        self._state = b"{}"
        self._version = 0
        self._pictures = set()  # type: Set[str]
        self._orders = queue.Queue(MAX_ORDERS)  # type: queue.Queue[Dict[str, Any]]
        self._cookie = secrets.token_urlsafe(32)
        self._tokens = {}  # type: Dict[str, float]
        self._seen = 0.0
        self._places = threading.BoundedSemaphore(MAX_THREADS)
        self._is_closed = False
        self._server = None  # type: Optional[_Server]

    def url(self):
        # type: () -> str
        """Returns an address that opens the page once, and starts the server. Raises OSError."""
        if self._server is None:
            self._server = _Server(("127.0.0.1", 0), _Handler, self)
            thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="PopBridge page")
            thread.daemon = True
            thread.start()
        now = time.monotonic()
        token = secrets.token_urlsafe(32)
        with self._changed:
            self._tokens = {each: until for each, until in self._tokens.items() if until > now}
            self._tokens[token] = now + TOKEN_S
        return "http://%s/?token=%s" % (self._server.address, token)

    def is_open(self):
        # type: () -> bool
        """Whether a browser shows the page."""
        return self._server is not None and time.monotonic() < self._seen + SEEN_S

    def publish(self, state, pictures):
        # type: (Dict[str, Any], Set[str]) -> None
        """Shows a state; `pictures` are the blobs that the page may fetch."""
        content = json.dumps(state).encode("utf-8")
        with self._changed:
            self._pictures = pictures
            if content != self._state:
                self._state = content
                self._version += 1
                self._changed.notify_all()

    def take(self):
        # type: () -> List[Dict[str, Any]]
        """Returns what the person did on the page since the last call."""
        found = []
        while not self._orders.empty():
            found.append(self._orders.get_nowait())
        return found

    def close(self):
        # type: () -> None
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    # For the handlers' threads

    def redeem(self, token):
        # type: (str) -> Optional[str]
        """Returns the cookie for a token that hasn't been used yet, else None."""
        with self._changed:
            until = self._tokens.pop(token, 0.0)
        return self._cookie if time.monotonic() < until else None

    def is_known(self, cookie):
        # type: (str) -> bool
        return hmac.compare_digest(cookie.encode("utf-8", "replace"), self._cookie.encode("utf-8"))

    def wait(self, version):
        # type: (int) -> Tuple[int, bytes]
        """Returns the state's version and the state, once it isn't `version` any more or time has passed."""
        until = time.monotonic() + POLL_S
        with self._changed:
            self._seen = time.monotonic()
            while self._version == version and not self._is_closed and time.monotonic() < until:
                self._changed.wait(until - time.monotonic())
            self._seen = time.monotonic()
            return self._version, self._state

    def picture(self, digest):
        # type: (str) -> Optional[bytes]
        with self._changed:
            if digest not in self._pictures:
                return None
        return self._blobs.get(digest)

    def order(self, order):
        # type: (Dict[str, Any]) -> bool
        """Queues what the person did; False if too much waits already."""
        try:
            self._orders.put_nowait(order)
        except queue.Full:
            return False
        return True

    @property
    def places(self):
        # type: () -> threading.BoundedSemaphore
        """One for each connection that may be served."""
        return self._places


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    # Python 3.7 would wait for them at the end.
    block_on_close = False

    def __init__(self, address, handler, page):
        # type: (Tuple[str, int], Any, Page) -> None
        super().__init__(address, handler)
        self.page = page
        self.address = "127.0.0.1:%d" % self.server_address[1]

    def server_bind(self):
        # type: () -> None
        # Not HTTPServer's, which looks up the host's name.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def process_request(self, request, client_address):
        # type: (Any, Any) -> None
        if not self.page.places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        # type: (Any, Any) -> None
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.page.places.release()

    def handle_error(self, request, client_address):
        # type: (Any, Any) -> None
        # A browser that goes away is no error, and the log belongs to the editor's main thread.
        return


class _Handler(http.server.BaseHTTPRequestHandler):
    server_version = "PopBridge"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self):
        # type: () -> None
        page, url = self.server.page, urlsplit(self.path)  # type: ignore[attr-defined]
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if not self._is_here():
            return
        if url.path == "/" and "token" in query:
            cookie = page.redeem(query["token"])
            if cookie is None:
                self._refuse(403)
                return
            # Without the token, which is in the browser's history.
            fields = "%s=%s; Path=/; HttpOnly; SameSite=Strict" % (COOKIE, cookie)
            self._send(303, b"", "", (("Location", "/"), ("Set-Cookie", fields)))
            return
        if not self._is_allowed():
            return
        if url.path == "/":
            self._send_file("index.html", "text/html; charset=utf-8")
        elif url.path[1:] in FILES:
            self._send_file(url.path[1:], FILES[url.path[1:]])
        elif url.path == "/state":
            known = query.get("after", "")
            version, state = page.wait(int(known) if known.isdecimal() else -1)
            self._send(200, state, "application/json", (("X-Version", str(version)),))
        elif url.path.startswith("/picture/"):
            try:
                found = page.picture(url.path[len("/picture/") :])
            except Exception:
                found = None
            if found is None:
                self._refuse(404)
            else:
                self._send(200, found, "image/webp" if found[:4] == b"RIFF" else "image/png")
        else:
            self._refuse(404)

    def do_POST(self):
        # type: () -> None
        page = self.server.page  # type: ignore[attr-defined]
        length = self.headers.get("Content-Length", "")
        origin = "http://" + self.server.address  # type: ignore[attr-defined]
        if not self._is_here() or not self._is_allowed():
            return
        if self.headers.get("Origin") != origin or self.path != "/order":
            self._refuse(403)
            return
        if not length.isdecimal() or int(length) > MAX_BODY:
            self._refuse(413)
            return
        try:
            order = json.loads(self.rfile.read(int(length)).decode("utf-8"))
        except (ValueError, RecursionError):
            order = None
        if not isinstance(order, dict):
            self._refuse(400)
        elif not page.order(order):
            self._refuse(503)
        else:
            self._send(204, b"", "")

    def _is_here(self):
        # type: () -> bool
        """Whether the request names this server: a page elsewhere may have a name that leads here."""
        is_here = bool(self.headers.get("Host") == self.server.address)  # type: ignore[attr-defined]
        if not is_here:
            self._refuse(403)
        return is_here

    def _is_allowed(self):
        # type: () -> bool
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        site = self.headers.get("Sec-Fetch-Site", "same-origin")
        page = self.server.page  # type: ignore[attr-defined]
        if cookie is None or site not in ("same-origin", "none") or not page.is_known(cookie.value):
            self._refuse(403)
            return False
        return True

    def _send_file(self, name, kind):
        # type: (str, str) -> None
        with open(os.path.join(FOLDER, name), "rb") as file:
            self._send(200, file.read(), kind)

    def _refuse(self, status):
        # type: (int) -> None
        self.close_connection = True
        self._send(status, b"PopBridge: open the page from the editor's menu.", "text/plain; charset=utf-8")

    def _send(self, status, content, kind, more=()):
        # type: (int, bytes, str, Tuple[Tuple[str, str], ...]) -> None
        self.send_response(status)
        for name, value in HEADERS + more:
            self.send_header(name, value)
        if kind:
            self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if status != 204:
            self.wfile.write(content)

    def log_message(self, format, *args):
        # type: (str, *Any) -> None
        return
