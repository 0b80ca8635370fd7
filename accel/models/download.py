"""Resumable HTTPS downloads, verified by digest."""

from __future__ import annotations

import http.client
import io
import ipaddress
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from accel.models.manifest import Part
from accel.models.store import CHUNK, ModelError, Unwritable, digest
from accel.text import AnyText, TextError, text


def check_address(url: str) -> None:
    """Raises ModelError for a URL that is invalid, contains credentials, or lacks TLS and isn't local."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or not re.fullmatch(r"[!-~]+", url):
        raise ModelError(text("{url} isn't an https URL", url=url))
    if parts.username is not None:
        raise ModelError(
            text(
                "the URL of {host} contains a user name or password, which isn't sent: remove it",
                host=host,
            )
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and _loopback(host)):
        raise ModelError(text("{url} isn't an https URL", url=url))


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def http_error_text(error: urllib.error.HTTPError) -> AnyText:
    """Describes an HTTP status in the standard's words; a server's own reason may span several lines."""
    if 300 <= error.code < 400:
        return text("redirects to nowhere, or in a circle ({code})", code=error.code)
    words = http.client.responses.get(error.code, "")
    return text("answered {status}", status=f"{error.code} ({words})" if words else error.code)


def error_text(error: Exception, silent_s: float) -> AnyText:
    """Describes a failed connection; `silent_s` is the timeout for each read."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return text("no data for {silent_s} s", silent_s=f"{silent_s:.3g}")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return text(
            "its certificate isn't trusted ({verify_message}); SSL_CERT_FILE can name another authority",
            verify_message=reason.verify_message,
        )
    if isinstance(reason, http.client.RemoteDisconnected):
        return text("it closed the connection without an answer")
    if isinstance(reason, http.client.IncompleteRead):
        return text("the file ended early")
    if isinstance(reason, http.client.HTTPException):
        return text("its answer isn't HTTP")
    words = getattr(reason, "strerror", "") or str(reason) or type(reason).__name__
    return " ".join(words.split())


def proxy(url: str) -> str:
    """Returns the host and port of the proxy for a URL, without its password, or an empty string.

    Proxies come from the environment or the system.
    """
    parts = urllib.parse.urlsplit(url)
    address = urllib.request.getproxies().get(parts.scheme, "")
    if not address or urllib.request.proxy_bypass(parts.netloc):
        return ""
    return address.rpartition("//")[2].rpartition("@")[2]


ProgressCallback = Callable[[str, int, int], None]
"""Called with a name, the bytes so far and the total bytes (0 if unknown)."""

SILENT_S = 30.0
"""Read timeout, after which the rest is requested again."""
TRIES = 4
"""Maximum connections per file; large downloads are interrupted now and then."""

COMPRESSIONS = frozenset({"br", "compress", "deflate", "gzip", "x-gzip", "zstd"})
"""Compressed values of Content-Encoding (RFC 9110 §8.4.1). Others are ignored, because file stores return
whatever the upload declared."""


class DigestMismatch(TextError):
    """The data aren't the declared file. The reason reads well after the URL."""


def download(url: str, part: Part, target: Path, name: str, on_progress: ProgressCallback) -> None:
    """Downloads into `target`, resuming from its current contents.

    After an interruption or timeout, the next call resumes; wrong data are deleted. Raises ModelError, or
    Unwritable if the disk is the cause.
    """
    check_address(url)
    problem: AnyText = ""
    for _ in range(TRIES):
        resumed = _is_partial(target)
        try:
            problem = _attempt(url, part, target, name, on_progress)
        except DigestMismatch as error:
            target.unlink(missing_ok=True)
            if not resumed:
                raise ModelError(text("{url} {reason}", url=url, reason=error.text)) from None
            # Data from an earlier connection may be wrong, so start again.
            problem = error.text
            continue
        if not problem:
            return
        if not _is_partial(target):
            break
    if address := proxy(url):
        problem = text("{problem} (through the proxy {proxy})", problem=problem, proxy=address)
    if _is_partial(target):
        problem = text(
            "{problem}; {done} of {size} MB are downloaded, and the next pull resumes there",
            problem=problem,
            done=f"{target.stat().st_size / 1e6:.1f}",
            size=f"{part.size / 1e6:.1f}",
        )
    raise ModelError(text("{url}: {problem}", url=url, problem=problem))


