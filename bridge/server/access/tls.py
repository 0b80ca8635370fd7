"""TLS for uvicorn's protocols: a transport over a transport, and the certificate that it shows.

asyncio's own TLS holds 256 KiB of buffer for each connection, waits up to a minute for a handshake, and can't
be given another certificate. This one begins with the peer's first byte, and keeps no buffer while a
connection is idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import os
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any

from accel.text import text
from bridge.core import auth
from bridge.core.errors import UserError
from bridge.core.settings import Settings
from bridge.paths import Paths
from bridge.server.access import certificates
from bridge.server.access.certificates import Leaf

log = logging.getLogger(__name__)

HANDSHAKE_S = 10.0
"""Time limit for the handshake, from the start of the connection."""
RECORD = 16 * 1024
"""Most plaintext of a TLS record (RFC 8446 §5.1)."""
HANDSHAKE_STEP = 256
"""Bytes that a handshake takes at a time. OpenSSL's memory buffers never shrink."""
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has nothing else."""
CURVE = "X25519"
"""The only group. Hybrids with ML-KEM use 8 KiB more for each connection, and NIST's curves 3 KiB."""
WATCH_S = 2.0
"""Seconds between looks at the certificate's files."""
RENEWAL_RETRY_S = 3600.0
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # Names no address to listen on. # nosec B104
"""The addresses for all interfaces, with loopback's for clients of this machine."""
CLIENT_HELLO = 0x16
"""First byte of a TLS connection, the record type `handshake` (RFC 8446 §5.1)."""
PLAIN_BODY = b"This port accepts TLS only: use https:// and wss:// URLs."
PLAIN_HEADERS = auth.with_security_headers(
    [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(PLAIN_BODY)),
        (b"connection", b"close"),
    ]
)
PLAIN_ANSWER = b"\r\n".join(
    [b"HTTP/1.1 400 Bad Request", *(b"%s: %s" % header for header in PLAIN_HEADERS), b"", PLAIN_BODY]
)
"""What a peer gets that doesn't speak TLS."""


