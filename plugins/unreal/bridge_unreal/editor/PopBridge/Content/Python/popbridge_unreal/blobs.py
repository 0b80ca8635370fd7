"""Sends pixels to the daemon and fetches pictures from it, over HTTP."""

import hashlib
import hmac
import http.client
import queue
import threading
from typing import Any, Callable, Optional, Tuple
from urllib.parse import urlsplit

TIMEOUT_S = 20.0
MAX_BYTES = 96 << 20
"""Of an upload; a texture of 8192 pixels squared takes less as PNG."""
MAX_PICTURE = 16 << 20
QUEUED = 64


class Blobs(object):
    """The daemon's blobs. `get` and `put` wait, so they run on other threads; `upload` doesn't."""

    def __init__(self):
        # type: () -> None
        self._address = None  # type: Optional[Tuple[str, str, str]]
        self._jobs = queue.Queue(QUEUED)  # type: queue.Queue[Any]
        self._done = queue.Queue()  # type: queue.Queue[Any]
        self._thread = None  # type: Optional[threading.Thread]

    def use(self, url, token, fingerprint):
        # type: (str, str, str) -> None
        """Names the daemon's HTTP address, the session's token for it, and the only accepted certificate."""
        self._address = (url, token, fingerprint)

    def upload(self, content, done):
        # type: (bytes, Callable[[str], None]) -> None
        """Uploads on a thread; `tick` calls `done` with the SHA-256, or with an empty text if it failed."""
        self._start(self.put, content, done)

    def download(self, digest, done):
        # type: (str, Callable[[Any], None]) -> None
        """Downloads on a thread; `tick` calls `done` with the bytes, or with an empty text if it failed."""
        self._start(self.get, digest, done)

    def _start(self, function, argument, done):
        # type: (Callable[[Any], Any], Any, Callable[[Any], None]) -> None
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="PopBridge blobs")
            self._thread.daemon = True
            self._thread.start()
        try:
            self._jobs.put_nowait((function, argument, done))
        except queue.Full:
            self._done.put((None, done))

    def tick(self):
        # type: () -> None
        """Calls the callbacks of uploads and downloads that have ended."""
        while not self._done.empty():
            found, done = self._done.get_nowait()
            done(found or "")

    def close(self):
        # type: () -> None
        if self._thread is not None:
            while not self._jobs.empty():
                self._jobs.get_nowait()
            self._jobs.put(None)
            self._thread.join(0.3)
            self._thread = None

    def put(self, content):
        # type: (bytes) -> str
        """Stores a blob and returns its SHA-256. Raises OSError."""
        if len(content) > MAX_BYTES:
            raise OSError("too large")
        digest = hashlib.sha256(content).hexdigest()
        self._request("PUT", digest, content)
        return digest

    def get(self, digest):
        # type: (str) -> bytes
        """Returns a blob. Raises OSError."""
        return self._request("GET", digest, None)

    def _run(self):
        # type: () -> None
        while True:
            job = self._jobs.get()
            if job is None:
                return
            function, argument, done = job
            try:
                found = function(argument)
            except (OSError, http.client.HTTPException, ValueError):
                found = None
            self._done.put((found, done))

    def _request(self, method, digest, content):
        # type: (str, str, Optional[bytes]) -> bytes
        if self._address is None:
            raise OSError("there is no daemon")
        url, token, fingerprint = self._address
        address = urlsplit(url)
        connection = _connect(address, fingerprint)
        try:
            connection.request(
                method,
                "/blobs/" + digest,
                content,
                {"Authorization": "Bearer " + token, "Host": address.netloc},
            )
            answer = connection.getresponse()
            body = answer.read(MAX_PICTURE + 1)
        finally:
            connection.close()
        if answer.status not in (200, 201):
            raise OSError("the daemon answers %d" % answer.status)
        if method == "GET" and hashlib.sha256(body).hexdigest() != digest:
            raise OSError("another blob")
        return body


def _connect(address, fingerprint):
    # type: (Any, str) -> http.client.HTTPConnection
    """Returns a connection; one by TLS accepts the certificate with the fingerprint, and no other."""
    host, port = address.hostname or "", address.port
    if address.scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    # Some editors lack it.
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    connection.connect()
    found = hashlib.sha256(connection.sock.getpeercert(True) or b"").hexdigest()
    if not fingerprint or not hmac.compare_digest(found, fingerprint.lower()):
        connection.close()
        raise OSError("another certificate")
    return connection