def _attempt(url: str, part: Part, target: Path, name: str, on_progress: ProgressCallback) -> AnyText:
    """Uses one connection. Returns why the file is incomplete. Raises DigestMismatch and ModelError."""
    try:
        _continue(url, part, target, name, on_progress)
        return "" if _is_complete(part, target) else text("the file ended early")
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and _is_partial(target):
            # RFC 9110 §15.5.17: the server's file is shorter than the local one.
            raise DigestMismatch(text("is shorter than what was downloaded before")) from None
        raise ModelError(text("{url} {reason}", url=url, reason=http_error_text(error))) from None
    except (OSError, http.client.HTTPException) as error:
        return error_text(error, SILENT_S)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, except from TLS to plain HTTP."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _continue(url: str, part: Part, target: Path, name: str, on_progress: ProgressCallback) -> None:
    """Appends the rest to `target`. Raises OSError, HTTPException, DigestMismatch and ModelError."""
    have = target.stat().st_size if target.exists() else 0
    if have >= part.size:
        return
    headers = {"User-Agent": "popbridge"} | ({"Range": f"bytes={have}-"} if have else {})
    opener = urllib.request.build_opener(_Redirects)
    with opener.open(urllib.request.Request(url, headers=headers), timeout=SILENT_S) as answer:
        _check_headers(url, answer, part)
        # RFC 9110 §14.2: a server may ignore Range and send everything.
        have = have if answer.status == 206 else 0
        if answer.status == 206 and not _starts_at(answer.headers, have):
            raise DigestMismatch(text("sent a different range from the one requested"))
        with _open(target, have) as file:
            # read1 doesn't wait for a full chunk, which would be lost if the server stalls.
            while block := answer.read1(min(CHUNK, part.size + 1 - have)):
                _append(file, block, target)
                have += len(block)
                on_progress(name, min(have, part.size), part.size)
                if have > part.size:
                    break


def _check_headers(url: str, answer: http.client.HTTPResponse, part: Part) -> None:
    """Raises ModelError if the headers show that it isn't the file. Earlier data stay."""
    if (coding := answer.headers.get("Content-Encoding", "").lower()) in COMPRESSIONS:
        raise ModelError(
            text("{url} is sent compressed ({coding}), which wasn't requested", url=url, coding=coding)
        )
    page = answer.headers.get_content_type() == "text/html"
    if answer.status == 206 or answer.length == part.size or (answer.length is None and not page):
        return
    length = "" if answer.length is None else f"{answer.length:,}"
    if not page:
        reason = text("{url} is a file of {length} bytes instead of {size}")
    elif length:
        reason = text("{url} is a web page of {length} bytes instead of a file of {size}")
    else:
        reason = text("{url} is a web page instead of a file of {size} bytes")
    raise ModelError(reason.fill(url=url, length=length, size=f"{part.size:,}"))


def _starts_at(headers: Any, have: int) -> bool:
    found = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return found is not None and int(found[1]) == have


def _open(target: Path, begin: int) -> io.FileIO:
    """Opens the file at an offset, unbuffered, so that writing to a full disk fails. Raises Unwritable."""
    try:
        file = io.FileIO(target, "r+" if begin else "w")
    except OSError as error:
        raise Unwritable(target, error) from None
    file.seek(begin)
    return file


def _append(file: io.FileIO, block: bytes, target: Path) -> None:
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise Unwritable(target, error) from None


def _is_complete(part: Part, target: Path) -> bool:
    """Whether the file is complete. Raises DigestMismatch if it is wrong."""
    size = target.stat().st_size
    if size < part.size:
        return False
    if size > part.size:
        raise DigestMismatch(
            text("isn't the declared file (it is longer than {size} bytes)", size=f"{part.size:,}")
        )
    if digest(target) != part.sha256:
        raise DigestMismatch(text("isn't the declared file (SHA-256 differs)"))
    return True


def _is_partial(target: Path) -> bool:
    return target.exists() and target.stat().st_size > 0