def server_context(leaf: Leaf) -> ssl.SSLContext:
    """Returns the context that shows `leaf`. Raises UserError if OpenSSL refuses it."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers(CIPHERS)
    made.set_ecdh_curve(CURVE)
    made.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # No shipped client resumes a TLS session; tickets would only be written.
    made.num_tickets = 0
    try:
        made.load_cert_chain(leaf.file, leaf.key_file)
    except (OSError, ssl.SSLError) as error:
        raise UserError(
            text("Can't use the certificate {file} ({reason}).", file=leaf.file, reason=str(error))
        ) from None
    return made


class Certificate:
    """The daemon's current certificate. Connections that are open keep the one that they began with."""

    def __init__(self, settings: Settings, paths: Paths) -> None:
        """Loads it, and renews a local one if necessary. Raises UserError."""
        self._settings = settings
        self._paths = paths
        self._changed: Callable[[Leaf], None] = lambda leaf: None
        self._retry_at = 0.0
        self.leaf = self._fresh(certificates.load(settings, paths))
        if self.leaf.not_after < _now():
            raise UserError(
                text(
                    "The certificate {file} expired on {date}. Renew it, or set `tls` to off.",
                    file=self.leaf.file,
                    date=f"{self.leaf.not_after:%Y-%m-%d}",
                )
            )
        self.context = server_context(self.leaf)
        self._state = self._stat()

    def check_host(self, host: str) -> None:
        """Raises UserError if a daemon that listens on `host` couldn't be reached under a name that it
        certifies."""
        if host in auth.ANY_ADDRESS or self.leaf.covers(host) or not self.leaf.is_local:
            return
        raise UserError(
            text(
                "The certificate isn't valid for {host}. Run `popbridge certs renew --name {host}`.",
                host=host,
            )
        )

    def host_for(self, address: str) -> str:
        """Returns the name for URLs of this machine's clients: `address`, or one that the certificate has."""
        local = ANY.get(address, address)
        for name in (local, self._settings["host"]):
            if self.leaf.covers(name):
                return str(name)
        # Loopback's names lead nowhere if it listens on another address.
        names = [name for name in self.leaf.names if not name.startswith("*.")]
        return next((name for name in names if address in ANY or not auth.is_loopback(name)), local)

    def listener(self, protocol: Callable[..., asyncio.Protocol]) -> TlsListener:
        """Returns what makes the protocol of each connection; `protocol` makes the one for the plaintext."""
        return TlsListener(self, protocol)

    def reload(self) -> bool:
        """Takes over files that have changed; returns whether it did. Invalid ones change nothing."""
        self._state = self._stat()
        try:
            leaf = certificates.load(self._settings, self._paths)
            if leaf == self.leaf:
                return False
            context = server_context(leaf)
        except UserError as error:
            log.error("the certificate of before stays in use: %s", error)
            return False
        self.leaf, self.context = leaf, context
        log.warning("the certificate has changed; valid until %s", f"{leaf.not_after:%Y-%m-%d}")
        self._changed(leaf)
        return True

    async def watch(self, changed: Callable[[Leaf], None]) -> None:
        """Takes over changed files, and renews a local certificate in time, until it is cancelled.

        `changed` is called with each new certificate.
        """
        self._changed = changed
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(WATCH_S)
            try:
                if self._stat() != self._state:
                    self.reload()
                if self.leaf.needs_renewal(_now()) and loop.time() >= self._retry_at:
                    self._retry_at = loop.time() + RENEWAL_RETRY_S
                    await loop.run_in_executor(None, self._fresh, self.leaf)
            # An expired certificate would shut everybody out, so nothing may end this loop.
            except Exception:
                log.exception("the certificate's files can't be watched")

    def _fresh(self, leaf: Leaf) -> Leaf:
        """Returns `leaf`, or the one that replaces it if it is local and too old."""
        if not leaf.needs_renewal(_now()):
            return leaf
        if leaf.is_local:
            try:
                return certificates.renew(self._paths.certificates)
            except (UserError, OSError) as error:
                log.error("the certificate can't be renewed: %s", error)
        log.warning("the certificate %s expires on %s", leaf.file, f"{leaf.not_after:%Y-%m-%d}")
        return leaf

    def _stat(self) -> tuple[object, ...]:
        return tuple(_stat(file) for file in (self.leaf.file, self.leaf.key_file))


def _stat(file: os.PathLike[str]) -> object:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class TlsListener:
    """Makes the protocol of each accepted connection. Those over a Unix socket aren't encrypted."""

    def __init__(self, certificate: Certificate, protocol: Callable[..., asyncio.Protocol]) -> None:
        """`protocol` makes the protocol that gets the plaintext."""
        self._certificate = certificate
        self._protocol = protocol
        self.handshakes: set[TlsConnection] = set()
        """Connections that haven't finished their handshake."""

    def __call__(self, *arguments: Any, **named: Any) -> TlsConnection:
        return TlsConnection(self, self._protocol(*arguments, **named))

    def context(self) -> ssl.SSLContext:
        """Returns the context of the certificate that is current now."""
        return self._certificate.context

    def close(self) -> None:
        """Drops connections that haven't finished their handshake."""
        for connection in tuple(self.handshakes):
            connection.abort()


