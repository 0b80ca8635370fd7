"""A WebSocket client (RFC 6455) of binary messages, on a thread of its own."""

import base64
import collections
import contextlib
import hashlib
import hmac
import os
import selectors
import socket
import struct
import threading
import time
from typing import Any, Deque, Dict, Optional, Tuple
from urllib.parse import urlsplit

CONNECTING, OPEN, CLOSED = "connecting", "open", "closed"
HANDSHAKE_S = 10.0
"""From the first attempt to connect until the upgrade is answered."""
CLOSE_S = 0.1
"""How long a farewell may take: a peer that doesn't read must not hold up the editor."""
MAX_HEAD = 8192
MAX_QUEUED = 8 << 20
SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, BINARY, CLOSE, PING, PONG = 0, 2, 8, 9, 10


class Refused(OSError):
    """Another program answers, or the daemon refuses the connection."""


class WebSocket(object):
    """One connection. The caller's thread never waits; `receive` and `send` only use queues."""

    def __init__(self, url, subprotocol, fingerprint, max_message):
        # type: (str, str, str, int) -> None
        """Starts to connect to `url` (`ws` or `wss`).

        `fingerprint` is the SHA-256 of the only accepted certificate, in hex; `max_message` is in bytes.
        """
        self.state = CONNECTING
        self.close_code = 0
        self.close_reason = ""
        self.problem = ""
        self.silence_s = HANDSHAKE_S
        self._url = urlsplit(url)
        self._target = self._url.path + ("?" + self._url.query if self._url.query else "")
        self._subprotocol = subprotocol
        self._fingerprint = fingerprint
        self._max_message = max_message
        self._received = collections.deque()  # type: Deque[bytes]
        self._outgoing = collections.deque()  # type: Deque[bytes]
        self._queued = 0
        self._lock = threading.Lock()
        self._close_by = None  # type: Optional[float]
        self._socket = None  # type: Any
        self._data = bytearray()
        self._message = None  # type: Optional[bytearray]
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        # Not `select`, which takes no descriptors above 1023.
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run, name="PopBridge")
        self._thread.daemon = True
        self._thread.start()

    def receive(self):
        # type: () -> Optional[bytes]
        """Returns the next message, or None."""
        return self._received.popleft() if self._received else None

    def send(self, message):
        # type: (bytes) -> bool
        """Queues a message; False if the connection isn't open or the peer doesn't read."""
        return self.state == OPEN and self._close_by is None and self._enqueue(_frame(BINARY, message))

    def close(self, code, reason):
        # type: (int, str) -> None
        """Says farewell and closes within 100 ms, on the thread."""
        self._enqueue(_frame(CLOSE, struct.pack(">H", code) + reason.encode("utf-8")[:120]))
        self._close_by = time.monotonic() + CLOSE_S
        self._wake()

    def abort(self):
        # type: () -> None
        """Closes without a word: nothing is sent to a stranger."""
        self._close_by = time.monotonic()
        self._wake()

    def join(self, timeout_s):
        # type: (float) -> None
        """Waits for the end of the thread after `close`."""
        self._thread.join(timeout_s)

    def _enqueue(self, frame):
        # type: (bytes) -> bool
        with self._lock:
            if self.state == CLOSED or self._queued + len(frame) > MAX_QUEUED:
                return False
            self._queued += len(frame)
            self._outgoing.append(frame)
        self._wake()
        return True

    def _wake(self):
        # type: () -> None
        # Full, so that it wakes anyway; or closed.
        with contextlib.suppress(OSError):
            self._wake_writer.send(b"\0")

    def _run(self):
        # type: () -> None
        try:
            self._connect()
            self._selector.register(self._wake_reader, selectors.EVENT_READ)
            self._selector.register(self._socket, selectors.EVENT_READ)
            self.state = OPEN
            self._last = time.monotonic()
            while self._turn():
                pass
        except Refused as error:
            self.problem = str(error)
        # What is lost is looked for again.
        except (OSError, ValueError, struct.error):
            pass
        finally:
            with self._lock:
                self.state = CLOSED
            for each in (self._selector, self._socket, self._wake_reader, self._wake_writer):
                if each is not None:
                    each.close()

    # The handshake

    def _connect(self):
        # type: () -> None
        until = time.monotonic() + HANDSHAKE_S
        host, port = self._url.hostname or "", self._url.port or (443 if self._url.scheme == "wss" else 80)
        self._socket = socket.create_connection((host, port), HANDSHAKE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._url.scheme == "wss":
            self._encrypt(host)
        key = base64.b64encode(os.urandom(16))
        self._socket.sendall(
            (
                "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: %s\r\n\r\n"
                % (self._target, self._url.netloc, key.decode("ascii"), self._subprotocol)
            ).encode("ascii")
        )
        status, fields = self._head(until)
        if not status.startswith("HTTP/1.1 101"):
            raise Refused("The program at PopBridge's address answers: %s" % status[:80])
        # RFC 6455 wants SHA-1 here; nothing secret depends on it.
        digest = hashlib.sha1(key + SALT).digest()  # nosec B324
        accept = base64.b64encode(digest).decode("ascii")
        if (
            fields.get("sec-websocket-accept") != accept
            or fields.get("sec-websocket-protocol") != self._subprotocol
            or fields.get("upgrade", "").lower() != "websocket"
        ):
            raise Refused("Another program answers at PopBridge's address. Restart PopBridge.")
        self._socket.setblocking(False)

    def _encrypt(self, host):
        # type: (str) -> None
        """Accepts the certificate with the fingerprint, and no other."""
        try:
            import ssl
        except ImportError:
            raise Refused("This editor's Python has no TLS. Run `popbridge config set tls off`.")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._socket = context.wrap_socket(self._socket, server_hostname=host)
        found = hashlib.sha256(self._socket.getpeercert(True) or b"").hexdigest()
        if not self._fingerprint or not hmac.compare_digest(found, self._fingerprint.lower()):
            raise Refused("Another program answers at PopBridge's address. Restart PopBridge.")

    def _head(self, until):
        # type: (float) -> Tuple[str, Dict[str, str]]
        """Reads the answer's head; what follows it belongs to the first frame."""
        while b"\r\n\r\n" not in self._data:
            left = until - time.monotonic()
            if left <= 0 or len(self._data) > MAX_HEAD or self._close_by is not None:
                raise OSError("no answer")
            # A close of the caller is noticed within half a second.
            self._socket.settimeout(min(left, 0.5))
            try:
                part = self._socket.recv(4096)
            except socket.timeout:
                continue
            if not part:
                raise OSError("the connection is lost")
            self._data += part
        head, _, rest = bytes(self._data).partition(b"\r\n\r\n")
        self._data = bytearray(rest)
        lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines[1:])
        return lines[0], {name.strip().lower(): value.strip() for name, _, value in pairs}

    # Frames

    def _turn(self):
        # type: () -> bool
        """Reads and writes what can be, and waits for more; False at the end."""
        while self._read_frame():
            if self._close_by == 0.0:
                return False
        now = time.monotonic()
        if self._close_by is not None and (now >= self._close_by or not self._outgoing):
            return False
        if now > self._last + self.silence_s:
            raise OSError("the daemon is silent")
        wait = min(self._last + self.silence_s - now, 1.0)
        if self._close_by is not None:
            wait = min(wait, max(0.0, self._close_by - now))
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        self._selector.modify(self._socket, both if self._outgoing else selectors.EVENT_READ)
        for key, events in self._selector.select(wait):
            if key.fileobj is self._wake_reader:
                self._wake_reader.recv(4096)
                continue
            if events & selectors.EVENT_WRITE:
                self._write()
            if events & selectors.EVENT_READ:
                self._read()
        return True

    def _read(self):
        # type: () -> None
        """Reads until nothing is left, also of what TLS has decrypted already, or a message is complete."""
        while len(self._data) <= self._max_message + 14:
            try:
                part = self._socket.recv(65536)
            except OSError as error:
                if _would_block(error):
                    return
                raise
            if not part:
                raise OSError("the connection is lost")
            self._last = time.monotonic()
            self._data += part
            while self._read_frame():
                if self._close_by == 0.0:
                    return

    def _write(self):
        # type: () -> None
        while self._outgoing:
            frame = self._outgoing[0]
            try:
                sent = self._socket.send(frame)
            except OSError as error:
                if _would_block(error):
                    return
                raise
            with self._lock:
                self._queued -= sent
                if sent == len(frame):
                    self._outgoing.popleft()
                else:
                    self._outgoing[0] = frame[sent:]

    def _read_frame(self):
        # type: () -> bool
        """Takes a frame from the data; False if none is complete. Raises ValueError for an invalid one."""
        data = self._data
        if len(data) < 2:
            return False
        opcode, length, at = data[0] & 0x0F, data[1] & 0x7F, 2
        # Reserved bits belong to extensions, and servers don't mask.
        if data[0] & 0x70 or data[1] & 0x80:
            raise ValueError("an invalid frame")
        if length >= 126:
            form = ">H" if length == 126 else ">Q"
            at += struct.calcsize(form)
            if len(data) < at:
                return False
            length = struct.unpack_from(form, data, 2)[0]
        if length + len(self._message or b"") > self._max_message:
            raise ValueError("a message that is too large")
        if len(data) < at + length:
            return False
        payload, is_last = bytes(data[at : at + length]), bool(data[0] & 0x80)
        del data[: at + length]
        if opcode >= CLOSE:
            self._control(opcode, payload, is_last)
            return True
        if opcode not in (CONTINUATION, BINARY) or (opcode == CONTINUATION) != (self._message is not None):
            raise ValueError("an unexpected frame")
        self._message = (self._message or bytearray()) + payload
        if is_last:
            self._received.append(bytes(self._message))
            self._message = None
        return True

    def _control(self, opcode, payload, is_last):
        # type: (int, bytes, bool) -> None
        if len(payload) > 125 or not is_last:
            raise ValueError("an invalid control frame")
        if opcode == PING:
            self._enqueue(_frame(PONG, payload))
        elif opcode == CLOSE:
            if len(payload) >= 2:
                self.close_code = struct.unpack(">H", payload[:2])[0]
                self.close_reason = payload[2:].decode("utf-8", "replace")
            self._enqueue(_frame(CLOSE, payload[:2]))
            self._write()
            self._close_by = 0.0


def _frame(opcode, payload):
    # type: (int, bytes) -> bytes
    """Returns a masked frame: clients mask with new random bytes each time."""
    count = len(payload)
    head = bytearray([0x80 | opcode])
    if count < 126:
        head.append(0x80 | count)
    elif count < 1 << 16:
        head += struct.pack(">BH", 0x80 | 126, count)
    else:
        head += struct.pack(">BQ", 0x80 | 127, count)
    mask = os.urandom(4)
    pad = (mask * (count // 4 + 1))[:count]
    # As one large number, which is a hundred times faster than byte by byte.
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return bytes(head) + mask + masked.to_bytes(count, "big")


def _would_block(error):
    # type: (OSError) -> bool
    # ssl's own classes, without importing ssl, which some editors lack.
    names = ("BlockingIOError", "SSLWantReadError", "SSLWantWriteError")
    return type(error).__name__ in names