class TlsConnection(asyncio.Protocol, asyncio.Transport):
    """One connection: the protocol of the socket's transport, and the transport of the application.

    The application's protocol hears of it once the handshake is done.
    """

    __slots__ = (
        "_app",
        "_deadline",
        "_incoming",
        "_is_paused",
        "_listener",
        "_outgoing",
        "_raw",
        "_tls",
        "_unread",
    )

    def __init__(self, listener: TlsListener, app: asyncio.Protocol) -> None:
        self._listener = listener
        self._app = app
        self._raw: asyncio.Transport
        self._tls: ssl.SSLObject | None = None
        self._incoming: ssl.MemoryBIO
        self._outgoing: ssl.MemoryBIO
        self._deadline: asyncio.TimerHandle | None = None
        self._is_paused = False
        self._unread = b""
        """Ciphertext that came while reading was paused."""

    # Protocol of the socket's transport.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        made = transport.get_extra_info("socket")
        if made is not None and made.family == getattr(socket, "AF_UNIX", None):
            transport.set_protocol(self._app)
            self._app.connection_made(transport)
            return
        self._raw = transport
        self._listener.handshakes.add(self)
        self._deadline = asyncio.get_running_loop().call_later(HANDSHAKE_S, self.abort)

    def data_received(self, data: bytes) -> None:
        if self._is_paused:
            self._unread += data
            return
        if self._tls is None:
            if data[0] != CLIENT_HELLO:
                self._raw.write(PLAIN_ANSWER)
                self._raw.close()
                return
            # Peers that say nothing cost no more than their socket.
            self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = self._listener.context().wrap_bio(self._incoming, self._outgoing, server_side=True)
        try:
            at = 0
            while at < len(data) and not self._raw.is_closing():
                if self._is_paused:
                    self._unread = data[at:]
                    return
                step = RECORD if self._deadline is None else HANDSHAKE_STEP
                self._incoming.write(data[at : at + step])
                at += step
                if self._deadline is not None:
                    self._shake_hands()
                if self._deadline is None:
                    self._read()
        except ssl.SSLError as error:
            log.debug("a TLS connection failed: %s", error)
            # The alert tells the peer why.
            self._flush()
            if self._deadline is not None:
                self._raw.close()
            else:
                self.abort()

    def eof_received(self) -> bool | None:
        if self._deadline is None:
            self._app.eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._end_handshake()
        else:
            self._app.connection_lost(exc)
        # The objects refer to one another.
        self._tls = None

    def pause_writing(self) -> None:
        if self._deadline is None:
            self._app.pause_writing()

    def resume_writing(self) -> None:
        if self._deadline is None:
            self._app.resume_writing()

    # Transport of the application's protocol.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not data or self._tls is None or self._raw.is_closing():
            return
        try:
            if len(data) <= RECORD:
                self._tls.write(data)
                self._raw.write(self._outgoing.read())
                return
            view = memoryview(data).cast("B")
            for at in range(0, len(view), RECORD):
                self._tls.write(view[at : at + RECORD])
                self._flush()
        except ssl.SSLError as error:
            log.debug("a TLS connection failed: %s", error)
            self.abort()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        if self._tls is not None and self._deadline is None and not self._raw.is_closing():
            # Sends close_notify (RFC 8446 §6.1), without waiting for the peer's.
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            self._flush()
        self._raw.close()

    def abort(self) -> None:
        self._raw.abort()

    def is_closing(self) -> bool:
        return self._raw.is_closing()

    def pause_reading(self) -> None:
        self._is_paused = True
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            asyncio.get_running_loop().call_soon(self._continue)

    def is_reading(self) -> bool:
        return not self._is_paused and not self._raw.is_closing()

    def set_protocol(self, protocol: asyncio.Protocol) -> None:  # type: ignore[override]
        self._app = protocol

    def get_protocol(self) -> asyncio.Protocol:
        return self._app

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        match name:
            case "sslcontext":
                return self._tls.context if self._tls is not None else default
            case "ssl_object":
                return self._tls if self._tls is not None else default
        return self._raw.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._raw.get_write_buffer_limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high, low)

    def can_write_eof(self) -> bool:
        return False

    def _shake_hands(self) -> None:
        assert self._tls is not None
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        self._flush()
        self._end_handshake()
        self._app.connection_made(self)

    def _end_handshake(self) -> None:
        assert self._deadline is not None
        self._deadline.cancel()
        self._deadline = None
        self._listener.handshakes.discard(self)

    def _read(self) -> None:
        """Delivers what is decrypted. Raises ssl.SSLError."""
        tls = self._tls
        # Without read-ahead, OpenSSL takes what it needs of a record, so nothing else is buffered.
        while tls is not None and (size := self._incoming.pending or tls.pending()):
            try:
                # It allocates as much as it may read.
                data = tls.read(min(size, RECORD))
            except ssl.SSLWantReadError:
                break
            if not data:
                # close_notify
                self.close()
                break
            self._app.data_received(data)
            tls = self._tls

    def _continue(self) -> None:
        """Goes on after a pause."""
        if self._is_paused or self._raw.is_closing():
            return
        data, self._unread = self._unread, b""
        if data:
            self.data_received(data)
        if not self._is_paused:
            self._raw.resume_reading()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._raw.write(self._outgoing.read())
